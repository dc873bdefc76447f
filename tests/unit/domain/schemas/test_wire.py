"""What travels as JSON comes back as it was: states, decisions, policies, and the process that a run lives in.

Task runs as events: what is told arrives, and what cannot be read is named.
"""

import copy
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from orchestration.backend.clock import new_id
from orchestration.domain.rules import Abort, Accept, Decision, Reject, RetryPolicy, Wait
from orchestration.domain.schemas.catalog import Artifact, VariableRecord
from orchestration.domain.schemas.runs import PENDING, Owner, TaskRunChange
from orchestration.domain.schemas.wire import (
    PROCESS_LABEL,
    changes_of,
    decision_document,
    decision_of,
    events_of,
    flow_run_of,
    moment_of,
    owner_label,
    owner_of,
    policy_document,
    policy_of,
    record_of,
    state_document,
    state_of,
    task_run_of,
)
from orchestration.domain.states import (
    NO_DATA,
    AwaitingRetry,
    Cached,
    Completed,
    Failed,
    Paused,
    Running,
    Scheduled,
    State,
    StateDetails,
    StateType,
    StoredResult,
)
from tests.support.properties import policies, quick
from tests.support.records import BORN, at, born, later, task_record, went_on

KEPT = StoredResult({"storage_key": "a", "expiration": None})
STATES = [at(Running(), 1), at(Scheduled(later(60)), 2), at(Failed("no"), 3), at(Completed(data=KEPT), 4)]


def _sent(document: Any) -> Any:
    return json.loads(json.dumps(document))


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_a_state_comes_back(state: State) -> None:
    back = state_of(_sent(state_document(state)))
    assert back == state
    assert state_document(back) == state_document(state)


def test_what_a_server_keeps_of_a_result_it_gives_as_it_came() -> None:
    assert KEPT.load() == KEPT.as_document() == {"storage_key": "a", "expiration": None}


@pytest.mark.parametrize(
    "decision", [Accept(STATES[0]), Reject(STATES[2], "because"), Wait(7, "later"), Abort("never")], ids=repr
)
def test_a_decision_comes_back(decision: Decision) -> None:
    assert decision_of(_sent(decision_document(decision, STATES[0])), StoredResult) == decision


def test_an_abort_shows_the_state_that_stays() -> None:
    assert decision_document(Abort("never"), STATES[0])["state"]["name"] == "Running"
    assert decision_document(Abort("never"), None)["state"] is None


def test_a_wait_is_told_in_whole_seconds_and_never_none() -> None:
    seconds = [decision_document(Wait(wait, ""), None)["details"]["delay_seconds"] for wait in (0.0, 0.2, 1.2)]
    assert seconds == [1, 1, 2]


@given(policies)
@quick
def test_a_policy_comes_back(policy: Any) -> None:
    back = policy_of(_sent(policy_document(policy)))
    assert (back == policy) or not policy.retries


def test_the_process_of_a_run_travels_as_a_label() -> None:
    owner = Owner("host pid:[4026531836]", "boot", 12, "345")
    assert owner_of(owner_label(owner)) == owner
    assert owner_label(None) == {}
    for label in ("", "a/b", "host/boot/x/345", "a/b/1/c/d"):
        assert owner_of({PROCESS_LABEL: label}) is None
    assert owner_of({}) is None


def test_a_time_without_a_zone_is_meant_in_utc() -> None:
    assert moment_of("2024-05-17T08:30:00") == moment_of("2024-05-17T10:30:00+02:00") == BORN
    assert moment_of(None) is None


def test_a_run_comes_back_with_the_process_that_it_lives_in() -> None:
    run_id, flow_id, owner = str(new_id()), str(new_id()), Owner("host", "boot", 12, "345")
    document = {
        "id": run_id, "flow_id": flow_id, "name": "oak", "created": "2024-05-17T08:30:00Z", "run_count": 2,
        "labels": owner_label(owner), "state": state_document(STATES[0]), "empirical_policy": {"retries": 1},
        "tags": ["a"], "unknown": 1,
    }  # fmt: skip
    run = flow_run_of(_sent(document))
    assert (str(run.id), str(run.flow_id), run.created, run.owner, run.tags) == (run_id, flow_id, BORN, owner, ("a",))
    assert (run.state, run.policy.retries, run.run_count) == (STATES[0], 1, 2)
    task = task_run_of({**document, "task_key": "fit", "dynamic_key": "0"})
    assert (task.task_key, task.state) == ("fit", STATES[0])
    assert flow_run_of({**document, "state": None}).state is None


def test_what_is_no_text_is_no_name() -> None:
    with pytest.raises(TypeError, match="3 is no text"):
        task_run_of({"id": str(new_id()), "name": 3})


def test_artifacts_and_variables_come_back() -> None:
    known = {"id": str(new_id()), "created": "2024-05-17T08:30:00Z", "updated": "2024-05-17T08:30:00Z"}
    assert record_of(Artifact, {**known, "key": "report", "metadata_": {"a": "b"}}).metadata_ == {"a": "b"}
    assert record_of(VariableRecord, {**known, "name": "n", "value": None, "tags": []}).value is None


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
    state = at(Cached(data=StoredResult(lies)), 1)

    arrived = there_and_back(went_on(task_record(), state))

    assert arrived.states[0].data.as_document() == lies


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
