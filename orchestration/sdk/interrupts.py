"""What stops running code from outside: a time limit that is over, and a termination signal."""

import ctypes
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import copy_context
from types import FrameType
from typing import Any

from orchestration.domain.errors import RunTimeoutError
from orchestration.sdk.awaiting import THREAD

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
