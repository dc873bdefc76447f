"""The user's functions that are told of a run's states; what they raise is logged and changes nothing."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from orchestration.domain.states import State, StateType
from orchestration.sdk.awaiting import finish
from orchestration.sdk.logs import RunLogger

_ATTRIBUTE_BY_TYPE = {
    StateType.RUNNING: "on_running_hooks",
    StateType.COMPLETED: "on_completion_hooks",
    StateType.FAILED: "on_failure_hooks",
    StateType.CANCELLED: "on_cancellation_hooks",
    StateType.CANCELLING: "on_cancellation_hooks",
    StateType.CRASHED: "on_crashed_hooks",
}

Subject = tuple[Any, Any]
"""The flow and its flow run, or the task and its task run."""


def hooks_for(decorated: Any, state: State) -> Sequence[Callable[..., Any]]:
    """The hooks of a flow or task that want to know of this state."""
    attribute = _ATTRIBUTE_BY_TYPE.get(state.type)
    return getattr(decorated, attribute, ()) if attribute is not None else ()


def run_hooks(hooks: Sequence[Callable[..., Any]], subject: Subject, state: State, logger: RunLogger) -> None:
    """Call hooks one after another; async ones on an event loop of their own."""
    for _ in _each(hooks, subject, state, logger, finish):
        continue


async def arun_hooks(hooks: Sequence[Callable[..., Any]], subject: Subject, state: State, logger: RunLogger) -> None:
    """Call hooks one after another, awaiting async ones."""
    for awaitable in _each(hooks, subject, state, logger, None):
        try:
            await awaitable
        except Exception:
            logger.exception("An async hook failed after the run entered state %r.", state.name)


def _each(
    hooks: Sequence[Callable[..., Any]],
    subject: Subject,
    state: State,
    logger: RunLogger,
    perform: Callable[[Awaitable[Any]], Any] | None,
) -> Iterator[Awaitable[Any]]:
    """Call each hook; awaitables that hooks return are performed here, or yielded to whoever can await them."""
    for hook in hooks:
        name = getattr(hook, "__name__", repr(hook))
        logger.info("Running hook %r in response to entering state %r", name, state.name)
        try:
            answer = hook(*subject, state)
            if inspect.isawaitable(answer):
                if perform is None:
                    yield answer
                else:
                    perform(answer)
        except Exception:
            logger.exception("An error was encountered while running hook %r", name)
        else:
            logger.info("Hook %r finished running successfully", name)
