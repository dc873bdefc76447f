"""What a called no-op task costs on a server: the slope between 1,000 and 2,000 of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import BARE, OURS, PAIRS, PEER, Contender, Figures, Options, run_program
from benchmarks.report import Measure, main
from benchmarks.served import compare_served


def measure(options: Options) -> Sequence[Measure]:
    """Milliseconds a task: (time of 2,000 - time of 1,000) / 1,000, in one process."""
    samples = compare_served(options, _run)
    return [
        Measure(
            what="a called no-op task against a server, all states and logs sent",
            unit="ms",
            ours=samples.of(OURS, "slope"),
            bare=samples.of(BARE, "slope"),
            peer=samples.of(PEER, "slope"),
            at_most=0.3,
        )
    ]


def _run(contender: Contender, home: Path) -> Figures:
    return run_program(contender, home, "called.py", PAIRS[contender.name])


if __name__ == "__main__":
    main("server_task", measure)
