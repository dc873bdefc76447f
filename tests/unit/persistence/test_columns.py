"""Every value of the domain comes back from a column as it went in."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, strategies as st

from orchestration.domain.rules import NEVER, RetryPolicy
from orchestration.domain.schemas.wire import policy_of
from orchestration.domain.states import NO_DATA, NO_DETAILS, Completed, State, StateDetails, StateType, StoredResult
from orchestration.persistence import documents, runs
from tests.support.properties import details, json_values, moments, policies, quick, states


class Kept(StoredResult):
    """A result in storage, told by its key."""

    def __init__(self, key: str) -> None:
        self.key = key

    def as_document(self) -> dict[str, Any]:
        return {"type": "reference", "storage_key": self.key}


def _revive(document: Any) -> Kept:
    return Kept(document["storage_key"])


@quick
@given(moments)
@example(datetime(1970, 1, 1, tzinfo=UTC))
@example(datetime(2024, 11, 3, 5, 59, 59, 999_999, tzinfo=UTC))
def test_times_keep_their_microseconds(moment: datetime) -> None:
    stored = documents.micros(moment)
    assert isinstance(stored, int)
    assert documents.moment(stored) == moment
    assert {documents.micros_of(each) for each in (moment, moment.isoformat(), stored)} == {stored}


def test_no_time_stays_none() -> None:
    assert documents.micros_of(None) is None


@quick
@given(json_values)
def test_documents_come_back(value: Any) -> None:
    assert documents.decode(documents.encode(value)) == value


@quick
@given(policies)
@example(NEVER)
def test_policies_come_back(policy: RetryPolicy) -> None:
    """All but the delays of one that never retries."""
    written = documents.policy_text(policy)
    assert policy_of(documents.decode(written)) == (policy if policy.retries else NEVER)


def test_no_policy_takes_no_room() -> None:
    assert documents.policy_text(NEVER) == "{}"


@quick
@given(details)
@example(StateDetails(retriable=False))
@example(StateDetails(cache_key="", pause_key="", run_input_keyset={}))
def test_details_come_back(detail: StateDetails) -> None:
    state = Completed(details=detail, timestamp=datetime(2024, 1, 1, tzinfo=UTC)).evolve(id=UUID(int=3))
    assert runs.state_in(runs.history_line(state), str(state.id)) == state


def test_details_that_say_nothing_take_no_room() -> None:
    assert runs.details_text(NO_DETAILS) is None
    assert runs.details_text(StateDetails()) is None


@quick
@given(st.lists(states, max_size=6, unique_by=lambda state: state.id))
def test_histories_come_back_in_the_order_of_time(history: list[State]) -> None:
    text = "".join(map(runs.history_line, history))
    assert text.count("\n") == len(history)
    again = runs.states_of(text, _revive)
    assert again == sorted(history, key=lambda state: state.timestamp or datetime.max)
    assert all(state.data is NO_DATA for state in again)


@quick
@given(st.lists(states, min_size=1, max_size=6, unique_by=lambda state: state.id), st.data())
def test_a_state_is_found_by_its_id(history: list[State], data: st.DataObject) -> None:
    wanted = data.draw(st.sampled_from(history))
    text = "".join(map(runs.history_line, history))
    assert runs.state_in(text, str(wanted.id), _revive) == wanted


@quick
@given(st.lists(states, min_size=1, max_size=4, unique_by=lambda state: state.id), st.data())
def test_lines_that_came_twice_or_in_disorder_do_not_show(history: list[State], data: st.DataObject) -> None:
    lines = [runs.history_line(state) for state in history]
    again = data.draw(st.permutations([*lines, *lines[: data.draw(st.integers(0, len(lines)))]]))
    told = runs.states_of("".join(again), _revive)
    assert len(told) == len(history)
    assert set(told) == set(history)


def test_details_that_a_run_has_in_common_are_left_out() -> None:
    common = StateDetails(flow_run_id=UUID(int=1), task_run_id=UUID(int=2))
    state = Completed(details=common, timestamp=datetime(2024, 1, 1, tzinfo=UTC)).evolve(id=UUID(int=3))
    assert runs.states_of(runs.history_line(state, common), _revive) == [state.evolve(details=NO_DETAILS)]
    assert runs.states_of(runs.history_line(state), _revive) == [state]


@pytest.mark.parametrize("name", ["Completed", "Not Ready", 'say "hi"', "Über", "1", "\u2028"])
@pytest.mark.parametrize("message", [None, "line\nbreak"])
def test_short_and_long_lines_read_alike(name: str, message: str | None) -> None:
    """Most lines are put together by hand, for speed; what a hand could get wrong goes through the encoder."""
    state = State(StateType.RUNNING, name, message, timestamp=datetime(2024, 1, 1, tzinfo=UTC), id=UUID(int=3))
    assert runs.states_of(runs.history_line(state), _revive) == [state]


def test_a_result_in_storage_is_found_again() -> None:
    state = Completed(data=Kept("2024/fit"), timestamp=datetime(2024, 1, 1, tzinfo=UTC)).evolve(id=UUID(int=3))
    (again,) = runs.states_of(runs.history_line(state), _revive)
    assert isinstance(again.data, Kept)
    assert again.data.key == "2024/fit"


def test_a_result_in_memory_never_enters_a_column() -> None:
    state = Completed(data={"secret": 1}).evolve(id=UUID(int=3))
    assert runs.data_text(state) is None
    assert "secret" not in runs.history_line(state)
