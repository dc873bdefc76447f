"""One name for sync and async callers: the value in sync code, an awaitable in async code."""

import asyncio
import inspect
import threading
from asyncio import _get_running_loop
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from functools import partial, wraps
from typing import Any, Generic, ParamSpec, TypeVar, cast

from orchestration.domain.awaitable import in_async_code

P = ParamSpec("P")
R = TypeVar("R")


class _Thread(threading.local):
    """A worker thread that waits for another task lends its place in the pool: so waiting fills no pool for ever."""

    lent: Callable[[], AbstractContextManager[None]] = nullcontext
    """Gives a context in which the thread's place is lent; threads of no pool have none to lend."""


THREAD = _Thread()
_STARTED: set[asyncio.Future[Any]] = set()
"""Work under way, held so that it is not collected before it ends; each future leaves when it is done."""


def dispatch(fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Any:
    """Do ``fn`` exactly once, whether or not the caller awaits.

    In sync code it runs at once, and its value comes back. In async code it starts at once in a worker
    thread, and an awaitable of its value comes back; a caller who forgets the ``await`` still gets the
    work done (an async flow waits for such work before it ends).
    """
    if not in_async_code():
        return fn(*args, **kwargs)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
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
    errand = Errand(partial(asyncio.run, wait()), "orchestration-await")
    errand.join()
    return errand.outcome()


class Errand(threading.Thread, Generic[R]):
    """A call in a thread of its own, in the context of whoever sent it; started at once."""

    def __init__(self, call: Callable[[], R], name: str) -> None:
        super().__init__(target=copy_context().run, args=(self._do, call), name=name, daemon=True)
        self._answer: Future[R] = Future()
        self.start()

    def _do(self, call: Callable[[], R]) -> None:
        try:
            self._answer.set_result(call())
        except BaseException as error:  # carried over to the waiting thread
            self._answer.set_exception(error)

    def outcome(self) -> R:
        """What the call returned; raises what it raised."""
        return self._answer.result()


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


async def in_thread(fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Do ``fn`` in a worker thread, so that the event loop goes on."""
    return await asyncio.to_thread(fn, *args, **kwargs)


async def settle_started() -> list[BaseException]:
    """Wait for the work that nobody awaited and that belongs to the running loop; the errors it ended with."""
    loop = asyncio.get_running_loop()
    mine = [future for future in _STARTED if future.get_loop() is loop]
    if not mine:
        return []
    done, _ = await asyncio.wait(mine)
    return [error for future in done if not future.cancelled() and (error := future.exception()) is not None]


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
