"""Deployments: what they keep, the runs that they give, and who may start those."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.rules import Accept, Reject, Wait
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document, state_document
from orchestration.domain.states import Completed, Failed, Pending, Running, Scheduled
from tests.support.listings import flow_runs
from tests.support.records import batch, born, flow_run, task_record

MONTHLY = {"cron": "0 9 3 * *", "timezone": "America/New_York", "day_or": True}
WEEKLY = {"interval": 604800.0, "anchor_date": "2024-01-01T00:00:00Z", "timezone": "UTC"}


def _pool(backend: Backend, **fields: Any) -> Document:
    return backend.create("work_pools", {"name": "trips", "type": "process", **fields})


def _deployment(backend: Backend, **fields: Any) -> Document:
    flow_id = str(backend.create_flow_run(flow_run(state=None)).flow_id)
    return backend.create("deployments", {"name": "monthly", "flow_id": flow_id, **fields}, overwrite=True)


def _schedules(deployment: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    return [(each["slug"], each["schedule"]) for each in deployment["schedules"]]


def _due(backend: Backend, pool: Document, *queues: str, limit: int = 10) -> list[str]:
    found = backend.scheduled_runs(UUID(pool["id"]), queues, utc_now(), limit)
    assert {each["work_pool_id"] for each in found} <= {pool["id"]}
    return [each["flow_run"]["name"] for each in found]


# -- what they keep -------------------------------------------------------------------------------


def test_a_deployment_comes_back_as_it_was_deployed(backend: Backend) -> None:
    pool = _pool(backend)
    given = {
        "version": "1", "description": "d", "parameters": {"n": [1]}, "tags": ["a"], "entrypoint": "flow.py:main",
        "pull_steps": [{"step": {}}], "parameter_openapi_schema": {"type": "object"}, "concurrency_limit": 2,
        "job_variables": {"env": {"A": "b"}}, "paused": True, "enforce_parameter_schema": False,
    }  # fmt: skip
    made = _deployment(backend, **given, work_pool_name="trips")
    assert made == {**made, **given}
    assert (made["flow_name"], made["work_pool_name"], made["work_queue_name"]) == ("train", "trips", "default")
    assert made["work_queue_id"] == pool["default_queue_id"]
    assert backend.find("deployments") == [made]
    assert backend.read("deployments", flow_id=made["flow_id"], name="monthly") == made


def test_deploying_again_changes_the_deployment_that_is_there(backend: Backend) -> None:
    first = _deployment(backend, parameters={"n": 1}, version="1")
    second = _deployment(backend, parameters={"n": 2})
    assert (second["id"], second["created"], second["parameters"]) == (first["id"], first["created"], {"n": 2})
    assert backend.count("deployments") == 1


def test_a_pool_that_is_not_there_is_named_with_the_command_that_makes_it(backend: Backend) -> None:
    with pytest.raises(ObjectNotFound, match=r"'absent'.*orchestrate work-pool create --type process absent"):
        _deployment(backend, work_pool_name="absent")
    assert backend.find("deployments") == []


def test_a_queue_that_is_named_for_the_first_time_is_made(backend: Backend) -> None:
    _pool(backend)
    made = _deployment(backend, work_pool_name="trips", work_queue_name="urgent")
    queues = backend.find("work_queues", Query(sort="NAME_ASC"))
    assert [(each["name"], each["priority"], each["work_pool_name"]) for each in queues] == [
        ("default", 1, "trips"), ("urgent", 2, "trips"),
    ]  # fmt: skip
    assert made["work_queue_id"] == queues[1]["id"]


def test_schedules_that_are_not_named_stay_an_empty_list_clears_and_given_ones_replace(backend: Backend) -> None:
    first = _deployment(backend, schedules=[{"schedule": MONTHLY, "slug": "m"}, {"schedule": WEEKLY}])
    assert _schedules(first) == [("m", MONTHLY), (None, WEEKLY)]
    kept = _deployment(backend, version="2")
    assert kept["schedules"] == first["schedules"]
    given = _deployment(backend, schedules=[{"schedule": WEEKLY, "slug": "m", "active": False}])
    assert _schedules(given) == [("m", WEEKLY)]
    assert (given["schedules"][0]["id"], given["schedules"][0]["active"]) == (first["schedules"][0]["id"], False)
    assert _deployment(backend, schedules=[])["schedules"] == []


def test_a_deployment_that_is_removed_takes_its_schedules_and_planned_runs_along(own_backend: Backend) -> None:
    made = _deployment(own_backend, schedules=[{"schedule": MONTHLY}])
    planned = flow_run(deployment_id=UUID(made["id"]), auto_scheduled=True, state=Scheduled(utc_now()), name="planned")
    asked = flow_run(deployment_id=UUID(made["id"]), state=Scheduled(utc_now()), name="asked")
    for run in (planned, asked):
        own_backend.create_flow_run(run)
    own_backend.delete("deployments", id=made["id"])
    assert own_backend.find("schedules") == []
    assert {run.name for run in flow_runs(own_backend)} == {"asked", "light-boar"}


@pytest.mark.parametrize("changes", [{"schedules": []}, {"paused": True}, {"parameters": {"n": 3}}])
def test_a_change_of_what_is_planned_plans_anew(own_backend: Backend, changes: dict[str, Any]) -> None:
    made = _deployment(own_backend, schedules=[{"schedule": MONTHLY}])
    deployment_id = UUID(made["id"])
    coming = Scheduled(utc_now() + timedelta(hours=1))
    for name, fields in {"planned": {"auto_scheduled": True}, "asked for": {}}.items():
        own_backend.create_flow_run(flow_run(name=name, deployment_id=deployment_id, state=coming, **fields))
    own_backend.change("deployments", {"description": "new"}, id=made["id"])
    assert own_backend.count("flow_runs", {"deployments": {"id": {"any_": [made["id"]]}}}) == 2
    own_backend.change("deployments", changes, id=made["id"])
    assert [run.name for run in flow_runs(own_backend, {"deployments": {"id": {"any_": [made["id"]]}}})] == [
        "asked for"
    ]


# -- the runs that they give ----------------------------------------------------------------------


def test_a_run_of_a_deployment_has_what_the_deployment_says_and_what_was_asked_for(backend: Backend) -> None:
    _pool(backend)
    made = _deployment(
        backend, parameters={"a": 1, "b": 2}, tags=["d"], version="7", work_pool_name="trips", labels={"team": "x"}
    )
    wanted = {"name": "quick", "parameters": {"b": 3}, "tags": ["r"], "job_variables": {"env": {}}, "labels": {"y": 1}}
    run = backend.create_run_of_deployment(UUID(made["id"]), wanted)
    assert (run.flow_name, run.name, run.parameters, run.tags) == ("train", "quick", {"a": 1, "b": 3}, ("d", "r"))
    assert (run.deployment_version, str(run.work_queue_id)) == ("7", made["work_queue_id"])
    assert {**run.labels, "team": "x", "y": 1} == run.labels
    assert (run.job_variables, run.state_name) == ({"env": {}}, "Scheduled")
    (listed,) = backend.find("flow_runs", Query({"deployments": {"name": {"any_": ["monthly"]}}}))
    assert (listed["work_pool_name"], listed["work_queue_name"], listed["id"]) == ("trips", "default", str(run.id))


def test_a_run_of_a_deployment_may_be_for_later_and_is_made_once(backend: Backend) -> None:
    made = _deployment(backend)
    later = utc_now() + timedelta(hours=1)
    wanted = {"state": state_document(Scheduled(later)), "idempotency_key": "slot"}
    first, second = (backend.create_run_of_deployment(UUID(made["id"]), wanted) for _ in range(2))
    assert (first.id, first.expected_start_time) == (second.id, later)
    assert isinstance(backend.propose_flow_run_state(first.id, Pending()), Wait)
    with pytest.raises(ObjectNotFound):
        backend.create_run_of_deployment(new_id(), {})


# -- who may start them ---------------------------------------------------------------------------


def test_workers_are_given_what_is_due_most_urgent_first(backend: Backend) -> None:
    pool = _pool(backend)
    made = _deployment(backend, work_pool_name="trips", work_queue_name="träge")
    backend.create("work_queues", {"work_pool_id": pool["id"], "name": "urgent", "priority": 1})
    backend.change("work_queues", {"priority": 9}, work_pool_id=pool["id"], name="träge")
    now = utc_now()
    assert made["work_queue_name"] == "träge"
    for name, queue, minutes in (("b", "träge", 1), ("a", "träge", 2), ("c", "urgent", 0)):
        state = state_document(Scheduled(now - timedelta(minutes=minutes)))
        wanted = {"name": name, "state": state, "work_queue_name": queue}
        backend.create_run_of_deployment(UUID(made["id"]), wanted)
    later = {"name": "later", "state": state_document(Scheduled(now + timedelta(hours=1)))}
    backend.create_run_of_deployment(UUID(made["id"]), later)
    assert _due(backend, pool) == ["c", "a", "b"]
    assert _due(backend, pool, limit=2) == ["c", "a"]
    assert _due(backend, pool, "träge") == ["a", "b"]
    polled = {each["name"]: each["last_polled"] is not None for each in backend.find("work_queues")}
    assert polled == {"default": True, "träge": True, "urgent": True}


def test_a_limit_of_pool_or_queue_leaves_runs_for_later(backend: Backend) -> None:
    pool = _pool(backend, concurrency_limit=2)
    made = _deployment(backend, work_pool_name="trips")
    runs = [backend.create_run_of_deployment(UUID(made["id"]), {"name": str(number)}) for number in range(3)]
    assert _due(backend, pool) == ["0", "1"]
    backend.propose_flow_run_state(runs[0].id, Pending())
    assert _due(backend, pool) == ["1"]
    backend.change("work_queues", {"concurrency_limit": 1}, id=pool["default_queue_id"])
    assert _due(backend, pool) == []
    backend.propose_flow_run_state(runs[0].id, Running())
    backend.propose_flow_run_state(runs[0].id, Completed())
    assert _due(backend, pool) == ["1"]


@pytest.mark.parametrize("paused", ["work_pools", "work_queues"])
def test_what_is_paused_gives_nothing(backend: Backend, paused: str) -> None:
    pool = _pool(backend)
    made = _deployment(backend, work_pool_name="trips")
    backend.create_run_of_deployment(UUID(made["id"]), {"name": "one"})
    backend.change(paused, {"is_paused": True}, id=pool["id"] if paused == "work_pools" else pool["default_queue_id"])
    assert _due(backend, pool) == []
    backend.change(paused, {"is_paused": False}, id=pool["id"] if paused == "work_pools" else pool["default_queue_id"])
    assert _due(backend, pool) == ["one"]


@pytest.mark.parametrize(("seconds", "status"), [(0, "ONLINE"), (80, "ONLINE"), (100, "OFFLINE")])
def test_a_worker_that_is_silent_counts_as_offline(own_backend: Backend, seconds: int, status: str) -> None:
    pool = _pool(own_backend)
    seen = utc_now() - timedelta(seconds=seconds)
    worker = {"work_pool_id": pool["id"], "name": "w", "last_heartbeat_time": seen.isoformat()}
    for _ in range(2):
        own_backend.create("workers", {**worker, "heartbeat_interval_seconds": 30}, overwrite=True)
    (found,) = own_backend.find("workers", Query({"workers": {"work_pool_id": {"any_": [pool["id"]]}}}))
    assert found["status"] == status
    for asked in ("ONLINE", "OFFLINE"):
        assert len(own_backend.find("workers", Query({"workers": {"status": {"any_": [asked]}}}))) == (asked == status)
        assert len(own_backend.find("workers", Query({"workers": {"status": {"not_any_": [asked]}}}))) == (
            asked != status
        )


# -- task runs that nobody records ----------------------------------------------------------------


def test_the_rules_decide_on_a_task_run_as_well(backend: Backend) -> None:
    record = task_record(new_id())
    backend.record(batch(born(record)))
    running = backend.propose_task_run_state(record.id, Running())
    assert isinstance(running, Accept)
    backend.propose_task_run_state(record.id, Failed("no"))
    refused = backend.propose_task_run_state(record.id, Running())
    assert not isinstance(refused, Accept | Reject)
    assert isinstance(backend.propose_task_run_state(record.id, Running(), force=True), Accept)
    names = [state.name for state in backend.task_run_states(record.id)]
    assert names == ["Pending", "Running", "Failed", "Running"]
