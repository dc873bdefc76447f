"""Claims: a run goes to one worker, whose lease fences it, and comes back when that worker is gone."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.local import LocalBackend
from orchestration.backend.port import Backend
from orchestration.domain.rules import Abort, Accept
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.schemas.wire import Document
from orchestration.domain.states import (
    Cancelling,
    Completed,
    Pending,
    Running,
    Scheduled,
    State,
    StateDetails,
    Suspended,
)
from tests.support.backends import Store, at_once
from tests.support.records import flow_run

RETRIED = {"retries": 1, "retry_delay": 60}


@pytest.fixture
def pool(backend: Backend) -> Document:
    """A work pool."""
    return backend.create("work_pools", {"name": "trips", "type": "process"})


@pytest.fixture
def ask(backend: Backend, pool: Document) -> Callable[..., FlowRun]:
    """Ask for a run of a deployment in the pool."""
    flow_id = str(backend.create_flow_run(flow_run(state=None)).flow_id)

    def ask(state: State | None = None, **fields: Any) -> FlowRun:
        about = {"name": "monthly", "flow_id": flow_id, "work_pool_name": "trips", **fields}
        made = backend.create("deployments", about, overwrite=True)
        state = state or Scheduled(utc_now())
        document = {"type": "SCHEDULED", "name": state.name, "state_details": {"scheduled_time": None}}
        return backend.create_run_of_deployment(UUID(made["id"]), {"state": document, "empirical_policy": RETRIED})

    return ask


def _claim(backend: Backend, pool: Document, limit: int = 10, *queues: str) -> list[Document]:
    return backend.claim_runs(UUID(pool["id"]), queues, limit, "worker-1")


def _one(backend: Backend, pool: Document) -> tuple[UUID, UUID]:
    """The id of the claim on the only run, and of that run."""
    (run,) = _claim(backend, pool)
    return UUID(run["claim_id"]), UUID(run["id"])


def _by(claim_id: UUID, state: State) -> State:
    return state.evolve(details=StateDetails(claim_id=claim_id))


def _states(backend: Backend, run_id: UUID) -> list[str]:
    return [state.name for state in backend.flow_run_states(run_id)]


def test_a_run_that_is_claimed_is_pending_and_nobody_else_gets_it(
    backend: Backend, pool: Document, ask: Callable[..., FlowRun]
) -> None:
    run = ask()
    (claimed,) = _claim(backend, pool)
    assert (claimed["id"], claimed["state_name"]) == (str(run.id), "Pending")
    assert _claim(backend, pool) == []
    assert backend.renew_claims([UUID(claimed["claim_id"]), new_id()]) == {UUID(claimed["claim_id"]): "PENDING"}


def test_a_claim_waits_for_a_run(backend: Backend, pool: Document, ask: Callable[..., FlowRun]) -> None:
    wait: Callable[[], object] = partial(backend.claim_runs, UUID(pool["id"]), (), 1, "w", 20.0)
    found, _ = at_once([wait, ask])
    assert isinstance(found, list)
    assert len(found) == 1


def test_many_who_claim_at_once_get_different_runs(
    store: Store, backend: Backend, pool: Document, ask: Callable[..., FlowRun]
) -> None:
    runs = {str(ask().id) for _ in range(20)}
    backends = [store.open() for _ in range(4)]
    found = at_once([partial(_claim, each, pool, 5) for each in backends])
    claimed = [run["id"] for each in found if isinstance(each, list) for run in each]
    assert len(claimed) == len(set(claimed)) == 20
    assert set(claimed) == runs


def test_a_worker_is_given_the_runs_of_its_queues(
    backend: Backend, pool: Document, ask: Callable[..., FlowRun]
) -> None:
    slow = ask(name="slow", work_queue_name="träge")
    ask(name="other")
    assert _claim(backend, pool, 10, "nothing") == []
    assert [run["id"] for run in _claim(backend, pool, 10, "träge", "nothing")] == [str(slow.id)]


def test_limits_of_pool_queue_and_deployment_hold(
    backend: Backend, pool: Document, ask: Callable[..., FlowRun]
) -> None:
    for _ in range(4):
        ask()
    backend.change("work_pools", {"concurrency_limit": 3}, name="trips")
    assert len(_claim(backend, pool)) == 3
    backend.change("work_pools", {"concurrency_limit": None}, name="trips")
    ask(concurrency_limit=2)
    assert _claim(backend, pool) == []


def test_who_lost_the_claim_records_nothing_any_more(
    backend: Backend, pool: Document, ask: Callable[..., FlowRun]
) -> None:
    ask()
    claim_id, run_id = _one(backend, pool)
    assert isinstance(backend.propose_flow_run_state(run_id, _by(claim_id, Running())), Accept)
    backend.end_claim(claim_id)
    assert isinstance(backend.propose_flow_run_state(run_id, _by(claim_id, Completed())), Abort)
    assert backend.renew_claims([claim_id]) == {}
    assert _states(backend, run_id) == ["Scheduled", "Pending", "Running", "Crashed", "AwaitingRetry"]


def test_a_run_that_had_not_begun_goes_back(backend: Backend, pool: Document, ask: Callable[..., FlowRun]) -> None:
    ask()
    claim_id, run_id = _one(backend, pool)
    backend.end_claim(claim_id)
    backend.end_claim(claim_id)
    assert _states(backend, run_id) == ["Scheduled", "Pending", "Scheduled"]
    assert _one(backend, pool)[1] == run_id


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Pending(), ["Crashed", "AwaitingRetry"]),
        (Running(), ["Crashed", "AwaitingRetry"]),
        (Cancelling(), ["Cancelled"]),
        (Suspended(pause_key="1"), []),
        (Completed(), []),
    ],
    ids=str,
)
def test_what_becomes_of_a_run_whose_process_ended(
    backend: Backend, pool: Document, ask: Callable[..., FlowRun], before: State, after: list[str]
) -> None:
    ask()
    claim_id, run_id = _one(backend, pool)
    if not before.is_pending():
        backend.propose_flow_run_state(run_id, _by(claim_id, Running()))
    if not (before.is_pending() or before.is_running()):
        backend.propose_flow_run_state(run_id, before)
    known = len(_states(backend, run_id))
    backend.end_claim(claim_id, "It was killed.")
    assert _states(backend, run_id)[known:] == after


def test_a_claim_that_is_not_renewed_ends(own_backend: Backend, pool: Document, ask: Callable[..., FlowRun]) -> None:
    assert isinstance(own_backend, LocalBackend)
    ask()
    claim_id, run_id = _one(own_backend, pool)
    own_backend.expire_claims(utc_now() + timedelta(seconds=14))
    assert own_backend.renew_claims([claim_id]) == {claim_id: "PENDING"}
    own_backend.expire_claims(utc_now() + timedelta(seconds=16))
    assert own_backend.renew_claims([claim_id]) == {}
    state = own_backend.flow_run(run_id).state
    assert state is not None
    assert state.name == "Scheduled"
    assert "not heard of" in str(state.message)


def test_slots_become_runs_once_and_late_ones_say_why(own_backend: Backend, ask: Callable[..., FlowRun]) -> None:
    assert isinstance(own_backend, LocalBackend)
    schedule = {"schedule": {"interval": 3600.0}, "slug": "hourly", "catchup": "latest"}
    deployment_id = ask(Pending(), schedules=[schedule]).deployment_id
    now = utc_now()
    for _ in range(2):
        assert not own_backend.plan(now)
    own_backend.change("deployments", {"parameters": {"n": 2}}, id=str(deployment_id))
    own_backend.plan(utc_now())
    back = now + timedelta(hours=2)
    own_backend.plan(back)
    own_backend.mark_late(back + timedelta(minutes=1))
    found = own_backend.find("flow_runs", Query({"flow_runs": {"tags": {"all_": ["auto-scheduled"]}}}, "ID_DESC"))
    slots = [run["expected_start_time"] for run in found]
    assert len(slots) == len(set(slots))
    assert sorted(run["state_name"] for run in found) == ["Late", "Missed", "Scheduled", "Scheduled", "Scheduled"]
    (late,) = [run for run in found if run["state_name"] == "Late"]
    assert "orchestrate worker start -p trips" in late["state"]["message"]
