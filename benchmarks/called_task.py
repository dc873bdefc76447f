"""What a called no-op task costs, its states and logs in the store: the slope between 1,000 and 2,000 of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import BARE, OURS, PAIRS, PEER, Contender, Figures, Options, compare, run_program
from benchmarks.report import Measure, main
from benchmarks.stored import check_all_is_stored


def measure(options: Options) -> Sequence[Measure]:
    """Milliseconds a task: (time of 2,000 - time of 1,000) / 1,000, in one process."""
    check_all_is_stored("call", 1000)
    samples = compare(options, options.contenders(), _run)
    return [
        Measure(
            what="a called no-op task, all states and logs flushed",
            unit="ms",
            ours=samples.of(OURS, "slope"),
            bare=samples.of(BARE, "slope"),
            peer=samples.of(PEER, "slope"),
            at_most=0.15,
        )
    ]


def _run(contender: Contender, home: Path) -> Figures:
    return run_program(contender, home, "called.py", PAIRS[contender.name])


if __name__ == "__main__":
    main("called_task", measure)
