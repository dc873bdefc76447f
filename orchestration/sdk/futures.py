"""Futures of task runs that were submitted: wait for them, ask for their results, pass them on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from orchestration.domain.schemas.runs import TaskRunRecord
from orchestration.domain.states import State
from orchestration.sdk.awaiting import THREAD, in_thread

R = TypeVar("R")
_logger = logging.getLogger("orchestration")
# Guards the waiters of all futures: a lock each would be most of a future's memory.
_lock = threading.Lock()


class TaskFuture(Generic[R]):
    """The outcome, sooner or later, of one submitted task run."""

    __slots__ = ("_callbacks", "_done", "record")

    def __init__(self, record: TaskRunRecord) -> None:
        self.record = record
        self._done = False
        self._callbacks: list[Callable[[TaskFuture[R]], None]] | None = None

    @property
    def task_run_id(self) -> UUID:
        """The id of the task run."""
        return self.record.id

    @property
    def state(self) -> State:
        """The state of the task run at this moment."""
        return self.record.state

    def done(self) -> bool:
        """Whether the task run will change no more."""
        return self._done

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the task run has ended, or for ``timeout`` seconds."""
        if self._done:
            return
        event = threading.Event()
        self.add_done_callback(lambda _: event.set())
        with THREAD.lent():
            event.wait(timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:
        """What the task returned, or the exception it ended with.

        Raises:
            TimeoutError: it has not ended within ``timeout`` seconds.
            Exception: the task's own, unless ``raise_on_failure`` is false.
        """
        self.wait(timeout)
        if not self._done:
            raise TimeoutError(f"Task run {self.record.name!r} did not end within {timeout} seconds.")
        return self.state.outcome(raise_on_failure)

    async def wait_async(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - Prefect's signature
        """Wait without holding up the event loop."""
        await in_thread(self.wait, timeout)

    async def result_async(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:  # noqa: ASYNC109
        """``result`` without holding up the event loop."""
        return await in_thread(self.result, timeout, raise_on_failure)

    aresult = result_async

    def add_done_callback(self, fn: Callable[[TaskFuture[R]], None]) -> None:
        """Call ``fn`` with this future once it is done; at once when it is."""
        with _lock:
            if not self._done:
                self._callbacks = [*(self._callbacks or ()), fn]
                return
        self._tell(fn)

    def finish(self) -> None:
        """Note that the task run will change no more; for the engine."""
        with _lock:
            self._done = True
            callbacks, self._callbacks = self._callbacks, None
        for fn in callbacks or ():
            self._tell(fn)

    def _tell(self, fn: Callable[[TaskFuture[R]], None]) -> None:
        """Call a callback; one that raises must keep neither the others nor the flow run waiting."""
        try:
            fn(self)
        except Exception:
            _logger.exception("A callback of %r failed.", self)

    def __repr__(self) -> str:
        return f"TaskFuture({self.record.name!r}, {self.state.name})"


class TaskFutureList(list[TaskFuture[R]]):
    """The futures of a ``map``."""

    def wait(self, timeout: float | None = None) -> None:
        """Wait until all have ended, or for ``timeout`` seconds in all."""
        wait(self, timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> list[Any]:
        """The results of all, in order.

        Raises:
            TimeoutError: not all have ended within ``timeout`` seconds in all.
        """
        left = _countdown(timeout)
        return [future.result(left(), raise_on_failure) for future in self]


class DoneAndNotDone(NamedTuple):
    """What ``wait`` found: futures that have ended, and futures that have not."""

    done: set[TaskFuture[Any]]
    not_done: set[TaskFuture[Any]]


def wait(futures: Iterable[TaskFuture[Any]], timeout: float | None = None) -> DoneAndNotDone:
    """Wait until all have ended, or for ``timeout`` seconds."""
    every, left = set(futures), _countdown(timeout)
    for future in every:
        future.wait(left())
    done = {future for future in every if future.done()}
    return DoneAndNotDone(done, every - done)


def as_completed(futures: Iterable[TaskFuture[Any]], timeout: float | None = None) -> Iterator[TaskFuture[Any]]:
    """The futures in the order in which they end.

    Raises:
        TimeoutError: not all have ended within ``timeout`` seconds in all.
    """
    every, left = dict.fromkeys(futures), _countdown(timeout)
    ended: SimpleQueue[TaskFuture[Any]] = SimpleQueue()
    for future in every:
        future.add_done_callback(ended.put)
    for missing in range(len(every), 0, -1):
        try:
            with THREAD.lent():
                future = ended.get(timeout=left())
        except Empty:
            raise TimeoutError(f"{missing} of {len(every)} task runs did not end in {timeout} seconds.") from None
        yield future


def _countdown(timeout: float | None) -> Callable[[], float | None]:
    """A function that tells how many seconds are left of ``timeout`` from now on; ``None`` when there is no end."""
    deadline = time.monotonic() + (timeout or 0.0)
    return lambda: None if timeout is None else max(0.0, deadline - time.monotonic())
