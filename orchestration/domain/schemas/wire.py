"""States, runs and decisions as the JSON documents of the REST interface, in both directions.

The documents are Prefect's (``state_details``, ``empirical_policy``, ``orchestration result``), so that either side
may be ours or theirs. Ids are text and times ISO 8601 in UTC. Of task runs a client tells a server by events, which are
those of Prefect's own client: one for each state, with the state's id and time as its own, and the task run as it was
when the events were sent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar, cast, get_type_hints
from uuid import UUID

from orchestration.domain.rules import NEVER, Abort, Accept, Decision, Reject, RetryPolicy, Wait
from orchestration.domain.schemas.runs import PENDING, FlowRun, Owner, TaskRun, TaskRunChange
from orchestration.domain.states import NO_DATA, NO_DETAILS, State, StateDetails, StateType, StoredResult

Document = dict[str, Any]
# Turns the document of a stored result into an object that can load it.
Revive = Callable[[Mapping[str, Any]], Any]
T = TypeVar("T")

# The label by which a run tells a server what process it lives in.
PROCESS_LABEL = "orchestration.process"


def moment_of(text: str | None) -> datetime | None:
    """The time of a document, in UTC."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def moment_text(moment: datetime | None) -> str | None:
    """A time as documents have it."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def plain(value: Any) -> Any:
    """A value as JSON can have it."""
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def state_document(state: State) -> Document:
    """The document of a state."""
    return {
        "id": plain(state.id), "type": state.type.value, "name": state.name, "timestamp": moment_text(state.timestamp),
        "message": state.message, "data": state.data.as_document() if isinstance(state.data, StoredResult) else None,
        "state_details": {**_details_document(state.details)},
    }


@lru_cache
def _details_document(details: StateDetails) -> Document:
    names = (name for name in StateDetails.__slots__ if name != "claim_id" or details.claim_id)
    return {name: plain(getattr(details, name)) for name in names}


def state_of(document: Mapping[str, Any], revive: Revive = StoredResult) -> State:
    """The state of a document; ``revive`` turns what it says of a stored result into what can load it."""
    kind = StateType(document["type"])
    data, said = document.get("data"), document.get("state_details")
    return State(
        kind, document.get("name") or kind.value.capitalize(), document.get("message"),
        NO_DATA if data is None else revive(data), record_of(StateDetails, said) if said else NO_DETAILS,
        moment_of(document.get("timestamp")), UUID(document["id"]) if document.get("id") else None,
    )


def decision_document(decision: Decision, current: State | None) -> Document:
    """The document of what the rules decided, for a run that is in ``current``."""
    status = type(decision).__name__
    state = current if isinstance(decision, Abort) else None if isinstance(decision, Wait) else decision.state
    details: Document = {"type": f"{status.lower()}_details"}
    if not isinstance(decision, Accept):
        details["reason"] = decision.reason
    if isinstance(decision, Wait):
        details["delay_seconds"] = max(1, math.ceil(decision.seconds))
    return {"status": status.upper(), "state": state and state_document(state), "details": details}


def decision_of(document: Mapping[str, Any], revive: Revive) -> Decision:
    """The decision of a document."""
    details = document.get("details") or {}
    reason = details.get("reason") or ""
    status = document["status"]
    if status in ("WAIT", "ABORT"):
        return Wait(details["delay_seconds"], reason) if status == "WAIT" else Abort(reason)
    state = state_of(document["state"], revive)
    return Reject(state, reason) if status == "REJECT" else Accept(state)


def policy_document(policy: RetryPolicy) -> Document:
    """The document of a retry policy; a single delay stands for itself."""
    delay = policy.delays[0] if len(policy.delays) == 1 else list(policy.delays) or None
    return {"retries": policy.retries, "retry_delay": delay, "retry_jitter_factor": policy.jitter_factor}


def policy_of(document: Mapping[str, Any] | None) -> RetryPolicy:
    """The retry policy of a document."""
    given = document or {}
    retries, delay = given.get("retries") or 0, given.get("retry_delay")
    delays = () if delay is None else tuple(delay) if isinstance(delay, list) else (delay,)
    return RetryPolicy(retries, delays, given.get("retry_jitter_factor")) if retries else NEVER


def flow_run_of(document: Mapping[str, Any], revive: Revive = StoredResult) -> FlowRun:
    """The flow run of a document."""
    return _run(FlowRun, document, revive, owner=owner_of(document.get("labels") or {}))


def task_run_of(document: Mapping[str, Any], revive: Revive = StoredResult) -> TaskRun:
    """The task run of a document."""
    return _run(TaskRun, document, revive)


def _run(kind: type[T], document: Mapping[str, Any], revive: Revive, **given: Any) -> T:
    state = document.get("state") and state_of(document["state"], revive)
    return record_of(kind, document, state=state, policy=policy_of(document.get("empirical_policy")), **given)


def owner_label(owner: Owner | None) -> Document:
    """The label that tells what process a run lives in."""
    return {PROCESS_LABEL: f"{owner.host}/{owner.boot}/{owner.pid}/{owner.started}"} if owner else {}


def owner_of(labels: Mapping[str, Any]) -> Owner | None:
    """The process that a run's labels name."""
    parts = str(labels.get(PROCESS_LABEL, "")).split("/")
    if len(parts) != len(Owner.__slots__) or not parts[2].isdecimal():
        return None
    return Owner(parts[0], parts[1], int(parts[2]), parts[3])


def record_of(kind: type[T], document: Mapping[str, Any], **given: Any) -> T:
    """A record of ``kind`` with the fields that the document has for it; those ``given`` are taken as they are."""
    known = _readers(cast(Hashable, kind)).items()
    found = {name: read(document[name]) for name, read in known if document.get(name) is not None and name not in given}
    return kind(**found, **given)


@lru_cache
def _readers(kind: type[Any]) -> Mapping[str, Callable[[Any], Any]]:
    """How each field of a record is read from JSON."""
    hints = {name: str(hint) for name, hint in get_type_hints(kind).items()}
    return {
        each.name: next((read for part, read in _BY_HINT.items() if part in hints[each.name]), lambda value: value)
        for each in fields(kind)
    }


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


# By what the type of a field has in it, in this order: how its value is read.
_BY_HINT: Mapping[str, Callable[[Any], Any]] = {
    "tuple[": tuple, "Sequence[": tuple, "datetime": moment_of, "UUID": lambda value: UUID(str(value)),
    "'str'": _text, "'int'": int, "'float'": float,
}


# -- task runs as events -----------------------------------------------------------------------------------------------

TASK_RUN, FLOW_RUN = "prefect.task-run.", "prefect.flow-run."
ID, ROLE = "prefect.resource.id", "prefect.resource.role"
_NAMES = ("name", "task_key", "dynamic_key")
_TOLD = (
    "task_version", "cache_key", "task_inputs", "run_count", "flow_run_run_count", "total_run_time", "start_time",
    "end_time", "tags",
)  # fmt: skip
_OWN_IDS, _NOTHING = ("flow_run_id", "task_run_id"), state_document(PENDING)["state_details"]


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
        told = state_document(state)
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


def _standing(record: TaskRun) -> Document:
    """What changes while a task run lives, and what says how it came to be."""
    told = {name: getattr(record, name) for name in _TOLD}
    policy = None if record.policy is NEVER else policy_document(record.policy)
    told.update(expected_start_time=record.created, empirical_policy=policy)
    return {name: plain(value) for name, value in told.items() if value is not None}


def changes_of(events: Iterable[Mapping[str, Any]], revive: Revive = StoredResult) -> list[TaskRunChange]:
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


def _record(event: Mapping[str, Any], states: list[State], state: State, details: StateDetails) -> TaskRun:
    run = event["payload"]["task_run"]
    created = moment_of(run.get("expected_start_time")) or min(each.timestamp for each in states if each.timestamp)
    own = {"id": details.task_run_id, "flow_run_id": details.flow_run_id, "state": state, "created": created}
    return record_of(TaskRun, run, policy=policy_of(run.get("empirical_policy")), details=details, **own)


def _state(event: Mapping[str, Any], shared: StateDetails, revive: Revive) -> State:
    told = event["payload"]["validated_state"]
    state = state_of({**told, "id": event["id"], "timestamp": event["occurred"]}, revive)
    if state.details in (NO_DETAILS, shared):
        return state.evolve(details=shared)
    return state.evolve(details=replace(state.details, **{name: getattr(shared, name) for name in _OWN_IDS}))


def _flow_run_id(event: Mapping[str, Any]) -> UUID | None:
    """The flow run that the task run is part of; events name it in the role ``flow-run``."""
    ids = (each[ID] for each in event.get("related") or () if each[ROLE] == "flow-run")
    return next((UUID(each.removeprefix(FLOW_RUN)) for each in ids), None)
