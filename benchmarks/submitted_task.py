"""What a submitted and what a mapped no-op task costs, and how long the flow lingers when it has all results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import BARE, OURS, PEER, Contender, Figures, Options, compare, run_program
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
        line("a submitted no-op task, all states and logs flushed", "submit", 0.22),
        line("a mapped no-op task, all states and logs flushed", "map", 0.22),
        line("the wait at the end of a flow of 2,000 submitted tasks, after the last result", "submit_wait", 50),
        line("the wait at the end of a flow of 2,000 mapped tasks, after the last result", "map_wait", 50),
    ]


def _run(contender: Contender, home: Path) -> Figures:
    program = "submitted_bare.py" if contender.name == BARE else "submitted.py"
    figures = {}
    for how in ("submit", "map"):
        seconds = run_program(contender, home, program, how)
        figures[how] = seconds["of_2000"] - seconds["of_1000"]
        if "wait" in seconds:
            figures[f"{how}_wait"] = seconds["wait"] * 1000
    return figures


if __name__ == "__main__":
    main("submitted_task", measure)
