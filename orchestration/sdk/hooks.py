"""The user's functions that are told of a run's states; what they raise is logged and changes nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
    for hook in hooks:
        with _told(hook, state, logger):
            answer = hook(*subject, state)
            if inspect.isawaitable(answer):
                finish(answer)


async def arun_hooks(hooks: Sequence[Callable[..., Any]], subject: Subject, state: State, logger: RunLogger) -> None:
    """Call hooks one after another, awaiting async ones."""
    for hook in hooks:
        with _told(hook, state, logger):
            answer = hook(*subject, state)
            if inspect.isawaitable(answer):
                await answer


@contextmanager
def _told(hook: Callable[..., Any], state: State, logger: RunLogger) -> Iterator[None]:
    """Log the beginning and the end of a hook; an error that it raises ends here."""
    name = getattr(hook, "__name__", repr(hook))
    logger.info("Running hook %r in response to entering state %r", name, state.name)
    try:
        yield
    except Exception:
        logger.exception("An error was encountered while running hook %r", name)
    else:
        logger.info("Hook %r finished running successfully", name)
