"""A tick of the scheduler with 1,000 deployments, all of whose next runs are made."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from benchmarks.common import OURS, Contender, Figures, Options, compare
from benchmarks.report import Measure, main
from benchmarks.working import workplace
from orchestration.services.loop import Scheduler

DEPLOYMENTS, FEW, TICKS = 1_000, 10, 50


def measure(options: Options) -> Sequence[Measure]:
    """Milliseconds a tick, beside one with few deployments in the place of bare Python."""
    samples = compare(options, options.contenders()[:1], _run, warm_up=False)

    def line(what: str, figure: str) -> Measure:
        return Measure(what=what, unit="ms", ours=samples.of(OURS, figure), bare=samples.of(OURS, "few"), at_most=100)

    return [
        line(f"a tick of the scheduler with {DEPLOYMENTS:,} deployments (bare: with {FEW})", "usual"),
        line("the longest of fifty of them, a minute apart", "longest"),
    ]


def _run(_contender: Contender, home: Path) -> Figures:
    few, many = (_ticks(home / f"{number} {time.time()}", number) for number in (FEW, DEPLOYMENTS))
    return {"few": median(few), "usual": median(many), "longest": max(many)}


def _ticks(home: Path, deployments: int) -> list[float]:
    """Milliseconds of ticks, a minute apart."""
    home.mkdir()
    with workplace(home) as place:
        for number in range(deployments):
            cron = {"cron": f"{number % 60} {number % 24} * * *", "timezone": "America/New_York"}
            place.deploy(f"daily {number}", schedules=[{"schedule": cron, "slug": "daily"}])
        scheduler, now = Scheduler(place.backend), datetime.now(UTC)
        while not scheduler.tick(now):
            pass
        taken = []
        for _ in range(TICKS):
            now += timedelta(minutes=1)
            began = time.perf_counter()
            scheduler.tick(now)
            taken.append(1000 * (time.perf_counter() - began))
        return taken


if __name__ == "__main__":
    main("scheduler_tick", measure)
