"""Between values of the domain and what a column holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from orchestration.domain.retries import NEVER, RetryPolicy
from orchestration.domain.schemas import wire
from orchestration.domain.schemas.runs import Owner
from orchestration.domain.schemas.wire import Revive, plain, policy_document, record_of
from orchestration.domain.states import NO_DATA, NO_DETAILS, State, StateDetails, StateType, StoredResult

STATE_FIELDS = ("id", "type", "name", "timestamp", "message", "details", "data")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encode: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":")).encode
decode: Callable[[str], Any] = json.loads


def micros(moment: datetime) -> int:
    """Whole microseconds since the epoch."""
    return (moment - _EPOCH) // _MICROSECOND


def micros_or_none(moment: datetime | None) -> int | None:
    """Whole microseconds since the epoch, if there is a moment."""
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


def moment(value: int | None) -> datetime | None:
    """The UTC time of a column, if it has one."""
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def known_moment(value: int) -> datetime:
    """The UTC time of a column that always has one."""
    return _EPOCH + timedelta(microseconds=value)


def encode(value: Any) -> str:
    """JSON text of a document that is known to be JSON-like."""
    return _encode(value)


def text_id(value: UUID | None) -> str | None:
    """The text of an id, if there is one."""
    return None if value is None else str(value)


def id_of(value: str | None) -> UUID | None:
    """The id of a column, if it has one."""
    return None if value is None else UUID(value)


def owner_text(owner: Owner) -> str:
    """The column text of the process that a run lives in."""
    return _encode((owner.host, owner.boot, owner.pid, owner.started))


def owner_of(text: str) -> Owner:
    """The process of a column."""
    return Owner(*json.loads(text))


def policy_text(policy: RetryPolicy) -> str:
    """The column text of a retry policy."""
    return "{}" if policy == NEVER else _encode(policy_document(policy))


def policy_of(text: str | None) -> RetryPolicy:
    """The retry policy of a column."""
    document = json.loads(text) if text and text != "{}" else {}
    if "delays" in document:  # as the first schema had it
        return RetryPolicy(document["retries"], tuple(document["delays"]), document["jitter_factor"])
    return wire.policy_of(document)


def details_text(details: StateDetails) -> str | None:
    """The column text of what a state says beyond type and name; ``None`` when it says nothing."""
    if details is NO_DETAILS:
        return None
    given = {name: getattr(details, name) for name in StateDetails.__slots__}
    kept = {name: plain(value) for name, value in given.items() if value != getattr(NO_DETAILS, name)}
    return _encode(kept) if kept else None


def details_of(text: str | None) -> StateDetails:
    """What a column says of a state."""
    if not text:
        return NO_DETAILS
    document = json.loads(text)  # times were whole microseconds in the first schema
    told = {name: plain(known_moment(value)) if type(value) is int else value for name, value in document.items()}
    return record_of(StateDetails, told)


def data_text(state: State) -> str | None:
    """The column text of where a state's result lies; results themselves never enter the database."""
    return _encode(state.data.as_document()) if isinstance(state.data, StoredResult) else None


def history_line(state: State, common: StateDetails = NO_DETAILS) -> str:
    """One state as a line of a task run's history; details that are ``common`` to the run are left out."""
    details = None if state.details is common else details_text(state.details)
    at = micros_or_none(state.timestamp) or 0
    if details is None and state.message is None and not isinstance(state.data, StoredResult) and state.name.isalpha():
        return f'["{state.id}","{state.type}","{state.name}",{at},null,null,null]\n'  # most lines; 5 times as quick
    return _encode((str(state.id), state.type, state.name, at, state.message, details, data_text(state))) + "\n"


def states_of(history: str, revive: Revive) -> list[State]:
    """The states of a task run's history, oldest first, whatever the order or number of times they came in."""
    states = {line: _state(json.loads(line), revive) for line in history.splitlines()}
    return sorted(states.values(), key=_timestamp)


def state_in(history: str, state_id: str, revive: Revive) -> State:
    """The state of that id in a task run's history."""
    start = history.rindex(f'["{state_id}"')
    return _state(json.loads(history[start : history.index("\n", start)]), revive)


def _timestamp(state: State) -> datetime:
    return state.timestamp or _EPOCH


def _state(fields: list[Any], revive: Revive) -> State:
    state_id, state_type, name, timestamp, message, details, data = fields
    return State(
        StateType(state_type), name, message, revive(json.loads(data)) if data else NO_DATA, details_of(details),
        known_moment(timestamp), UUID(state_id),
    )


def state_from_row(row: Mapping[str, Any], revive: Revive, prefix: str = "") -> State:
    """The state that a row holds in columns whose names begin with ``prefix``."""
    return _state([row[prefix + name] for name in STATE_FIELDS], revive)

