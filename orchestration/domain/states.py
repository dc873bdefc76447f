"""States of runs: what a run is doing, or how it ended, and which state may follow which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any
from uuid import UUID

from orchestration.domain import errors
from orchestration.domain.functions import Ready, in_async_code


class StateType(StrEnum):
    """The nine kinds of state."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    CRASHED = "CRASHED"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"


TERMINAL = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED})

# Which types may follow which when nobody forces anything. An ended run may only be scheduled anew (a retry).
TRANSITIONS: Mapping[StateType | None, frozenset[StateType]] = {
    None: frozenset(StateType), StateType.SCHEDULED: frozenset(StateType),
    StateType.PENDING: frozenset(StateType) - {StateType.PENDING},
    StateType.RUNNING: frozenset(StateType) - {StateType.PENDING},
    StateType.PAUSED: frozenset(StateType) - {StateType.PENDING}, StateType.CANCELLING: TERMINAL,
    **dict.fromkeys((StateType.FAILED, StateType.CRASHED, StateType.CANCELLED), frozenset({StateType.SCHEDULED})),
    StateType.COMPLETED: frozenset(),
}


class Unset(Enum):
    """The kind of ``NO_DATA``."""

    NO_DATA = "no data"


# Stands in a state that was read from the store for a result that was not kept; ``None`` is a result.
NO_DATA = Unset.NO_DATA


class StoredResult:
    """What a state carries in place of a value in result storage: the JSON document that says where and how it lies.

    Only its own side can load it; the engine's storage subclasses this.
    """

    def __init__(self, document: Any) -> None:
        self.document = document

    def load(self) -> Any:
        """The value, read from where it lies; who cannot read it has the document itself."""
        return self.document

    def as_document(self) -> Any:
        """The document, which travels with the state."""
        return self.document


@dataclass(frozen=True, slots=True)
class StateDetails:
    """What a state says beyond its type and name."""

    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None
    child_flow_run_id: UUID | None = None
    scheduled_time: datetime | None = None
    cache_key: str | None = None
    cache_expiration: datetime | None = None
    pause_timeout: datetime | None = None
    pause_reschedule: bool = False
    pause_key: str | None = None
    run_input_keyset: Mapping[str, str] | None = field(default=None, hash=False)
    transition_id: UUID | None = None
    retriable: bool | None = None
    # The claim of the worker's process that entered the state; beyond Prefect's.
    claim_id: UUID | None = None


NO_DETAILS = StateDetails()


def _is(purpose: str, *kinds: StateType) -> Callable[[State], bool]:
    """A method that tells whether a state is of one of these types."""

    def is_of_type(state: State) -> bool:
        return state.type in kinds

    is_of_type.__doc__ = purpose
    return is_of_type


@dataclass(frozen=True, slots=True, repr=False)
class State:
    """One moment in the life of a run; ``id`` and ``timestamp`` are given when the state is proposed."""

    type: StateType
    name: str
    message: str | None = None
    data: Any = field(default=None, compare=False)
    details: StateDetails = NO_DETAILS
    timestamp: datetime | None = None
    id: UUID | None = None

    is_scheduled = _is("Whether the run waits for a time.", StateType.SCHEDULED)
    is_pending = _is("Whether the run is about to start.", StateType.PENDING)
    is_running = _is("Whether the user's code is running.", StateType.RUNNING)
    is_completed = _is("Whether the run succeeded.", StateType.COMPLETED)
    is_failed = _is("Whether the user's code failed.", StateType.FAILED)
    is_crashed = _is("Whether the run ended because its process or infrastructure did.", StateType.CRASHED)
    is_cancelled = _is("Whether the run was cancelled.", StateType.CANCELLED)
    is_cancelling = _is("Whether a cancellation is under way.", StateType.CANCELLING)
    is_paused = _is("Whether the run waits for a person.", StateType.PAUSED)
    is_final = _is("Whether the run has ended.", *TERMINAL)

    def evolve(self, **changes: Any) -> State:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def result(self, raise_on_failure: bool = True, retry_result_failure: bool = True) -> Any:
        """The value that the run returned, or the exception it ended with.

        In async code the value may be awaited, as with Prefect.

        Raises:
            MissingResult: the run completed, but its result was not kept.
            UnfinishedRun, PausedRun: the run has not ended.
            Exception: the run's own, unless ``raise_on_failure`` is false.
        """
        value = self.outcome(raise_on_failure)
        return Ready(value) if in_async_code() else value

    async def aresult(self, raise_on_failure: bool = True, retry_result_failure: bool = True) -> Any:
        """The async twin of ``result``."""
        return self.outcome(raise_on_failure)

    def outcome(self, raise_on_failure: bool = True) -> Any:
        """``result`` for callers that never await."""
        if self.type in _ERROR_BY_TYPE:
            if raise_on_failure:
                raise self._error()
            return self._error() if self.data is NO_DATA or self.data is None else self._loaded()
        if self.type is not StateType.COMPLETED:
            kind = errors.PausedRun if self.is_paused() else errors.UnfinishedRun
            raise kind(f"The run is {self.name}, so it has no result yet; wait until it has ended.")
        if self.data is NO_DATA:
            raise errors.MissingResult("The run's result was not kept; ask for it with persist_result=True.")
        return self._loaded()

    def _loaded(self) -> Any:
        return self.data.load() if isinstance(self.data, StoredResult) else self.data

    def _error(self) -> BaseException:
        data = self._loaded()
        if isinstance(data, BaseException):
            return data
        failed = next((each for each in states_in(data) if not each.is_completed()), None)
        if failed is not None and failed.type in _ERROR_BY_TYPE:
            return failed._error()
        said = data if isinstance(data, str) else self.message
        return _ERROR_BY_TYPE[self.type](said or f"The run ended in the state {self.name}.")

    def __repr__(self) -> str:
        return f"{self.name}(message={self.message!r}, type={self.type.value}, result={self.data!r})"

    def __str__(self) -> str:
        return f"{self.name}({self.message!r})" if self.message else f"{self.name}()"


def states_in(value: Any) -> tuple[State, ...]:
    """The states that a value is or consists of; none when it is anything else, or has anything else in it."""
    if isinstance(value, State):
        return (value,)
    if isinstance(value, list | tuple | set | frozenset) and value and all(isinstance(item, State) for item in value):
        return tuple(value)
    return ()


_ERROR_BY_TYPE: Mapping[StateType, type[errors.RunError]] = {
    StateType.FAILED: errors.FailedRun, StateType.CRASHED: errors.CrashedRun, StateType.CANCELLED: errors.CancelledRun,
}


def _maker(state_type: StateType, name: str, purpose: str) -> Callable[..., State]:
    """A constructor of states of one type and name, such as ``Completed(message="done")``."""

    def make(message: str | None = None, data: Any = None, name: str = name, **fields: Any) -> State:
        return State(state_type, name, message, data, **fields)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = purpose
    return make


Pending = _maker(StateType.PENDING, "Pending", "The run is about to start.")
Running = _maker(StateType.RUNNING, "Running", "The user's code is running.")
Retrying = _maker(StateType.RUNNING, "Retrying", "The user's code is running, and not for the first time.")
Completed = _maker(StateType.COMPLETED, "Completed", "The run succeeded.")
Cached = _maker(StateType.COMPLETED, "Cached", "The run took its result from the cache.")
RolledBack = _maker(StateType.COMPLETED, "RolledBack", "The run succeeded, and its transaction was rolled back.")
Failed = _maker(StateType.FAILED, "Failed", "The user's code raised, or said so.")
TimedOut = _maker(StateType.FAILED, "TimedOut", "The run took longer than allowed.")
Crashed = _maker(StateType.CRASHED, "Crashed", "The run's process or infrastructure ended under it.")
Cancelled = _maker(StateType.CANCELLED, "Cancelled", "The run was cancelled.")
Cancelling = _maker(StateType.CANCELLING, "Cancelling", "The run is being cancelled.")


def Scheduled(scheduled_time: datetime | None = None, message: str | None = None, name: str = "Scheduled") -> State:
    """The run waits for ``scheduled_time`` (UTC)."""
    return State(StateType.SCHEDULED, name, message, details=StateDetails(scheduled_time=scheduled_time))


def Late(scheduled_time: datetime | None = None, message: str | None = None) -> State:
    """The run's time has come and nobody has started it."""
    return Scheduled(scheduled_time, message, "Late")


def AwaitingRetry(scheduled_time: datetime | None = None, message: str | None = None) -> State:
    """The run failed and starts again at ``scheduled_time`` (UTC)."""
    return Scheduled(scheduled_time, message, "AwaitingRetry")


def Paused(
    message: str | None = None, pause_timeout: datetime | None = None, reschedule: bool = False,
    pause_key: str | None = None, name: str = "Paused",
) -> State:
    """The run waits for a person until ``pause_timeout`` (UTC)."""
    details = StateDetails(pause_timeout=pause_timeout, pause_reschedule=reschedule, pause_key=pause_key)
    return State(StateType.PAUSED, name, message, details=details)


def Suspended(message: str | None = None, pause_timeout: datetime | None = None, pause_key: str | None = None) -> State:
    """The run waits for a person, and its process has ended."""
    return Paused(message, pause_timeout, True, pause_key, "Suspended")
