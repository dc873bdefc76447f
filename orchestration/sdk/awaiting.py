"""One name for sync and async callers: the value in sync code, an awaitable in async code.

What stops running code from outside: a time limit that is over, and a termination signal.
"""

import asyncio
import ctypes
import inspect
import signal
import threading
import time
from asyncio import _get_running_loop
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import copy_context
from functools import partial, wraps
from types import FrameType
from typing import Any, ParamSpec, TypeVar, cast

from orchestration.domain.errors import RunTimeoutError
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


EXIT_CODE = 128 + signal.SIGTERM


class Terminated(SystemExit):
    """The exit of a program that was sent SIGTERM."""


@contextmanager
def termination_as_exit(is_outermost: bool) -> Iterator[None]:
    """Turn SIGTERM into ``Terminated`` while the outermost flow of the main thread runs.

    A handler that the program has set stays in force.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if not (is_outermost and in_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL):
        yield
        return

    def stop(_signum: int, _frame: FrameType | None) -> None:
        raise Terminated(EXIT_CODE)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class _Expired(BaseException):
    """Raised inside code whose time is up; no ``except Exception`` of that code can swallow it."""


def call_within(seconds: float, call: Callable[[], Any]) -> Any:
    """What ``call`` returns, if it does so in time.

    In the main thread an alarm interrupts it, even in a system call. In other threads it runs in a
    thread of its own, which is left behind at once and stopped at its next Python instruction.

    Raises:
        RunTimeoutError: the time was up.
    """
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        return _with_alarm(seconds, call)
    return _in_thread(seconds, call)


def _with_alarm(seconds: float, call: Callable[[], Any]) -> Any:
    around = signal.getitimer(signal.ITIMER_REAL)[0]
    if 0 < around <= seconds:
        return call()  # the limit around this one strikes first
    started = time.monotonic()
    expired = _Expired()

    def stop(_signum: int, _frame: FrameType | None) -> None:
        raise expired

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
    try:
        return call()
    except _Expired as caught:
        if caught is not expired:
            raise
        raise time_is_up(seconds) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if around:
            signal.setitimer(signal.ITIMER_REAL, max(around - (time.monotonic() - started), 1e-6))


def _in_thread(seconds: float, call: Callable[[], Any]) -> Any:
    way, answer = THREAD.lent, Future[Any]()

    def work() -> None:
        THREAD.lent = way  # the waiting thread's place in its pool, which is as good as ours
        try:
            answer.set_result(call())
        except BaseException as error:  # carried over to the waiting thread
            answer.set_exception(error)

    thread = threading.Thread(target=copy_context().run, args=(work,), name="orchestration-timed", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        thread_id = ctypes.c_ulong(thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(thread_id, ctypes.py_object(_Expired))
        raise time_is_up(seconds)
    return answer.result()


def time_is_up(seconds: float) -> RunTimeoutError:
    """What is raised when code took longer than it may."""
    return RunTimeoutError(f"The time limit of {seconds:g} second(s) was exceeded.")
