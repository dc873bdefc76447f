"""From what user code returned or raised to the state that it asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from orchestration.domain.errors import RunTimeoutError, UpstreamTaskError
from orchestration.domain.states import Completed, Crashed, Failed, State, TimedOut, states_in
from orchestration.sdk.awaiting import at_once
from orchestration.sdk.interrupts import Terminated
from orchestration.sdk.redaction import redact
from orchestration.sdk.upstream import replaced, state_of

TASK_RAISED = "Task run encountered an exception"
FLOW_RAISED = "Flow run encountered an exception:"
_CRASHES: dict[type[BaseException], str] = {
    KeyboardInterrupt: "Execution was aborted by an interrupt signal.",
    Terminated: "Execution was aborted by a termination signal.",
    SystemExit: "Execution was aborted by Python system exit call.",
    asyncio.CancelledError: "Execution was cancelled by the runtime environment.",
}


def state_of_value(value: Any) -> State:
    """The state that a returned value asks for.

    A state that the user made is taken as it is. States and futures of runs, alone or in a list, are
    counted: the run completed if all of them did. Anything else is the result of a completed run.
    """
    value = replaced(value, state_of)
    if isinstance(value, State) and value.details.task_run_id is None and value.details.flow_run_id is None:
        return value
    states = states_in(value)
    if not states:
        return Completed(data=value)
    unfinished = sum(not state.is_final() for state in states)
    if unfinished:
        return Failed(f"{unfinished}/{len(states)} states are not final.", data=value)
    failed = sum(not state.is_completed() for state in states)
    if failed:
        return Failed(f"{failed}/{len(states)} states failed.", data=value)
    return Completed("All states completed.", data=value)


def answer(state: State, return_state: bool) -> Any:
    """What a call of a flow or task gives: the last state, or the value; raises what was raised.

    Raises:
        UpstreamTaskError: the run could not start.
    """
    if return_state:
        return state
    if state.is_pending():
        raise UpstreamTaskError(state.message or "The run did not start.")
    return state.outcome()


def answered(live: Callable[[], Coroutine[Any, Any, State]], is_async: bool, return_state: bool) -> Any:
    """What a call of a flow or task gives once its run has lived; a call of an async one is to be awaited."""
    if not is_async:
        return answer(at_once(live()), return_state)

    async def later() -> Any:
        return answer(await live(), return_state)

    return later()


def state_of_error(error: BaseException, subject: str) -> State:
    """The state of a run whose code raised, or that was ended from outside; ``subject`` begins its message."""
    if not isinstance(error, Exception):
        return state_of_crash(error)
    if isinstance(error, RunTimeoutError):
        return TimedOut(str(error), data=error)
    return Failed(redact(f"{subject} {type(error).__name__}: {error}"), data=error)


def state_of_crash(error: BaseException) -> State:
    """The state of a run that something other than an exception of its code has ended."""
    unexpected = f"Execution was interrupted by an unexpected exception: {type(error).__name__}: {error}"
    text = next((text for kind, text in _CRASHES.items() if isinstance(error, kind)), unexpected)
    return Crashed(redact(text), data=error)
