"""The user's functions that are told of a run's states; what they raise is logged and changes nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

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


class Told(Protocol):
    """A flow run or task run whose states hooks are told of."""

    record: Any

    @property
    def decorated(self) -> Any:
        """The flow or task."""

    @property
    def logger(self) -> RunLogger:
        """A logger whose lines belong to the run."""


def hooks_for(decorated: Any, state: State) -> Sequence[Callable[..., Any]]:
    """The hooks of a flow or task that want to know of this state."""
    attribute = _ATTRIBUTE_BY_TYPE.get(state.type)
    return getattr(decorated, attribute, ()) if attribute is not None else ()


def run_hooks(run: Told, state: State) -> None:
    """Call the hooks for a state one after another; async ones on an event loop of their own."""
    for hook in hooks_for(run.decorated, state):
        with _told(hook, state, run.logger):
            answer = hook(run.decorated, run.record, state)
            if inspect.isawaitable(answer):
                finish(answer)


async def arun_hooks(run: Told, state: State) -> None:
    """Call the hooks for a state one after another, awaiting async ones."""
    for hook in hooks_for(run.decorated, state):
        with _told(hook, state, run.logger):
            answer = hook(run.decorated, run.record, state)
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
