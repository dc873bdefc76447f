"""States: how they are made, which ends a run, and the result that they carry."""

import asyncio
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from orchestration.domain import errors, states
from orchestration.domain.functions import Ready
from orchestration.domain.states import (
    NO_DATA,
    TERMINAL,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Running,
    Scheduled,
    State,
    StateDetails,
    StateType,
    StoredResult,
    Unset,
    states_in,
)

NOW = datetime(2024, 2, 29, 12, tzinfo=UTC)

MADE = {
    "Scheduled": StateType.SCHEDULED, "Late": StateType.SCHEDULED, "AwaitingRetry": StateType.SCHEDULED,
    "Pending": StateType.PENDING, "Running": StateType.RUNNING, "Retrying": StateType.RUNNING,
    "Completed": StateType.COMPLETED, "Cached": StateType.COMPLETED, "RolledBack": StateType.COMPLETED,
    "Failed": StateType.FAILED, "TimedOut": StateType.FAILED, "Crashed": StateType.CRASHED,
    "Cancelled": StateType.CANCELLED, "Cancelling": StateType.CANCELLING,
    "Paused": StateType.PAUSED, "Suspended": StateType.PAUSED,
}  # fmt: skip

ERRORS: dict[StateType, tuple[Callable[..., State], type[Exception]]] = {
    StateType.FAILED: (Failed, errors.FailedRun),
    StateType.CRASHED: (Crashed, errors.CrashedRun),
    StateType.CANCELLED: (Cancelled, errors.CancelledRun),
}
UNSUCCESSFUL = sorted(ERRORS)


class Kept(StoredResult):
    """A result that lies in storage."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def load(self) -> Any:
        return self.value


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_maker_makes_states_of_its_type_and_name(name: str) -> None:
    make = getattr(states, name)
    state = make(message="because")
    assert (state.type, state.name, state.message) == (MADE[name], name, "because")
    assert (make.__name__, state.id, state.timestamp) == (name, None, None)
    assert make.__doc__


@pytest.mark.parametrize("kind", list(StateType))
def test_a_state_is_of_one_type(kind: StateType) -> None:
    state = State(kind, "x")
    said = {each for each in StateType if getattr(state, f"is_{each.value.lower()}")()}
    assert said == {kind}
    assert state.is_final() == (kind in TERMINAL)


def test_the_ends_of_a_run() -> None:
    assert set(TERMINAL) == {StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED}


def test_times_and_pauses_are_kept_in_the_details() -> None:
    assert Scheduled(NOW).details == StateDetails(scheduled_time=NOW)
    assert states.Late(NOW).details == states.AwaitingRetry(NOW).details == StateDetails(scheduled_time=NOW)
    assert Paused("wait", NOW, pause_key="1").details == StateDetails(pause_timeout=NOW, pause_key="1")
    assert states.Suspended("wait", NOW).details == StateDetails(pause_timeout=NOW, pause_reschedule=True)


def test_a_state_says_what_it_is() -> None:
    state = Completed("done", data=[1])
    assert (str(state), str(Running())) == ("Completed('done')", "Running()")
    assert repr(state) == "Completed(message='done', type=COMPLETED, result=[1])"


def test_states_are_compared_without_their_results() -> None:
    """A result may be a frame, whose comparison is no truth value."""
    assert Completed(data=[1]) == Completed(data=[2])
    assert Completed() != Completed("done")
    assert Completed().evolve(name="Cached") == states.Cached()


def test_a_completed_run_has_its_result() -> None:
    assert Completed(data=5).result() == 5
    assert Completed().result() is None
    assert Completed(data=Kept(7)).result() == 7


def test_a_result_that_was_not_kept_is_missed() -> None:
    with pytest.raises(errors.MissingResult, match="result was not kept; ask for it with persist_result=True"):
        Completed(data=NO_DATA).result()


@pytest.mark.parametrize("make", [Scheduled, Pending, Running, Cancelling, Paused])
@pytest.mark.parametrize("raise_on_failure", [True, False])
def test_a_run_that_has_not_ended_has_no_result(make: Callable[[], State], raise_on_failure: bool) -> None:
    kind = errors.PausedRun if make is Paused else errors.UnfinishedRun
    with pytest.raises(kind, match=f"The run is {make().name}, so it has no result yet; wait until it has ended"):
        make().result(raise_on_failure)


@pytest.mark.parametrize("kind", UNSUCCESSFUL)
def test_an_unsuccessful_run_raises_the_exception_of_its_code(kind: StateType) -> None:
    make, _ = ERRORS[kind]
    for data in (KeyError("zone"), Kept(KeyError("zone"))):
        with pytest.raises(KeyError, match="zone"):
            make("why", data=data).result()
        assert repr(make("why", data=data).result(raise_on_failure=False)) == "KeyError('zone')"


@pytest.mark.parametrize("kind", UNSUCCESSFUL)
@pytest.mark.parametrize("data", [None, NO_DATA, 5, [Completed()], [5, Failed()]])
def test_without_an_exception_of_its_own_it_raises_one_that_says_why(kind: StateType, data: Any) -> None:
    make, error = ERRORS[kind]
    with pytest.raises(error) as said:
        make("the disk was full", data=data).result()
    assert str(said.value) == "the disk was full"
    with pytest.raises(error, match=f"The run ended in the state {make().name}"):
        make(data=data).result()
    kept = make(data=data).result(raise_on_failure=False)
    assert isinstance(kept, error) if data in (None, NO_DATA) else kept == data


@pytest.mark.parametrize("kind", UNSUCCESSFUL)
def test_a_text_for_a_result_is_what_the_error_says(kind: StateType) -> None:
    make, error = ERRORS[kind]
    with pytest.raises(error, match="the disk was full"):
        make(data="the disk was full").result()


def test_a_run_of_runs_raises_the_error_of_the_first_that_did_not_complete() -> None:
    inner = [Completed(), Crashed("killed"), Failed(data=KeyError())]
    with pytest.raises(errors.CrashedRun, match="killed"):
        Failed("1/3 states failed.", data=inner).result()
    with pytest.raises(errors.CancelledRun, match="stopped"):
        Failed(data=Failed(data=Cancelled("stopped"))).result()
    with pytest.raises(errors.FailedRun, match="1/2 states are not final"):
        Failed("1/2 states are not final.", data=[Completed(), Running()]).result()


def test_in_async_code_the_result_may_be_awaited() -> None:
    async def awaited() -> list[Any]:
        ready = Completed(data=5).result()
        assert isinstance(ready, Ready)
        return [await ready, await Completed(data=6).aresult(), Completed(data=7).outcome()]

    assert asyncio.run(awaited()) == [5, 6, 7]


def test_states_are_found_alone_or_among_themselves() -> None:
    one, two = Completed(), Failed()
    assert states_in(one) == (one,)
    assert states_in([one, two]) == states_in((one, two)) == (one, two)
    assert set(states_in({one, two})) == set(states_in(frozenset([one, two]))) == {one, two}
    for other in ([], (), [one, 5], {"a": one}, "Completed", None):
        assert states_in(other) == ()


def test_no_data_stays_the_one_value_it_is() -> None:
    assert pickle.loads(pickle.dumps(NO_DATA)) is NO_DATA
    assert isinstance(NO_DATA, Unset)


def test_a_state_survives_pickling() -> None:
    state = Failed("no", data=ValueError("x"), details=StateDetails(flow_run_id=UUID(int=1)), timestamp=NOW)
    again = pickle.loads(pickle.dumps(state))
    assert again == state
    assert repr(again.data) == "ValueError('x')"


def test_a_result_that_only_its_own_side_can_load_is_shown_as_where_it_lies() -> None:
    lies = StoredResult({"storage_key": "a"})
    assert Completed(data=lies).result() == lies.as_document() == {"storage_key": "a"}
