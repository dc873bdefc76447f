"""Where submitted tasks run: threads of this process, or processes of their own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Protocol, Self

from orchestration.domain.errors import UsageError
from orchestration.sdk.awaiting import THREAD

# Threads of a pool unless told otherwise: enough for tasks that wait for a network, few enough to compute.
MOST_THREADS = 64

# How long a pool looks on before it decides whether more threads would help.
LOOK_SECONDS = 0.005

# Looks in a row in which no task ends, after which more threads start even if the processor is busy.
QUIET_LOOKS = 4


class Submitted(Protocol):
    """A task run on its way through a runner."""

    # The ``TaskExecution``, for runners that live it elsewhere.
    run: Any

    def live(self) -> None:
        """Run the task to its end in the calling thread, then tell all who wait; never raises."""

    def done(self) -> None:
        """Tell all who wait that the run has ended."""


class TaskRunner(Protocol):
    """Lets submitted task runs live."""

    def submit(self, submission: Submitted) -> None:
        """Let a submission live when there is room."""

    def stop(self) -> None:
        """Let go of threads and processes; all runs have ended, or the flow run is being abandoned."""

    def duplicate(self) -> Self:
        """A fresh runner of the same kind, for another flow run."""


class ThreadPoolTaskRunner:
    """Tasks in threads of this process: right for work that waits, and for libraries that compute outside Python.

    One thread starts as jobs come. More of them would only fight over the interpreter's lock while tasks compute
    in Python, so they start when jobs go on waiting although the processor is idle or no task ends.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        self._max_workers = checked_workers(max_workers)
        self._most = max_workers or MOST_THREADS
        self._queue: SimpleQueue[Submitted | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._lent = self._jobs = self._ended = 0
        self._growing = self._stopped = False

    def submit(self, submission: Submitted) -> None:
        """Queue a submission; a new thread starts when none is free and the pool is not full."""
        with self._lock:
            self._jobs += 1
        self._queue.put(submission)
        self._add_thread()

    def stop(self) -> None:
        """Let the threads end."""
        with self._lock:
            self._stopped = True
            threads = self._threads
        for _ in range(threads):
            self._queue.put(None)

    def duplicate(self) -> Self:
        """A fresh pool with the same limit."""
        return type(self)(self._max_workers)

    def _add_thread(self) -> None:
        """Start a thread if a job waits: the first one works, the next finds out whether further workers would help.

        A second worker beside a busy main thread already doubles what a short task costs.
        """
        with self._lock:
            has_room = self._room() > 0
            starts_worker = has_room and self._threads <= self._lent
            starts_grower = has_room and not (starts_worker or self._growing)
            self._threads += starts_worker
            self._growing |= starts_grower
        if starts_worker or starts_grower:
            self._start(self._work if starts_worker else self._grow)

    def _room(self) -> int:
        """How many more threads there may be, and have a job."""
        return 0 if self._stopped else min(self._most + self._lent, self._jobs) - self._threads

    def _start(self, target: Callable[[], None]) -> None:
        threading.Thread(target=target, name="orchestration-task", daemon=True).start()

    def _grow(self) -> None:
        """Add half as many threads again at each look that finds jobs waiting in vain; end when none waits."""
        quiet_looks = 0
        while True:
            ended, computed, began = self._ended, time.process_time(), time.monotonic()
            time.sleep(LOOK_SECONDS)
            is_idle = time.process_time() - computed < (time.monotonic() - began) / 4
            quiet_looks = 0 if self._ended != ended else quiet_looks + 1
            with self._lock:
                room = self._room()
                self._growing = room > 0
                if not self._growing:
                    return
                more = min(room, self._threads // 2 + 1) if is_idle or quiet_looks >= QUIET_LOOKS else 0
                self._threads += more
            for _ in range(more):
                self._start(self._work)

    def _work(self) -> None:
        THREAD.lent = self._while_waiting
        while (submission := self._queue.get()) is not None:
            submission.live()
            del submission  # the task's arguments must not live until the next task comes
            if not self._is_needed_further():
                return

    def _is_needed_further(self) -> bool:
        """Whether a thread that has done its job is to wait for another, not to end."""
        with self._lock:
            self._jobs -= 1
            self._ended += 1
            if self._threads <= self._most + self._lent:
                return True
            self._threads -= 1
            return False

    @contextmanager
    def _while_waiting(self) -> Iterator[None]:
        """A thread that waits for another task lends its place, so that waiting tasks cannot fill the pool for ever."""
        with self._lock:
            self._lent += 1
        self._add_thread()
        try:
            yield
        finally:
            with self._lock:
                self._lent -= 1


def checked_workers(max_workers: int | None) -> int | None:
    """The number of workers that somebody asked for.

    Raises:
        UsageError: it is less than one.
    """
    if max_workers is not None and max_workers < 1:
        raise UsageError(f"max_workers is {max_workers}; use 1 or more.")
    return max_workers
