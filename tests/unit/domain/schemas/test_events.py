"""Task runs as events: what is told arrives, and what cannot be read is named."""

import copy
import json
from datetime import timedelta
from typing import Any

import pytest

from orchestration.backend.clock import new_id
from orchestration.domain.rules import RetryPolicy
from orchestration.domain.schemas.runs import PENDING, TaskRunChange
from orchestration.domain.schemas.wire import StoredDocument, changes_of, events_of
from orchestration.domain.states import (
    NO_DATA,
    AwaitingRetry,
    Cached,
    Completed,
    Paused,
    Running,
    State,
    StateDetails,
    StateType,
)
from tests.support.records import BORN, at, born, later, task_record, went_on


def sent(change: TaskRunChange) -> list[dict[str, Any]]:
    """The events of a change as they come out at the other end of a connection."""
    return json.loads(json.dumps(events_of(change)))  # type: ignore[no-any-return]


def there_and_back(change: TaskRunChange) -> TaskRunChange:
    """A change as the server has it."""
    (arrived,) = changes_of(sent(change))
    return arrived


@pytest.mark.parametrize("kind", list(StateType))
def test_every_type_of_state_arrives_as_it_was(kind: StateType) -> None:
    record = task_record(new_id())
    state = at(State(kind, "Some Name", "why", NO_DATA, record.details), 3)

    arrived = there_and_back(went_on(record, state))

    assert list(arrived.states) == [state]
    assert arrived.states[0].id == state.id
    assert arrived.record.state == state
    assert arrived.states[0].details is arrived.record.details


def test_a_task_run_arrives_with_all_its_fields() -> None:
    record = task_record(
        new_id(),
        task_version="3",
        cache_key="k",
        policy=RetryPolicy(3, (1.0, 2.0), 0.5),
        tags=("a", "b"),
        task_inputs={"x": [{"input_type": "task_run", "id": str(new_id())}]},
        run_count=2,
        flow_run_run_count=1,
        start_time=later(1),
        end_time=later(9),
        total_run_time=7.5,
    )
    record.state = at(Completed(), 9)

    arrived = there_and_back(went_on(record, record.state)).record

    for name in type(record).__slots__:
        if name not in ("state", "is_new", "new_states"):
            assert getattr(arrived, name) == getattr(record, name), name


def test_the_birth_of_a_run_is_its_first_state() -> None:
    record = task_record()
    running = at(Running(), 1)

    arrived = there_and_back(born(record, running))

    assert arrived.states[0] == PENDING.evolve(timestamp=BORN, id=record.id, details=arrived.record.details)
    assert [state.name for state in arrived.states] == ["Pending", "Running"]
    assert arrived.record.created == BORN
    assert arrived.record.flow_run_id is None


def test_details_beyond_the_runs_own_arrive() -> None:
    record = task_record(new_id())
    waiting = at(AwaitingRetry(BORN + timedelta(seconds=5), "again"), 1)
    paused = at(Paused("wait", later(60), True, "key"), 2)

    arrived = there_and_back(went_on(record, waiting, paused))

    assert arrived.states[0].details.scheduled_time == later(5)
    assert arrived.states[1].details.pause_key == "key"
    assert arrived.states[1].details.task_run_id == record.id
    assert arrived.states[1].details.flow_run_id == record.flow_run_id


def test_where_a_result_lies_arrives() -> None:
    lies = {"storage_key": "a"}
    state = at(Cached(data=StoredDocument(lies)), 1)

    arrived = there_and_back(went_on(task_record(), state))

    assert arrived.states[0].data == StoredDocument(lies)


def test_values_are_never_sent() -> None:
    assert "secret" not in json.dumps(events_of(went_on(task_record(), at(Completed(data="secret"), 1))))


def test_the_newest_state_tells_how_the_run_stands_whatever_the_order() -> None:
    record = task_record(run_count=1)
    early = sent(went_on(record, at(Running(), 1)))
    record.run_count = 5
    late = sent(went_on(record, at(Completed(), 2)))

    (arrived,) = changes_of([*late, *early])

    assert arrived.record.run_count == 5
    assert arrived.record.state.is_completed()
    assert len(arrived.states) == 2


def test_of_two_states_at_one_time_the_later_told_tells_how_the_run_stands() -> None:
    record = task_record(run_count=3)

    arrived = there_and_back(went_on(record, at(Running(), 1), at(Completed(), 1)))

    assert arrived.record.state.is_completed()
    assert arrived.record.run_count == 3


def test_events_are_chained() -> None:
    record = task_record()
    events = sent(born(record, at(Running(), 1), at(Completed(), 2)))

    assert [event["follows"] for event in events] == [None, events[0]["id"], events[1]["id"]]


def test_events_of_several_runs_become_a_change_each() -> None:
    flow_run_id = new_id()
    told = [born(task_record(flow_run_id), at(Running(), 1)) for _ in range(3)]
    events = [event for change in told for event in sent(change)]

    changes = changes_of(events[::2] + events[1::2])

    assert {change.record.id for change in changes} == {change.record.id for change in told}
    assert all(len(change.states) == 2 for change in changes)
    assert {change.record.flow_run_id for change in changes} == {flow_run_id}


def test_other_events_are_passed_over() -> None:
    (event,) = sent(went_on(task_record(), at(Running(), 1)))
    by_server = copy.deepcopy(event)
    by_server["resource"]["prefect.orchestration"] = "server"

    assert changes_of([{**event, "event": "prefect.flow-run.Running"}, by_server]) == []


def test_a_state_without_a_name_is_named_by_its_type() -> None:
    (event,) = sent(went_on(task_record(), at(Running(), 1)))
    del event["payload"]["validated_state"]["name"]

    assert changes_of([event])[0].states[0].name == "Running"


def test_a_run_without_a_time_of_its_own_was_born_with_its_first_state() -> None:
    events = sent(went_on(task_record(), at(Running(), 1), at(Completed(), 2)))
    for event in events:
        event["payload"]["task_run"].pop("expected_start_time", None)

    assert changes_of(events)[0].record.created == later(1)


def test_unknown_fields_of_a_newer_client_are_passed_over() -> None:
    (event,) = sent(went_on(task_record(), at(Running(), 1)))
    event["payload"]["validated_state"]["state_details"] = {"traceparent": "x", "retriable": True}
    event["payload"]["task_run"]["newer"] = 1

    assert changes_of([event])[0].states[0].details == StateDetails(
        task_run_id=changes_of([event])[0].record.id, retriable=True
    )


WRONG: dict[str, list[object]] = {
    "resource.prefect.resource.id": ["prefect.flow-run.1", "prefect.task-run.1"],
    "related": [[{}], [{"prefect.resource.role": "flow-run", "prefect.resource.id": "x"}]],
    "payload": [{}],
    "payload.validated_state": [None, 3],
    "payload.validated_state.type": ["SLEEPING", None, 3],
    "payload.validated_state.state_details": [3, {"scheduled_time": "soon"}],
    "payload.task_run": [None, 3],
    "payload.task_run.name": [None, 3],
    "payload.task_run.task_key": [None],
    "payload.task_run.start_time": ["soon", 3],
    "payload.task_run.run_count": ["many"],
    "payload.task_run.empirical_policy": [3],
    "payload.task_run.tags": [3],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    (event,) = sent(went_on(task_record(new_id()), at(Running(), 1)))
    _put(event, field, value)

    with pytest.raises(ValueError, match=r"The field [\w.-]+ of a task run's event is missing or wrong") as error:
        changes_of([event])

    named = str(error.value).split()[2]
    assert field.startswith(named) or named.startswith(field)


def _put(event: dict[str, Any], field: str, value: object) -> None:
    head, _, rest = field.partition(".")
    if not rest or head == "resource":
        if head == "resource":
            event["resource"][rest] = value
        else:
            event[head] = value
    else:
        _put(event[head], rest, value)
