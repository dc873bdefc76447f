"""A script with one flow and one task, no server: the whole process, from the shell's view."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import BARE, OURS, PEER, Contender, Figures, Options, compare, run_program
from benchmarks.report import Measure, main


def measure(options: Options) -> Sequence[Measure]:
    """Seconds with a home folder that exists, and with one that has to be made."""
    seasoned = compare(options, options.contenders(), lambda contender, home: run_program(contender, home, "script.py"))
    first = compare(options, options.contenders(), FirstRuns(), warm_up=False)
    return [
        Measure(
            what="script with one flow and one task, whole process, no server",
            unit="s",
            ours=seasoned.of(OURS, "seconds"),
            bare=seasoned.of(BARE, "seconds"),
            peer=seasoned.of(PEER, "seconds"),
            at_most=0.40,
            times_faster=20,
        ),
        Measure(
            what="the same, the first that its user ever runs",
            unit="s",
            ours=first.of(OURS, "seconds"),
            bare=first.of(BARE, "seconds"),
            peer=first.of(PEER, "seconds"),
        ),
    ]


class FirstRuns:
    """Runs of the script, each in a home folder that nobody has used before."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, contender: Contender, home: Path) -> Figures:
        self._count += 1
        fresh = home / str(self._count)
        fresh.mkdir()
        return run_program(contender, fresh, "script.py")


if __name__ == "__main__":
    main("script_start", measure)
