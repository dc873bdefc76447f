"""A flow run that is in the store already, and is lived from there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from orchestration import Completed, State, flow, runtime
from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.local import LocalBackend
from orchestration.domain.errors import Abort
from orchestration.domain.states import AwaitingRetry, Cancelled, Cancelling, Paused, Running, Scheduled
from orchestration.sdk.context import Session
from orchestration.sdk.flow_engine import execute
from tests.support.records import flow_run


@flow
def double(n: int = 1) -> int:
    return 2 * n


@flow
async def later(n: int = 1) -> int:
    return 3 * n


def _run(session: Session, state: State, **fields: Any) -> UUID:
    """A run in a state; as one that Prefect's scheduler made, it is of no process."""
    made = session.backend.create_flow_run(flow_run(state=state, created=utc_now(), **fields))
    return made.id


@pytest.mark.parametrize("state", [Scheduled(utc_now()), AwaitingRetry(utc_now()), Running()], ids=str)
def test_a_run_is_lived_to_its_end(session: Session, state: State) -> None:
    run_id = _run(session, state, parameters={"n": "21"})
    assert execute(double, run_id).result() == 42
    assert session.backend.flow_run(run_id).state_name == "Completed"


def test_an_async_flow_is_lived_on_a_loop_of_its_own(session: Session) -> None:
    assert execute(later, _run(session, Scheduled(utc_now()), parameters={"n": 2})).result() == 6


@pytest.mark.parametrize("state", [Completed(), Cancelled()], ids=str)
def test_a_run_that_has_ended_stays_as_it_is(session: Session, state: State) -> None:
    run_id = _run(session, state)
    assert execute(double, run_id).type is state.type
    assert len(session.backend.flow_run_states(run_id)) == 1


def test_a_paused_run_whose_time_is_over_fails(session: Session) -> None:
    run_id = _run(session, Paused(None, utc_now() - timedelta(seconds=1)))
    assert execute(double, run_id).name == "Failed"


def test_a_run_that_is_being_cancelled_does_not_start(session: Session) -> None:
    run_id = _run(session, Running())
    session.backend.propose_flow_run_state(run_id, Cancelling())
    assert execute(double, run_id).name == "Cancelled"


def test_the_slot_stays_the_time_for_which_a_run_was_scheduled(session: Session) -> None:
    seen = []

    @flow(retries=1)
    def look() -> None:
        seen.append(runtime.flow_run.scheduled_start_time)
        assert len(seen) > 1

    slot = utc_now() - timedelta(days=31)
    run_id = _run(session, Scheduled(slot))
    session.backend.propose_flow_run_state(run_id, AwaitingRetry(utc_now()), force=True)
    assert execute(look, run_id).is_completed()
    assert seen == [slot, slot]
    assert session.backend.flow_run(run_id).policy.retries == 1  # whoever finds it crashed would know


def test_parameters_that_do_not_fit_fail_the_run_for_good(session: Session) -> None:
    run_id = _run(session, Scheduled(utc_now()), parameters={"n": 1, "m": 2})
    state = execute(double.with_options(retries=3), run_id)
    assert (state.name, "m" in str(state.message)) == ("Failed", True)


def test_a_claim_that_ended_stops_the_run_before_it_begins(session: Session) -> None:
    called = []

    @flow
    def note() -> None:
        called.append(1)

    assert isinstance(session.backend, LocalBackend)
    run_id = _run(session, Scheduled(utc_now()))
    with pytest.raises(Abort, match="lease"):
        execute(note, run_id, new_id())
    assert called == []
    assert session.backend.flow_run(run_id).state_name == "Scheduled"
