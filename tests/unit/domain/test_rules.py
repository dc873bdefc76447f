"""Which proposed state a run gets, over all pairs of states."""

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from orchestration.domain.rules import NEVER, Abort, Accept, Attempt, Reject, RetryPolicy, Wait, decide
from orchestration.domain.states import (
    TERMINAL,
    TRANSITIONS,
    AwaitingRetry,
    Cancelling,
    Completed,
    Failed,
    Paused,
    Pending,
    Running,
    Scheduled,
    State,
    StateDetails,
    StateType,
    Suspended,
)
from tests.support.properties import policies, quick, states

NOW = datetime(2024, 11, 3, 5, 59, tzinfo=UTC)
TYPES = list(StateType)
TWICE = RetryPolicy(2, (30.0,))
COULD_START = (StateType.PENDING, StateType.RUNNING)


def _state(kind: StateType) -> State:
    return State(kind, kind.value.title())


def _can_follow(current: StateType, proposed: StateType) -> bool:
    """The rules in words, apart from their table: an end is left for a new schedule only, a success not at all."""
    if current in TERMINAL:
        return proposed is StateType.SCHEDULED and current is not StateType.COMPLETED
    if current is StateType.CANCELLING:
        return proposed in TERMINAL
    return proposed is not StateType.PENDING or current is StateType.SCHEDULED


@pytest.mark.parametrize(("current", "proposed"), list(product(TYPES, TYPES)))
def test_every_pair_of_types(current: StateType, proposed: StateType) -> None:
    decision = decide(_state(current), _state(proposed), Attempt(NOW))
    if proposed is StateType.RUNNING and current in (StateType.PAUSED, StateType.CANCELLING):
        assert decision == Reject(_state(current), decision.reason if isinstance(decision, Reject) else "")
    elif (current, proposed) == (StateType.SCHEDULED, StateType.CANCELLING):
        assert isinstance(decision, Reject)
        assert decision.state.is_cancelled(), "there is no process that would end it"
    elif _can_follow(current, proposed):
        assert decision == Accept(_state(proposed))
    else:
        assert decision == Abort(f"A run that is {current.value.title()} cannot become {proposed.value.title()}.")


def test_a_pending_run_goes_on_through_steps_that_have_names() -> None:
    submitting = State(StateType.PENDING, "Submitting")
    assert decide(Pending(), submitting, Attempt(NOW)) == Accept(submitting)
    for second in (Pending(), State(StateType.PENDING, "Submitting")):
        assert isinstance(decide(submitting, second, Attempt(NOW)), Abort), "another worker came second"


@pytest.mark.parametrize("proposed", TYPES)
def test_a_new_run_takes_any_state(proposed: StateType) -> None:
    assert decide(None, _state(proposed), Attempt(NOW)) == Accept(_state(proposed))


def test_the_table_knows_every_type() -> None:
    assert set(TRANSITIONS) == {None, *StateType}
    assert TRANSITIONS[None] == set(StateType)


@quick
@given(states, states, policies, st.integers(0, 60), st.booleans())
def test_nothing_leaves_an_end_but_a_new_schedule(
    current: State, proposed: State, policy: RetryPolicy, run_count: int, retriable: bool
) -> None:
    decision = decide(current, proposed, Attempt(NOW, run_count, policy, retriable, 0.5))
    if current.is_final() and isinstance(decision, Accept | Reject):
        assert decision.state == current or decision.state.is_scheduled()


@quick
@given(states, states, policies, st.integers(0, 60), st.booleans())
def test_whatever_is_decided_is_in_the_table(
    current: State, proposed: State, policy: RetryPolicy, run_count: int, retriable: bool
) -> None:
    """The answer itself may follow the current state, also where it is another one than was proposed."""
    decision = decide(current, proposed, Attempt(NOW, run_count, policy, retriable, 0.5))
    if isinstance(decision, Accept | Reject) and decision.state != current:
        is_step = current.is_pending() and decision.state.is_pending()  # of a worker: the rules ask for its name
        assert is_step or decision.state.type in TRANSITIONS[current.type]


@quick
@given(states, states, policies)
def test_a_state_that_is_sent_again_is_recognised(current: State, proposed: State, policy: RetryPolicy) -> None:
    """Whatever it carries now: its answer was lost, and it stands already."""
    again = proposed.evolve(id=current.id)
    decision = decide(current, again, Attempt(NOW, 1, policy))
    assert isinstance(decision, Accept)
    assert decision.state is current


def test_states_without_an_id_are_not_taken_for_the_same() -> None:
    assert isinstance(decide(Completed(), Completed(), Attempt(NOW)), Abort)


@pytest.mark.parametrize("proposed", COULD_START)
@pytest.mark.parametrize("early", [0.001, 60.0, 86_400.0])
def test_a_scheduled_run_waits_for_its_time(proposed: StateType, early: float) -> None:
    scheduled = Scheduled(NOW + timedelta(seconds=early))
    decision = decide(scheduled, _state(proposed), Attempt(NOW))
    assert decision == Wait(early, f"The run is scheduled for {early:.1f} seconds from now.")


@pytest.mark.parametrize("proposed", COULD_START)
@pytest.mark.parametrize("scheduled", [None, NOW, NOW - timedelta(days=1)])
def test_a_scheduled_run_starts_when_its_time_has_come(proposed: StateType, scheduled: datetime | None) -> None:
    assert isinstance(decide(Scheduled(scheduled), _state(proposed), Attempt(NOW)), Accept)


@pytest.mark.parametrize("proposed", sorted(set(TYPES) - set(COULD_START)))
def test_an_early_run_may_still_be_cancelled_or_ended(proposed: StateType) -> None:
    decision = decide(Scheduled(NOW + timedelta(days=1)), _state(proposed), Attempt(NOW))
    assert isinstance(decision, Accept | Reject)
    expected = StateType.CANCELLED if proposed is StateType.CANCELLING else proposed
    assert decision.state.type is expected


def test_a_paused_run_starts_when_somebody_resumed_it() -> None:
    paused = Paused(pause_timeout=NOW + timedelta(seconds=1))
    assert decide(paused, Running(), Attempt(NOW)) == Reject(paused, "The run is paused; resume it first.")
    assert isinstance(decide(paused, Scheduled(NOW), Attempt(NOW)), Accept)
    assert isinstance(decide(Paused(), Running(), Attempt(NOW)), Reject), "a pause without an end never times out"


@pytest.mark.parametrize("pause", [Paused(pause_timeout=NOW), Suspended(pause_timeout=NOW - timedelta(hours=1))])
def test_a_run_that_nobody_resumed_in_time_has_failed(pause: State) -> None:
    decision = decide(pause, Running(), Attempt(NOW, 1, TWICE))
    assert decision == Reject(Failed("The flow was paused and never resumed."), "The pause has timed out.")


@pytest.mark.parametrize("current", [Scheduled(NOW), AwaitingRetry(NOW), Suspended(pause_timeout=NOW)], ids=str)
def test_a_run_without_a_process_is_cancelled_at_once(current: State) -> None:
    """Else it would be Cancelling for ever: there is nobody who would end it."""
    decision = decide(current, Cancelling(), Attempt(NOW))
    assert isinstance(decision, Reject)
    assert decision.state.is_cancelled()
    assert decide(Running(), Cancelling(), Attempt(NOW)) == Accept(Cancelling())
    assert decide(Paused(), Cancelling(), Attempt(NOW)) == Accept(Cancelling())


def test_a_run_that_is_being_cancelled_does_not_start() -> None:
    assert decide(Cancelling(), Running(), Attempt(NOW)) == Reject(Cancelling(), "The run is being cancelled.")


@pytest.mark.parametrize(("run_count", "retried"), [(1, True), (2, True), (3, False)])
def test_a_failure_is_retried_as_often_as_the_policy_says(run_count: int, retried: bool) -> None:
    decision = decide(Running(), Failed("no"), Attempt(NOW, run_count, TWICE))
    if retried:
        assert isinstance(decision, Reject)
        assert decision.reason == "Retrying"
        assert (decision.state.name, decision.state.type) == ("AwaitingRetry", StateType.SCHEDULED)
        assert decision.state.message == "no", "why it is retried"
        assert decision.state.details.scheduled_time == NOW + timedelta(seconds=30)
    else:
        assert decision == Accept(Failed("no"))


def test_a_failure_that_is_not_to_be_retried_stands() -> None:
    assert decide(Running(), Failed(), Attempt(NOW, 1, TWICE, retriable=False)) == Accept(Failed())


@pytest.mark.parametrize("current", [None, Pending(), Scheduled(NOW), Paused(), Cancelling()])
@pytest.mark.parametrize("policy", [NEVER, TWICE])
def test_only_running_code_is_retried(current: State | None, policy: RetryPolicy) -> None:
    """A run that failed before it started would fail again, and one that is being cancelled must end."""
    assert decide(current, Failed(), Attempt(NOW, 0, policy)) == Accept(Failed())


def test_other_ends_than_failures_are_not_retried() -> None:
    for kind in TERMINAL - {StateType.FAILED}:
        assert decide(Running(), _state(kind), Attempt(NOW, 1, TWICE)) == Accept(_state(kind))


def test_the_retry_is_a_state_of_its_own() -> None:
    """What was proposed is not what stands, so the answer must not carry the proposal's id."""
    proposed = Failed().evolve(id=UUID(int=7), details=StateDetails(retriable=True))
    decision = decide(Running(), proposed, Attempt(NOW, 1, TWICE))
    assert isinstance(decision, Reject)
    assert decision.state.id is None
