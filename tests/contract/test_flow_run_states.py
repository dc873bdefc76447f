"""States of flow runs: decided by the rules, written once, and never over what somebody else wrote."""

from functools import partial
from uuid import UUID

import pytest

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.rules import Abort, Accept, Reject, RetryPolicy, Wait
from orchestration.domain.states import (
    NO_DATA,
    Cancelled,
    Cancelling,
    Completed,
    Failed,
    Paused,
    Pending,
    Retrying,
    Running,
    Scheduled,
    State,
    StateDetails,
)
from tests.support.backends import Reference, Store, at_once
from tests.support.records import BORN, flow_run, later

CROWD = 12


def _names(backend: Backend, run_id: UUID) -> list[str]:
    return [state.name for state in backend.flow_run_states(run_id)]


def _started(backend: Backend, *states: State, policy: RetryPolicy | None = None) -> UUID:
    """A run that came to these states, Running unless told otherwise."""
    run = backend.create_flow_run(flow_run(policy=policy or RetryPolicy()))
    for state in states or (Running(),):
        assert isinstance(backend.propose_flow_run_state(run.id, state, force=True), Accept)
    return run.id


def test_an_accepted_state_is_the_runs(backend: Backend) -> None:
    run = backend.create_flow_run(flow_run())
    details = StateDetails(cache_key="k", retriable=False, transition_id=new_id())
    before = utc_now()
    decision = backend.propose_flow_run_state(run.id, Running("go", details=details))
    assert isinstance(decision, Accept)
    kept = backend.flow_run(run.id)
    assert kept.state == decision.state
    assert (decision.state.message, decision.state.details.cache_key) == ("go", "k")
    assert decision.state.id is not None
    assert before <= (decision.state.timestamp or BORN) <= utc_now()
    assert (kept.run_count, kept.start_time, kept.end_time) == (1, decision.state.timestamp, None)
    assert backend.flow_run_states(run.id)[-1] == decision.state


def test_times_and_counts_follow_from_the_states(backend: Backend) -> None:
    run_id = _started(backend, Running(), Paused(), Running(), Completed())
    run = backend.flow_run(run_id)
    started, paused, resumed, ended = (state.timestamp or BORN for state in backend.flow_run_states(run.id)[1:])
    assert (run.run_count, run.start_time, run.end_time) == (1, started, ended)
    ran = (paused - started + (ended - resumed)).total_seconds()
    assert run.total_run_time == pytest.approx(ran, abs=1e-3)


def test_a_result_in_storage_is_found_again_and_one_in_memory_is_not(backend: Backend) -> None:
    for data, kept in ((Reference({"key": "fit"}), Reference({"key": "fit"})), ([1, 2], NO_DATA), (None, NO_DATA)):
        run_id = _started(backend, Running(), Completed(data=data))
        for state in (backend.flow_run(run_id).state, backend.flow_run_states(run_id)[-1]):
            assert state is not None
            assert state.data == kept


def test_a_failure_is_retried_by_the_runs_policy(backend: Backend) -> None:
    run_id = _started(backend, policy=RetryPolicy(1, (0.0,)))
    decision = backend.propose_flow_run_state(run_id, Failed("no"))
    assert isinstance(decision, Reject)
    assert decision.state.name == "AwaitingRetry"
    assert isinstance(backend.propose_flow_run_state(run_id, Retrying()), Accept)
    assert isinstance(backend.propose_flow_run_state(run_id, Failed("again")), Accept)
    assert _names(backend, run_id) == ["Pending", "Running", "AwaitingRetry", "Retrying", "Failed"]
    assert backend.flow_run(run_id).run_count == 2


def test_a_failure_that_is_not_to_be_retried_stands(backend: Backend) -> None:
    run_id = _started(backend, policy=RetryPolicy(3))
    failed = Failed(details=StateDetails(retriable=False))
    assert isinstance(backend.propose_flow_run_state(run_id, failed), Accept)


def test_a_scheduled_run_waits_and_nothing_is_written(backend: Backend) -> None:
    run = backend.create_flow_run(flow_run(state=Scheduled(later(1e9))))
    decision = backend.propose_flow_run_state(run.id, Pending())
    assert isinstance(decision, Wait)
    assert decision.seconds > 0
    assert _names(backend, run.id) == ["Scheduled"]


@pytest.mark.parametrize(("current", "answer"), [(Completed(), Abort), (Cancelling(), Reject), (Paused(), Reject)])
def test_a_run_that_must_not_start_does_not(backend: Backend, current: State, answer: type) -> None:
    run_id = _started(backend, Running(), current)
    decision = backend.propose_flow_run_state(run_id, Running())
    assert isinstance(decision, answer)
    assert _names(backend, run_id) == ["Pending", "Running", current.name]
    if isinstance(decision, Reject):
        assert decision.state == backend.flow_run(run_id).state


def test_who_may_force_a_state_is_not_asked_by_the_rules(backend: Backend) -> None:
    run_id = _started(backend, Running(), Completed())
    forced = backend.propose_flow_run_state(run_id, Running(), force=True)
    assert isinstance(forced, Accept)
    run = backend.flow_run(run_id)
    assert (run.state_name, run.run_count, run.end_time) == ("Running", 2, None)


def test_a_state_that_is_sent_again_changes_nothing(backend: Backend) -> None:
    run_id = _started(backend)
    proposed = Completed("done").evolve(id=new_id(), timestamp=utc_now())
    first, again = (backend.propose_flow_run_state(run_id, proposed) for _ in range(2))
    assert isinstance(first, Accept)
    assert first == again
    assert (first.state.id, first.state.timestamp) == (proposed.id, proposed.timestamp)
    assert _names(backend, run_id) == ["Pending", "Running", "Completed"]


# -- races ----------------------------------------------------------------------------------------


def test_of_many_ends_one_is_accepted(store: Store) -> None:
    backends = [store.open() for _ in range(4)]
    run_id = _started(backends[0])
    ends = [Completed(), Failed(), Cancelled()] * (CROWD // 3)
    decisions = at_once(
        [partial(backends[number % 4].propose_flow_run_state, run_id, end) for number, end in enumerate(ends)]
    )
    kinds = [type(decision) for decision in decisions]
    assert (kinds.count(Accept), kinds.count(Abort)) == (1, CROWD - 1)
    (accepted,) = (decision for decision in decisions if isinstance(decision, Accept))
    assert backends[-1].flow_run(run_id).state == accepted.state
    assert _names(backends[-1], run_id) == ["Pending", "Running", accepted.state.name]


def test_one_state_that_many_send_is_written_once(store: Store) -> None:
    backends = [store.open() for _ in range(4)]
    run_id = _started(backends[0])
    proposed = Completed().evolve(id=new_id(), timestamp=utc_now())
    decisions = at_once(
        [partial(backends[number % 4].propose_flow_run_state, run_id, proposed) for number in range(CROWD)]
    )
    assert [decision.state.id for decision in decisions if isinstance(decision, Accept)] == [proposed.id] * CROWD
    assert _names(backends[0], run_id) == ["Pending", "Running", "Completed"]


def test_no_state_is_lost_when_many_write_to_many_runs(store: Store) -> None:
    backends = [store.open() for _ in range(4)]
    ids = [backends[0].create_flow_run(flow_run()).id for _ in range(3)]

    def push(backend: Backend) -> int:
        decisions = [backend.propose_flow_run_state(run_id, Running()) for run_id in ids for _ in range(5)]
        return sum(isinstance(decision, Accept) for decision in decisions)

    assert at_once([partial(push, backend) for backend in backends]) == [15] * 4
    assert [len(_names(backends[0], run_id)) for run_id in ids] == [21] * 3
    assert [backends[0].flow_run(run_id).run_count for run_id in ids] == [20] * 3
