"""A script with one flow and one task on a server: the whole process, from the shell's view."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.common import BARE, OURS, PEER, Options, run_program
from benchmarks.report import Measure, main
from benchmarks.served import compare_served


def measure(options: Options) -> Sequence[Measure]:
    """Seconds of the whole process."""
    samples = compare_served(options, lambda contender, home: run_program(contender, home, "script.py"))
    return [
        Measure(
            what="script with one flow and one task against a server, whole process",
            unit="s",
            ours=samples.of(OURS, "seconds"),
            bare=samples.of(BARE, "seconds"),
            peer=samples.of(PEER, "seconds"),
            at_most=0.55,
        )
    ]


if __name__ == "__main__":
    main("server_script", measure)
