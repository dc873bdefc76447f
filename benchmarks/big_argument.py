"""What 64 MB cost a task that gets them as its argument: nothing hashes or copies them unless caching asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import BARE, OURS, PEER, Contender, Figures, Options, compare, run_program
from benchmarks.report import Measure, main

KINDS = {"numpy": "numpy frame", "bytes": "bytes"}
"""A frame where numpy is installed; and bytes, which every interpreter has."""

CALLS = {"called": "a called task", "submitted": "a submitted task and its result"}


def measure(options: Options) -> Sequence[Measure]:
    """Milliseconds of one task, states and logs included."""
    samples = compare(options, options.contenders(), _run)
    lines = [
        Measure(
            what=f"{told} with 64 MB ({KINDS[kind]}) as its argument",
            unit="ms",
            ours=samples.of(OURS, f"{kind} {call}"),
            bare=samples.of(BARE, f"{kind} {call}"),
            peer=samples.of(PEER, f"{kind} {call}"),
            at_most=5,
        )
        for kind in KINDS
        for call, told in CALLS.items()
    ]
    return [line for line in lines if line.ours]


def _run(contender: Contender, home: Path) -> Figures:
    return {
        f"{kind} {call}": value
        for kind in KINDS
        for call, value in run_program(contender, home, "big_argument.py", kind).items()
    }


if __name__ == "__main__":
    main("big_argument", measure)
