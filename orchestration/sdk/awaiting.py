"""One name for sync and async callers: the value in sync code, an awaitable in async code."""

import asyncio
import inspect
import threading
from asyncio import _get_running_loop
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar, cast

from orchestration.domain.functions import in_async_code

P = ParamSpec("P")
R = TypeVar("R")


class _Thread(threading.local):
    """A worker thread that waits for another task lends its place in the pool: so waiting fills no pool for ever."""

    # Gives a context in which the thread's place is lent; threads of no pool have none to lend.
    lent: Callable[[], AbstractContextManager[None]] = nullcontext


THREAD = _Thread()
# Work under way, held so that it is not collected before it ends; each future leaves when it is done.
_STARTED: set[asyncio.Future[Any]] = set()


# Does a call in a worker thread, so that the event loop goes on.
in_thread = asyncio.to_thread


def dispatch(fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Any:
    """Do ``fn`` exactly once, whether or not the caller awaits.

    In sync code it runs at once, and its value comes back. In async code it starts at once in a worker
    thread, and an awaitable of its value comes back; a caller who forgets the ``await`` still gets the
    work done (an async flow waits for such work before it ends).
    """
    loop = _get_running_loop() if in_async_code() else None
    if loop is None:
        return fn(*args, **kwargs)
    future = loop.run_in_executor(None, partial(copy_context().run, partial(fn, *args, **kwargs)))
    _STARTED.add(future)
    future.add_done_callback(_STARTED.discard)
    return future


def finish(awaitable: Awaitable[R]) -> R:
    """The value of an awaitable, for sync code; beside a running event loop, a thread of its own awaits it."""

    async def wait() -> R:
        return await awaitable

    if _get_running_loop() is None:
        return asyncio.run(wait())
    with ThreadPoolExecutor(1, "orchestration-await") as thread:
        return thread.submit(copy_context().run, asyncio.run, wait()).result()


def at_once(coroutine: Coroutine[Any, Any, R]) -> R:
    """The value of a coroutine that waits for nothing, such as the life of a run of sync code."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast("R", end.value)
    raise RuntimeError("Sync code waited for an event loop.")


async def aside(is_async: bool, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Do what may wait for a disk, a server or other runs: of async code in a worker thread, of sync code here."""
    return await in_thread(fn, *args, **kwargs) if is_async else fn(*args, **kwargs)


async def settle_started() -> list[BaseException]:
    """Wait for the work that nobody awaited and that belongs to the running loop; the errors it ended with."""
    loop = asyncio.get_running_loop()
    mine = [future for future in _STARTED if future.get_loop() is loop]
    if mine:
        await asyncio.wait(mine)
    return [error for future in mine if not future.cancelled() and (error := future.exception()) is not None]


def plainly(method: Callable[P, R]) -> Callable[P, R]:
    """A bound method as sync code has it, wherever it is called: for code that has no use for an awaitable."""
    plain = inspect.unwrap(method)
    return partial(plain, method.__self__) if plain is not method and inspect.ismethod(method) else plain


def either(function: Callable[P, R]) -> Callable[P, R]:
    """The function for both kinds of callers: its value in sync code, an awaitable of it in async code."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Any:
        return dispatch(function, *args, **kwargs)

    return call


def awaited(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The async twin of a function, such as ``aread_path`` of ``read_path``."""
    plain = inspect.unwrap(function)

    @wraps(plain)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return await in_thread(plain, *args, **kwargs)

    call.__name__ = f"a{plain.__name__}"
    call.__doc__ = f"The async twin of ``{plain.__name__}``."
    return call
