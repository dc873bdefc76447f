"""``from orchestration import flow, task``: what the line adds to a process that does nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.common import BARE, BARE_DECORATORS, OURS, PEER, Options, compare, run_program
from benchmarks.report import Measure, main

PEER_BARE = "peer's bare"


def measure(options: Options) -> Sequence[Measure]:
    """Seconds over those of the same interpreter with an empty program."""
    bare_peers = [replace(peer, name=PEER_BARE, replacement=BARE_DECORATORS) for peer in options.peers()]
    contenders = [*options.contenders(), *bare_peers]
    samples = compare(options, contenders, lambda contender, home: run_program(contender, home, "imports.py"))
    empty = samples.of(BARE, "seconds")
    return [
        Measure(
            what="from orchestration import flow, task, over bare Python",
            unit="s",
            ours=_differences(samples.of(OURS, "seconds"), empty),
            bare=empty,
            peer=_differences(samples.of(PEER, "seconds"), samples.of(PEER_BARE, "seconds")),
            at_most=0.10,
        )
    ]


def _differences(longer: Sequence[float], shorter: Sequence[float]) -> list[float]:
    return [one - other for one, other in zip(longer, shorter, strict=True)]


if __name__ == "__main__":
    main("import_cost", measure)
