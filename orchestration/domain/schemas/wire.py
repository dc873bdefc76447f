"""States, runs and decisions as the JSON documents of the REST interface, in both directions.

The documents are Prefect's (``state_details``, ``empirical_policy``, ``orchestration result``), so that either side
may be ours or theirs. Ids are text and times ISO 8601 in UTC.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar, cast, get_type_hints
from uuid import UUID

from orchestration.domain.retries import NEVER, RetryPolicy
from orchestration.domain.rules import Abort, Accept, Decision, Reject, Wait
from orchestration.domain.schemas.runs import FlowRun, Owner, TaskRun
from orchestration.domain.states import NO_DATA, NO_DETAILS, State, StateDetails, StateType, StoredResult

Document = dict[str, Any]
# Turns the document of a stored result into an object that can load it.
Revive = Callable[[Mapping[str, Any]], Any]
T = TypeVar("T")

# The label by which a run tells a server what process it lives in.
PROCESS_LABEL = "orchestration.process"


@dataclass(frozen=True, slots=True)
class StoredDocument(StoredResult):
    """A result that only its own side can load; a server keeps where it lies, whoever wrote it."""

    document: Any

    def load(self) -> Any:
        """The document itself."""
        return self.document

    def as_document(self) -> Any:
        """What was given."""
        return self.document


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


def state_of(document: Mapping[str, Any], revive: Revive = StoredDocument) -> State:
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


def flow_run_of(document: Mapping[str, Any], revive: Revive = StoredDocument) -> FlowRun:
    """The flow run of a document."""
    return _run(FlowRun, document, revive, owner=owner_of(document.get("labels") or {}))


def task_run_of(document: Mapping[str, Any], revive: Revive = StoredDocument) -> TaskRun:
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
