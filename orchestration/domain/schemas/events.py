"""Task runs as the events by which a client tells a server of them, in both directions.

The events are those of Prefect's own client: one for each state, with the state's id and time as its own, and the
task run as it was when the events were sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from orchestration.domain.retries import NEVER
from orchestration.domain.schemas import wire
from orchestration.domain.schemas.recording import PENDING, TaskRunChange, TaskRunRecord
from orchestration.domain.schemas.wire import Document, Revive, StoredDocument
from orchestration.domain.states import NO_DATA, NO_DETAILS, State, StateDetails, StateType, StoredResult

TASK_RUN, FLOW_RUN = "prefect.task-run.", "prefect.flow-run."
ID, ROLE = "prefect.resource.id", "prefect.resource.role"
_TOLD = ("task_version", "cache_key", "task_inputs", "run_count", "flow_run_run_count", "total_run_time")
_OWN_IDS = ("flow_run_id", "task_run_id")


def is_told_by_client(event: Mapping[str, Any]) -> bool:
    """Whether an event is a client's word that a task run entered a state."""
    resource = event.get("resource")
    is_client = isinstance(resource, Mapping) and resource.get("prefect.orchestration") == "client"
    return is_client and str(event.get("event")).startswith(TASK_RUN)


def events_of(change: TaskRunChange) -> list[Document]:
    """The events of the states that a task run entered, oldest first; a new run's birth is the first of them.

    How the run stands is told by the last of them; the others only name it.
    """
    record, states, is_new = change
    if is_new:
        states = [PENDING.evolve(id=record.id, timestamp=record.created), *states]
    run_id, related = f"{TASK_RUN}{record.id}", _related(record)
    named = {"name": record.name, "task_key": record.task_key, "dynamic_key": record.dynamic_key}
    events = []
    before: State | None = None
    for state in states:
        kind = state.type.value
        told = {
            "type": kind,
            "name": state.name,
            "message": state.message,
            "state_details": {} if state.details is record.details else _details(state.details),
            "data": state.data.as_document() if isinstance(state.data, StoredResult) else None,
        }
        payload = {
            "intended": {"from": before and before.type.value, "to": kind},
            "initial_state": before and {"type": before.type.value, "name": before.name},
            "validated_state": told,
            "task_run": named if state is not states[-1] else {**named, **_standing(record)},
        }
        event = {
            "id": str(state.id),
            "occurred": wire.moment_text(state.timestamp),
            "event": TASK_RUN + state.name,
            "resource": {
                ID: run_id,
                "prefect.resource.name": record.name,
                "prefect.state-message": state.message or "",
                "prefect.state-name": state.name,
                "prefect.state-type": kind,
                "prefect.orchestration": "client",
            },
            "related": related,
            "payload": payload,
            "follows": before and str(before.id),
        }
        events.append(event)
        before = state
    return events


def changes_of(events: Iterable[Mapping[str, Any]], revive: Revive = StoredDocument) -> list[TaskRunChange]:
    """The task runs that a client's events tell of, each with its states; events of other kinds are passed over.

    Raises:
        ValueError: a field of an event is missing or wrong; the message names it.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        if is_told_by_client(event):
            found.setdefault(str(event["resource"].get(ID)), []).append(event)
    return [_change(told, revive) for told in found.values()]


def _change(told: list[Mapping[str, Any]], revive: Revive) -> TaskRunChange:
    try:
        flow_run_id = next(_flow_run_ids(told[0]), None)
        run_id = _id_after(TASK_RUN, told[0]["resource"][ID])
        details = StateDetails(flow_run_id=flow_run_id, task_run_id=run_id)
        states = [_state(event, details, revive) for event in told]
        last = max(range(len(told)), key=lambda place: (_time_of(told[place]), place))
        return TaskRunChange(_record(told[last]["payload"]["task_run"], states, last, details), states, is_new=False)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise next(filter(None, map(_fault, told)), ValueError(f"An event cannot be read: {error!r}.")) from error


def _record(run: Mapping[str, Any], states: list[State], last: int, details: StateDetails) -> TaskRunRecord:
    policy, created = run.get("empirical_policy"), run.get("expected_start_time")
    start, end = run.get("start_time"), run.get("end_time")
    assert details.task_run_id is not None  # noqa: S101 - every event has one, or it could not be read
    return TaskRunRecord(
        id=details.task_run_id,
        flow_run_id=details.flow_run_id,
        name=_text(run, "name"),
        task_key=_text(run, "task_key"),
        dynamic_key=_text(run, "dynamic_key"),
        created=_time(created) if created else min(state.timestamp for state in states if state.timestamp),
        state=states[last],
        new_states=None,
        is_new=False,
        task_version=run.get("task_version"),
        cache_key=run.get("cache_key"),
        policy=wire.policy_of(policy) if policy else NEVER,
        tags=tuple(run.get("tags") or ()),
        task_inputs=run.get("task_inputs"),
        run_count=int(run.get("run_count") or 0),
        flow_run_run_count=int(run.get("flow_run_run_count") or 0),
        start_time=_time(start) if start else None,
        end_time=_time(end) if end else None,
        total_run_time=float(run.get("total_run_time") or 0),
        details=details,
    )


def _state(event: Mapping[str, Any], shared: StateDetails, revive: Revive) -> State:
    given = event["payload"]["validated_state"]
    kind, data, said = StateType(given["type"]), given.get("data"), given.get("state_details")
    return State(
        kind,
        given.get("name") or kind.value.capitalize(),
        given.get("message"),
        NO_DATA if data is None else revive(data),
        shared if not said else _read_details(said, shared),
        _time_of(event),
        UUID(event["id"]),
    )


def _read_details(said: Mapping[str, Any], shared: StateDetails) -> StateDetails:
    own = {name: getattr(shared, name) for name in _OWN_IDS}
    details = wire.record_of(StateDetails, {name: value for name, value in said.items() if name not in own}, **own)
    return shared if details == shared else details


def _time_of(event: Mapping[str, Any]) -> datetime:
    return _time(event["occurred"])


def _time(text: str) -> datetime:
    moment = wire.moment_of(text)
    if moment is None:
        raise ValueError("there is no time")
    return moment


def _text(document: Mapping[str, Any], name: str) -> str:
    text = document[name]
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no text")
    return text


def _id_after(prefix: str, resource_id: str) -> UUID:
    if not resource_id.startswith(prefix):
        raise ValueError(f"{resource_id!r} does not start with {prefix!r}")
    return UUID(resource_id[len(prefix) :])


def _flow_run_ids(event: Mapping[str, Any]) -> Iterator[UUID]:
    """The flow run that the task run is part of; events name it in the role ``flow-run``."""
    for each in event.get("related") or ():
        if each[ROLE] == "flow-run":
            yield _id_after(FLOW_RUN, each[ID])


_FIELDS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "id": lambda event: UUID(event["id"]),
    "occurred": _time_of,
    f"resource.{ID}": lambda event: _id_after(TASK_RUN, event["resource"][ID]),
    "related": lambda event: list(_flow_run_ids(event)),
    "payload.validated_state": lambda event: _state(event, NO_DETAILS, StoredDocument),
    "payload.task_run": lambda event: _record(
        event["payload"]["task_run"],
        [_state(event, NO_DETAILS, StoredDocument)],
        0,
        StateDetails(task_run_id=UUID(int=0)),
    ),
}
"""How each field of an event is read on its own, to find the one that is at fault."""


def _fault(event: Mapping[str, Any]) -> ValueError | None:
    for name, read in _FIELDS.items():
        try:
            read(event)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return ValueError(f"The field {name} of a task run's event is missing or wrong: {error!r}.")
    return None


def _details(details: StateDetails) -> Document:
    """What a state says beyond what all states of its run say."""
    given = {name: getattr(details, name) for name in StateDetails.__slots__ if name not in _OWN_IDS}
    return {name: wire.plain(value) for name, value in given.items() if value != getattr(NO_DETAILS, name)}


def _related(record: TaskRunRecord) -> list[Document]:
    related = [{ID: f"prefect.tag.{tag}", ROLE: "tag"} for tag in record.tags]
    if record.flow_run_id is not None:
        related.append({ID: f"{FLOW_RUN}{record.flow_run_id}", ROLE: "flow-run"})
    return related


def _standing(record: TaskRunRecord) -> Document:
    """What changes while a task run lives, and what says how it came to be."""
    document = {name: getattr(record, name) for name in _TOLD}
    document.update({name: wire.moment_text(getattr(record, name)) for name in ("start_time", "end_time")})
    document["expected_start_time"] = wire.moment_text(record.created)
    document["tags"] = list(record.tags)
    if record.policy is not NEVER:
        document["empirical_policy"] = wire.policy_document(record.policy)
    return {name: value for name, value in document.items() if value is not None}
