"""What a submitted and what a mapped no-op task costs, and how long the flow lingers when it has all results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import BARE, OURS, PAIRS, PEER, Contender, Figures, Options, compare, run_program
from benchmarks.report import Measure, main
from benchmarks.stored import check_all_is_stored


def measure(options: Options) -> Sequence[Measure]:
    """Milliseconds a task: (time of 2,000 - time of 1,000) / 1,000; and those between last result and flow's return."""
    for how in ("submit", "map"):
        check_all_is_stored(how, 1000)
    samples = compare(options, options.contenders(), _run)

    def line(what: str, figure: str, at_most: float) -> Measure:
        ours, bare, peer = (samples.of(name, figure) for name in (OURS, BARE, PEER))
        return Measure(what=what, unit="ms", ours=ours, bare=bare, peer=peer, at_most=at_most)

    return [
        line("a submitted no-op task, all states and logs flushed", "submit slope", 0.22),
        line("a mapped no-op task, all states and logs flushed", "map slope", 0.22),
        line("the wait at the end of a flow of 2,000 submitted tasks, after the last result", "submit wait", 50),
        line("the wait at the end of a flow of 2,000 mapped tasks, after the last result", "map wait", 50),
    ]


def _run(contender: Contender, home: Path) -> Figures:
    program = "submitted_bare.py" if contender.name == BARE else "submitted.py"
    return {
        f"{how} {figure}": value
        for how in ("submit", "map")
        for figure, value in run_program(contender, home, program, how, PAIRS[contender.name]).items()
    }


if __name__ == "__main__":
    main("submitted_task", measure)
