"""Calling the user's functions: in their time limit, with their arguments, and asking them about retries."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from orchestration.domain.retries import RetryPolicy, retry_policy
from orchestration.domain.states import State
from orchestration.sdk.awaiting import finish
from orchestration.sdk.hooks import Told
from orchestration.sdk.parameters import binder_of
from orchestration.sdk.session import Session
from orchestration.sdk.timeouts import call_within, time_is_up


def returned(decorated: Any, parameters: dict[str, Any]) -> Any:
    """What the function of a flow or task returns.

    Raises:
        RunTimeoutError: it took longer than its ``timeout_seconds``.
    """
    args, kwargs = binder_of(decorated).split(parameters)
    if decorated.timeout_seconds is None:
        return decorated.fn(*args, **kwargs)
    return call_within(decorated.timeout_seconds, lambda: decorated.fn(*args, **kwargs))


async def areturned(decorated: Any, parameters: dict[str, Any]) -> Any:
    """What the async function of a flow or task returns; the same error."""
    args, kwargs = binder_of(decorated).split(parameters)
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
