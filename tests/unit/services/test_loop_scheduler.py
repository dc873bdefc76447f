"""The scheduler, tick by tick: each slot becomes one run, whoever looks, however often, and whatever is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from orchestration.backend.clock import utc_now
from orchestration.backend.connect import open_backend
from orchestration.backend.local import LocalBackend
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document
from orchestration.domain.settings import Settings
from orchestration.domain.states import Running, StoredResult
from orchestration.services.loop import Scheduler

SECONDS = timedelta(seconds=1)
MINUTELY = {"schedule": {"cron": "* * * * *"}, "slug": "minutely"}


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[LocalBackend]:
    """A store with a pool."""
    with_work = open_backend(Settings(tmp_path), StoredResult)
    assert isinstance(with_work, LocalBackend)
    with_work.create("work_pools", {"name": "trips", "type": "process"})
    yield with_work
    with_work.close()


def _deploy(backend: LocalBackend, name: str = "monthly", **fields: Any) -> Document:
    flow_id = backend.create("flows", {"name": "train"}, overwrite=True)["id"]
    about = {"name": name, "flow_id": flow_id, "work_pool_name": "trips", "parameters": {"n": 1}, **fields}
    return backend.create("deployments", about, overwrite=True)


def _runs(backend: LocalBackend) -> list[Document]:
    return backend.find("flow_runs", Query(sort="EXPECTED_START_TIME_ASC", limit=10_000))


def _slots(backend: LocalBackend) -> list[str]:
    return [run["expected_start_time"][:16] for run in _runs(backend)]


def _named(backend: LocalBackend, name: str) -> list[Document]:
    return [run for run in _runs(backend) if run["state_name"] == name]


def _minute(now: datetime) -> datetime:
    """The next full minute."""
    return (now + 60 * SECONDS).replace(second=0, microsecond=0)


def test_a_slot_becomes_a_run_with_the_parameters_of_its_schedule(backend: LocalBackend) -> None:
    _deploy(backend, tags=["a"], schedules=[{**MINUTELY, "parameters": {"n": 2}}])
    now = utc_now()
    Scheduler(backend).tick(now)
    runs = _runs(backend)
    assert len(runs) == 10
    assert runs[0]["expected_start_time"] == f"{_minute(now):%FT%T}Z"
    first = runs[0]
    assert (first["parameters"], first["tags"], first["auto_scheduled"]) == ({"n": 2}, ["a", "auto-scheduled"], True)
    assert (first["state_name"], first["work_pool_name"]) == ("Scheduled", "trips")


def test_each_slot_becomes_one_run_whoever_ticks_and_whatever_is_deployed(
    backend: LocalBackend, tmp_path: Path
) -> None:
    """Two schedulers, of which now one and now the other sleeps, over two hours; a redeploy every few minutes."""
    other = open_backend(Settings(tmp_path), StoredResult)
    assert isinstance(other, LocalBackend)
    schedulers = [Scheduler(backend), Scheduler(other)]
    _deploy(backend, schedules=[MINUTELY])
    now = start = utc_now()
    while now < start + timedelta(hours=2):
        now += 37 * SECONDS
        schedulers[int(now.timestamp()) % 2].tick(now)
        if int(now.timestamp()) % 5 == 0:
            _deploy(backend, schedules=[MINUTELY], version=str(now))
    other.close()
    slots = Counter(_slots(backend))
    expected = [f"{_minute(start) + minute * 60 * SECONDS:%FT%H:%M}" for minute in range(119)]
    assert [slots[slot] for slot in expected] == [1] * 119
    assert max(slots.values()) == 1


def test_a_change_of_the_schedule_moves_what_is_to_come(backend: LocalBackend) -> None:
    _deploy(backend, schedules=[MINUTELY])
    Scheduler(backend).tick(utc_now())
    yearly = {"schedule": {"cron": "0 0 1 1 *"}, "slug": "minutely"}
    _deploy(backend, schedules=[yearly])
    assert _runs(backend) == []
    Scheduler(backend).tick(utc_now())
    assert [slot[5:] for slot in _slots(backend)] == ["01-01T00:00"] * 3


def test_a_slot_that_passes_between_two_changes_is_planned_all_the_same(backend: LocalBackend) -> None:
    """The scheduler may be slow, and somebody may deploy again and again meanwhile."""
    every_hundredth = {"schedule": {"interval": 0.01}, "slug": "often"}
    _deploy(backend, schedules=[every_hundredth])
    start = utc_now()
    while utc_now() < start + timedelta(seconds=0.3):
        _deploy(backend, schedules=[every_hundredth])
    Scheduler(backend).tick(utc_now())
    slots = sorted(datetime.fromisoformat(run["expected_start_time"]) for run in _runs(backend))
    assert slots[0] <= start + timedelta(seconds=0.1)
    assert {later - earlier for earlier, later in pairwise(slots)} == {timedelta(seconds=0.01)}


def test_nothing_is_planned_for_who_is_paused_and_nothing_is_made_up_for_then(backend: LocalBackend) -> None:
    deployment = _deploy(backend, schedules=[MINUTELY])
    now = utc_now()
    backend.change("deployments", {"paused": True}, id=deployment["id"])
    Scheduler(backend).tick(now)
    assert _runs(backend) == []
    backend.change("deployments", {"paused": False}, id=deployment["id"])
    Scheduler(backend).tick(now)
    assert len(_runs(backend)) == 10


@pytest.mark.parametrize(
    ("fields", "waiting"),
    [
        ({}, 30),
        ({"catchup": "latest"}, 1),
        ({"catchup": "all(3)"}, 3),
        ({"catchup": "none"}, 1),
        ({"max_lateness": 330}, 6),
    ],
)
def test_a_downtime_is_caught_up_as_the_schedule_asks(
    backend: LocalBackend, fields: dict[str, Any], waiting: int
) -> None:
    """Neither scheduler nor worker were there for half an hour; what is not caught up is told of."""
    _deploy(backend, schedules=[{**MINUTELY, **fields}])
    now = utc_now()
    Scheduler(backend).tick(now)
    back = _minute(now) + 29 * 60 * SECONDS + 15 * SECONDS
    Scheduler(backend).tick(back)
    due = [run for run in _runs(backend) if datetime.fromisoformat(run["expected_start_time"]) <= back]
    assert sum(run["state_type"] == "SCHEDULED" for run in due) == waiting
    assert bool(_named(backend, "Missed")) == (waiting < 30)


def test_a_run_that_overlaps_is_skipped_or_waits(backend: LocalBackend) -> None:
    now = utc_now()
    for overlap in ("skip", "queue", "allow"):
        _deploy(backend, overlap, schedules=[{**MINUTELY, "overlap": overlap}])
    scheduler = Scheduler(backend)
    scheduler.tick(now)
    for run in _runs(backend)[:3]:
        backend.propose_flow_run_state(UUID(run["id"]), Running(), force=True)
    scheduler.tick(_minute(now) + 65 * SECONDS)
    second = {run["deployment_id"]: run for run in _runs(backend)[3:6]}
    names = {backend.read("deployments", id=each)["name"]: run["state_name"] for each, run in second.items()}
    assert names == {"skip": "Missed", "queue": "Scheduled", "allow": "Scheduled"}
    pool_id = UUID(backend.read("work_pools", name="trips")["id"])
    for run in second.values():
        past = {"type": "SCHEDULED", "state_details": {"scheduled_time": (now - 5 * SECONDS).isoformat()}}
        backend.create_run_of_deployment(
            UUID(run["deployment_id"]), {"state": past, "schedule_id": run["schedule_id"], "auto_scheduled": True}
        )
    claimed = backend.claim_runs(pool_id, (), 10, "w")
    assert [backend.read("deployments", id=run["deployment_id"])["name"] for run in claimed] == ["allow"]


def test_a_run_that_nobody_starts_is_late_and_says_why(backend: LocalBackend) -> None:
    now = utc_now()
    deployment = _deploy(backend, schedules=[MINUTELY])
    filled = {"type": "SCHEDULED", "state_details": {"scheduled_time": (now - timedelta(days=40)).isoformat()}}
    backend.create_run_of_deployment(UUID(deployment["id"]), {"state": filled})  # as a backfill makes it
    scheduler = Scheduler(backend)
    scheduler.tick(now)
    scheduler.tick(_minute(now) + 14 * SECONDS)
    assert _named(backend, "Late") == []
    scheduler.tick(_minute(now) + 16 * SECONDS)
    (late,) = _named(backend, "Late")
    assert "orchestrate worker start -p trips" in late["state"]["message"]
    assert late["expected_start_time"] == f"{_minute(now):%FT%T}Z"


def test_leases_get_their_time_anew_after_nobody_could_renew_them(backend: LocalBackend) -> None:
    run_id = backend.create_run_of_deployment(UUID(_deploy(backend)["id"]), {}).id
    now = utc_now()
    scheduler = Scheduler(backend)
    scheduler.tick(now)
    backend.claim_runs(UUID(backend.read("work_pools", name="trips")["id"]), (), 1, "w")
    away = now + timedelta(minutes=10)
    scheduler.tick(away)
    assert backend.flow_run(run_id).state_name == "Pending"
    for second in range(0, 16, 5):
        scheduler.tick(away + second * SECONDS)
    assert backend.flow_run(run_id).state_name == "Scheduled"


def test_what_is_planned_is_not_planned_anew(backend: LocalBackend) -> None:
    for number in range(25):
        _deploy(backend, f"monthly-{number}", schedules=[{"schedule": {"cron": "0 9 3 * *"}, "slug": "m"}])
    scheduler, now = Scheduler(backend), utc_now()
    assert scheduler.tick(now) == 0.0
    assert scheduler.tick(now) > 0.0
    assert len(_runs(backend)) == 75
    known = backend._db.read("SELECT id, planned, replan FROM deployment_schedule ORDER BY id")
    scheduler.tick(now + 2 * SECONDS)
    assert backend._db.read("SELECT id, planned, replan FROM deployment_schedule ORDER BY id") == known
