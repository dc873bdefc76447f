"""A worker that has much to do: a hundred deployments that are due in the same second, and runs of nothing in a row."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.common import BARE, OURS, Contender, Figures, Options, compare
from benchmarks.report import Measure, main
from benchmarks.working import bare_start, working, workplace

DEPLOYMENTS, RUNS = 100, 60


def measure(options: Options) -> Sequence[Measure]:
    """Seconds until the last of them has told its first line; and seconds a run."""
    contenders = [contender for contender in options.contenders() if contender.name in (OURS, BARE)]
    samples = compare(options, contenders, _run, warm_up=False)

    def line(what: str, figure: str, at_most: float) -> Measure:
        ours, bare = samples.of(OURS, figure), samples.of(BARE, figure)
        return Measure(what=what, unit="s", ours=ours, bare=bare, at_most=at_most)

    return [
        line(f"{DEPLOYMENTS} deployments due in the same second, until the first line of the last", "last", 25),
        line("a run of a flow that does nothing, through a worker with --limit 2", "each", 0.25),
    ]


def _run(contender: Contender, home: Path) -> Figures:
    if contender.name == BARE:  # one after the other
        each = min(bare_start(home) for _ in range(5))
        return {"last": DEPLOYMENTS * each, "each": each}
    return {"last": _same_second(contender, home / "a"), "each": _in_a_row(contender, home / "b")}


def _same_second(contender: Contender, home: Path) -> float:
    home.mkdir(exist_ok=True)
    with workplace(home) as place:
        known = len(place.runs())
        slot = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=10)
        yearly = {"interval": 31_536_000.0, "anchor_date": slot.isoformat()}
        for number in range(DEPLOYMENTS):
            place.deploy(f"{number} {slot:%s}", schedules=[{"schedule": yearly, "slug": "yearly"}])
        with working(contender, home):
            place.wait_for(known + DEPLOYMENTS)
        return max(place.delay(run) for run in place.runs()[known:])


def _in_a_row(contender: Contender, home: Path) -> float:
    home.mkdir(exist_ok=True)
    with workplace(home) as place, working(contender, home, "--limit", "2"):
        known = len(place.runs())
        deployment_id = place.deploy(f"in a row {time.time()}")
        began = time.perf_counter()
        for _ in range(RUNS):
            place.ask(deployment_id)
        place.wait_for(known + RUNS)
        return (time.perf_counter() - began) / RUNS


if __name__ == "__main__":
    main("worker_load", measure)
