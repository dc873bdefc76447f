"""``with test_harness():``: an isolated store for tests of user code, made and removed again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.common import OURS, PEER, Contender, Figures, Options, compare, run_program
from benchmarks.report import Measure, main

PEER_IMPORT = "from prefect.testing.utilities import prefect_test_harness as "
REPEATS = {OURS: 20, PEER: 1}
"""How often the harness is entered again in a process; Prefect starts a server each time."""


def measure(options: Options) -> Sequence[Measure]:
    """Milliseconds to enter and leave, in the second test of a process and later, and in its first."""
    ours, _, *peers = options.contenders()
    contenders = [ours, *(replace(peer, replacement=PEER_IMPORT) for peer in peers)]
    samples = compare(options, contenders, _run, warm_up=False)

    def line(what: str, figure: str) -> Measure:
        return Measure(what=what, unit="ms", ours=samples.of(OURS, figure), peer=samples.of(PEER, figure), at_most=50)

    return [
        line("with test_harness(): around nothing", "again"),
        line("the first one of a process", "first"),
    ]


def _run(contender: Contender, home: Path) -> Figures:
    return run_program(contender, home, "harness.py", REPEATS[contender.name])


if __name__ == "__main__":
    main("harness", measure)
