"""A worker that has nothing to do: from a run that is asked for, or a slot, to the first line; and its memory."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

from benchmarks.common import BARE, OURS, Contender, Figures, Options, compare
from benchmarks.report import Measure, main
from benchmarks.working import Workplace, bare_start, children, resident, working, workplace

RUNS, SLOTS = 20, 15
# Between two slots, so that the worker is idle again.
INTERVAL = 2.0


def measure(options: Options) -> Sequence[Measure]:
    """Seconds, the 95th percentile of each round; and megabytes, after those runs."""
    contenders = [contender for contender in options.contenders() if contender.name in (OURS, BARE)]
    samples = compare(options, contenders, _run, warm_up=False)

    def line(what: str, unit: str, figure: str, at_most: float | None, bare: str = "") -> Measure:
        return Measure(
            what=what, unit=unit, ours=samples.of(OURS, figure), bare=samples.of(BARE, bare), at_most=at_most
        )

    return [
        line("run asked for to the first line of its flow, idle worker, p95", "s", "asked", 0.6, "start"),
        line("slot of a schedule to the first line of its flow, idle worker, p95", "s", "slot", 1.0, "start"),
        line("worker, resident memory", "MB", "worker", 70),
        line("worker, together with the process that it forks runs from", "MB", "both", None),
    ]


def _run(contender: Contender, home: Path) -> Figures:
    if contender.name == BARE:
        return {"start": _p95([bare_start(home) for _ in range(RUNS)])}
    with workplace(home) as place, working(contender, home) as worker:
        known = len(place.runs())
        _ask(place, known)
        asked = [place.delay(run) for run in place.runs()[known:]]
        known = len(place.runs())
        _schedule(place, known)
        slots = [place.delay(run) for run in place.runs()[known:][:SLOTS]]
        memory = resident(worker)
        both = memory + sum(map(resident, children(worker)))
        return {"asked": _p95(asked), "slot": _p95(slots), "worker": memory, "both": both}


def _ask(place: Workplace, known: int) -> None:
    deployment_id = place.deploy(f"asked {time.time()}")
    for number in range(RUNS):
        place.ask(deployment_id)
        place.wait_for(known + number + 1)
        time.sleep(random.uniform(0.2, 0.7))  # at any point of the worker's own rounds


def _schedule(place: Workplace, known: int) -> None:
    schedule = {"schedule": {"interval": INTERVAL}, "slug": "often"}
    deployment_id = place.deploy(f"slots {time.time()}", schedules=[schedule])
    place.wait_for(known + SLOTS)
    place.backend.change("deployments", {"paused": True}, id=str(deployment_id))


def _p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[-1]


if __name__ == "__main__":
    main("worker_latency", measure)
