"""Calling the user's functions: in their time limit, with their arguments, as hooks, and about retries."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from orchestration.domain.retries import RetryPolicy, retry_policy
from orchestration.domain.states import State, StateType
from orchestration.sdk.awaiting import finish
from orchestration.sdk.logs import RunLogger
from orchestration.sdk.parameters import binder_of
from orchestration.sdk.session import Session
from orchestration.sdk.timeouts import call_within, time_is_up

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


async def run_hooks(run: Told, state: State, on_loop: bool) -> None:
    """Call the hooks for a state one after another; async ones ``on_loop``, else on an event loop of their own.

    What they raise is logged and changes nothing.
    """
    for hook in hooks_for(run.decorated, state):
        name = getattr(hook, "__name__", repr(hook))
        run.logger.info("Running hook %r in response to entering state %r", name, state.name)
        try:
            answer = hook(run.decorated, run.record, state)
            if inspect.isawaitable(answer):
                _ = await answer if on_loop else finish(answer)
        except Exception:
            run.logger.exception("An error was encountered while running hook %r", name)
        else:
            run.logger.info("Hook %r finished running successfully", name)


async def returned(decorated: Any, parameters: dict[str, Any]) -> Any:
    """What the function of a flow or task returns.

    Raises:
        RunTimeoutError: it took longer than its ``timeout_seconds``.
    """
    args, kwargs = binder_of(decorated).split(parameters)
    if not decorated.isasync:
        if decorated.timeout_seconds is None:
            return decorated.fn(*args, **kwargs)
        return call_within(decorated.timeout_seconds, partial(decorated.fn, *args, **kwargs))
    limit = asyncio.timeout(decorated.timeout_seconds)
    try:
        async with limit:
            return await decorated.fn(*args, **kwargs)
    except TimeoutError:
        if not limit.expired():
            raise
        raise time_is_up(decorated.timeout_seconds) from None


def policy_of(decorated: Any, session: Session) -> RetryPolicy:
    """The retries of a flow or task, as the settings say where its decorator does not."""
    settings, kind = session.settings, decorated._kind
    retries, delay = decorated.retries, decorated.retry_delay_seconds
    if retries is None:
        retries = getattr(settings, f"{kind}_default_retries")
    if delay is None:
        delay = getattr(settings, f"{kind}_default_retry_delay_seconds")
    return retry_policy(retries, delay or None, decorated.retry_jitter_factor)


def wants_retry(run: Told, failed: State) -> bool:
    """Whether ``retry_condition_fn``, if there is one, lets a failed run start again."""
    condition: Callable[..., Any] | None = run.decorated.retry_condition_fn
    if condition is None:
        return True
    try:
        answer = condition(run.decorated, run.record, failed)
        return bool(finish(answer) if inspect.isawaitable(answer) else answer)
    except Exception:
        run.logger.exception("retry_condition_fn failed; the run is not retried.")
        return False


def tell_of_retry(run: Told, failed: State, when: str) -> None:
    """Log why a run has failed, and that it starts again."""
    kind, retries = run.decorated._kind.capitalize(), run.record.policy.retries
    message = "%s run failed with exception: %r - Retry %d/%d will start %s"
    run.logger.info(message, kind, failed.data, run.record.run_count, retries, when)
