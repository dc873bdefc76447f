"""Between values of the domain and what a column holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID

from orchestration.domain.rules import NEVER, RetryPolicy
from orchestration.domain.schemas import wire
from orchestration.domain.schemas.wire import Revive, plain, policy_document, record_of
from orchestration.domain.states import NO_DATA, NO_DETAILS, State, StateDetails, StateType, StoredResult

STATE_FIELDS = ("id", "type", "name", "timestamp", "message", "details", "data")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
encode: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":")).encode
decode: Callable[[str], Any] = json.loads


def micros(moment: datetime) -> int:
    """Whole microseconds since the epoch."""
    return (moment - _EPOCH) // _MICROSECOND


def micros_of(value: Any) -> int | None:
    """A time, or the text of one in a document, as a column has it."""
    if value is None or isinstance(value, int):
        return value
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return micros(moment if moment.tzinfo else moment.astimezone())


def moment(value: int) -> datetime:
    """The UTC time of a column that has one."""
    return _EPOCH + timedelta(microseconds=value)


def policy_text(policy: RetryPolicy) -> str:
    """The column text of a retry policy."""
    return "{}" if policy == NEVER else encode(policy_document(policy))


def policy_of(text: str | None) -> RetryPolicy:
    """The retry policy of a column."""
    return wire.policy_of(json.loads(text)) if text else NEVER


def details_text(details: StateDetails) -> str | None:
    """The column text of what a state says beyond type and name; ``None`` when it says nothing."""
    if details is NO_DETAILS:
        return None
    given = ((name, getattr(details, name)) for name in StateDetails.__slots__)
    kept = {name: plain(value) for name, value in given if value != getattr(NO_DETAILS, name)}
    return encode(kept) if kept else None


def details_of(text: str | None) -> StateDetails:
    """What a column says of a state."""
    return record_of(StateDetails, json.loads(text)) if text else NO_DETAILS


def data_text(state: State) -> str | None:
    """The column text of where a state's result lies; results themselves never enter the database."""
    return encode(state.data.as_document()) if isinstance(state.data, StoredResult) else None


def history_line(state: State, common: StateDetails = NO_DETAILS) -> str:
    """One state as a line of a task run's history; details that are ``common`` to the run are left out."""
    details = None if state.details is common else details_text(state.details)
    at = micros_of(state.timestamp) or 0
    if details is None and state.message is None and not isinstance(state.data, StoredResult) and state.name.isalpha():
        return f'["{state.id}","{state.type}","{state.name}",{at},null,null,null]\n'  # most lines; 5 times as quick
    return encode((str(state.id), state.type, state.name, at, state.message, details, data_text(state))) + "\n"


def states_of(history: str, revive: Revive) -> list[State]:
    """The states of a task run's history, oldest first, whatever the order or number of times they came in."""
    states = {line: _state(json.loads(line), revive) for line in history.splitlines()}
    return sorted(states.values(), key=attrgetter("timestamp"))


def state_in(history: str, state_id: str, revive: Revive = wire.StoredDocument) -> State:
    """The state of that id in a task run's history."""
    start = history.rindex(f'["{state_id}"')
    return _state(json.loads(history[start : history.index("\n", start)]), revive)


def _state(fields: list[Any], revive: Revive) -> State:
    state_id, state_type, name, timestamp, message, details, data = fields
    return State(
        StateType(state_type), name, message, revive(json.loads(data)) if data else NO_DATA, details_of(details),
        moment(timestamp), UUID(state_id),
    )


def state_from_row(row: Mapping[str, Any], prefix: str = "", revive: Revive = wire.StoredDocument) -> State:
    """The state that a row holds in columns whose names begin with ``prefix``."""
    return _state([row[prefix + name] for name in STATE_FIELDS], revive)

