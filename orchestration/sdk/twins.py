"""Methods for sync and async callers alike, written once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from orchestration.sdk.awaiting import dispatch, in_thread
from orchestration.sdk.tasks import Task

P = ParamSpec("P")
R = TypeVar("R")


def either(function: Callable[P, R]) -> Callable[P, R]:
    """The function for both kinds of callers: its value in sync code, an awaitable of it in async code."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Any:
        return dispatch(function, *args, **kwargs)

    return call


class EitherTask(Task[P, R]):
    """A task for both kinds of callers; in async code it runs once in a worker thread, awaited or not."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task here and now; its result, or in async code an awaitable of it."""
        return dispatch(super().__call__, *args, **kwargs)


def awaited(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The async twin of a function, such as ``aread_path`` of ``read_path``."""
    plain = inspect.unwrap(function)

    @wraps(plain)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return await in_thread(plain, *args, **kwargs)

    call.__name__ = f"a{plain.__name__}"
    call.__doc__ = f"The async twin of ``{plain.__name__}``."
    return call
