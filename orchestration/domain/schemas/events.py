"""Task runs as the events by which a client tells a server of them, in both directions.

The events are those of Prefect's own client: one for each state, with the state's id and time as its own, and the
task run as it was when the events were sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

from orchestration.domain.retries import NEVER
from orchestration.domain.schemas import wire
from orchestration.domain.schemas.recording import PENDING, TaskRunChange, TaskRunRecord
from orchestration.domain.schemas.wire import Document, Revive, StoredDocument
from orchestration.domain.states import NO_DETAILS, State, StateDetails

TASK_RUN, FLOW_RUN = "prefect.task-run.", "prefect.flow-run."
ID, ROLE = "prefect.resource.id", "prefect.resource.role"
_NAMES = ("name", "task_key", "dynamic_key")
_TOLD = (
    "task_version", "cache_key", "task_inputs", "run_count", "flow_run_run_count", "total_run_time", "start_time",
    "end_time", "tags",
)  # fmt: skip
_OWN_IDS, _NOTHING = ("flow_run_id", "task_run_id"), wire.state_document(PENDING)["state_details"]
T = TypeVar("T")


def is_told_by_client(event: Mapping[str, Any]) -> bool:
    """Whether an event is a client's word that a task run entered a state."""
    name: str = event["event"]
    return name.startswith(TASK_RUN) and event["resource"].get("prefect.orchestration") == "client"


def events_of(change: TaskRunChange) -> list[Document]:
    """The events of the states that a task run entered, oldest first; a new run's birth is the first of them.

    How the run stands is told by the last of them; the others only name it.
    """
    record, states, is_new = change
    if is_new:
        states = [PENDING.evolve(id=record.id, timestamp=record.created), *states]
    related = [{ID: f"prefect.tag.{tag}", ROLE: "tag"} for tag in record.tags]
    if record.flow_run_id is not None:
        related.append({ID: f"{FLOW_RUN}{record.flow_run_id}", ROLE: "flow-run"})
    named = {name: getattr(record, name) for name in _NAMES}
    events: list[Document] = []
    for state in states:
        told = wire.state_document(state)
        details = told["state_details"].items()  # what all states of a run say alike is told with the run
        told["state_details"] = {key: said for key, said in details if said != _NOTHING[key] and key not in _OWN_IDS}
        run = named if state is not states[-1] else {**named, **_standing(record)}
        labels = {
            ID: f"{TASK_RUN}{record.id}", "prefect.resource.name": record.name,
            "prefect.state-message": state.message or "", "prefect.state-name": state.name,
            "prefect.state-type": state.type.value, "prefect.orchestration": "client",
        }  # fmt: skip
        events.append({
            "id": told.pop("id"), "occurred": told.pop("timestamp"), "event": TASK_RUN + state.name,
            "resource": labels, "related": related, "payload": {"validated_state": told, "task_run": run},
            "follows": events[-1]["id"] if events else None,
        })  # fmt: skip
    return events


def _standing(record: TaskRunRecord) -> Document:
    """What changes while a task run lives, and what says how it came to be."""
    told = {name: getattr(record, name) for name in _TOLD}
    policy = None if record.policy is NEVER else wire.policy_document(record.policy)
    told.update(expected_start_time=record.created, empirical_policy=policy)
    return {name: wire.plain(value) for name, value in told.items() if value is not None}


def changes_of(events: Iterable[Mapping[str, Any]], revive: Revive = StoredDocument) -> list[TaskRunChange]:
    """The task runs that a client's events tell of, each with its states; events of other kinds are passed over.

    Args:
        events: each with its id, time, name and resource.
        revive: turns what a state says of a stored result into what can load it.

    Raises:
        ValueError: a field of an event is missing or wrong; the message names it.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        if is_told_by_client(event):
            found.setdefault(event["resource"][ID], []).append(event)
    return [_change(told, revive) for told in found.values()]


def _change(told: list[Mapping[str, Any]], revive: Revive) -> TaskRunChange:
    run_id = _read(told[0], f"resource.{ID}", lambda event: UUID(event["resource"][ID].removeprefix(TASK_RUN)))
    shared = StateDetails(flow_run_id=_read(told[0], "related", _flow_run_id), task_run_id=run_id)
    states = [_read(event, "payload.validated_state", lambda each: _state(each, shared, revive)) for event in told]
    times: list[Any] = [state.timestamp for state in states]
    last = max(range(len(told)), key=lambda place: (times[place], place))
    record = _read(told[last], "payload.task_run", lambda event: _record(event, states, states[last], shared))
    return TaskRunChange(record, states, is_new=False)


def _read(event: Mapping[str, Any], field: str, read: Callable[[Mapping[str, Any]], T]) -> T:
    """What is read of an event; where that cannot be, the error names the field."""
    try:
        return read(event)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"The field {field} of a task run's event is missing or wrong: {error!r}.") from error


def _record(event: Mapping[str, Any], states: list[State], state: State, details: StateDetails) -> TaskRunRecord:
    run = event["payload"]["task_run"]
    created = wire.moment_of(run.get("expected_start_time")) or min(each.timestamp for each in states if each.timestamp)
    ids = {"id": details.task_run_id, "flow_run_id": details.flow_run_id}
    own = {"state": state, "created": created, "details": details, "is_new": False, "new_states": None}
    return wire.record_of(TaskRunRecord, run, policy=wire.policy_of(run.get("empirical_policy")), **ids, **own)


def _state(event: Mapping[str, Any], shared: StateDetails, revive: Revive) -> State:
    told = event["payload"]["validated_state"]
    state = wire.state_of({**told, "id": event["id"], "timestamp": event["occurred"]}, revive)
    if state.details in (NO_DETAILS, shared):
        return state.evolve(details=shared)
    return state.evolve(details=replace(state.details, **{name: getattr(shared, name) for name in _OWN_IDS}))


def _flow_run_id(event: Mapping[str, Any]) -> UUID | None:
    """The flow run that the task run is part of; events name it in the role ``flow-run``."""
    ids = (each[ID] for each in event.get("related") or () if each[ROLE] == "flow-run")
    return next((UUID(each.removeprefix(FLOW_RUN)) for each in ids), None)
