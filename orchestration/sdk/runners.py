"""Where submitted tasks run: threads of this process, or processes of their own."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Protocol

from orchestration.domain.errors import UsageError
from orchestration.sdk.lending import lend_by

MOST_THREADS = 64
"""Threads of a pool unless told otherwise: enough for tasks that wait for a network, few enough to compute."""


class Submitted(Protocol):
    """A task run on its way through a runner."""

    run: Any
    """The ``TaskExecution``, for runners that live it elsewhere."""

    def live(self) -> None:
        """Run the task to its end in the calling thread, then tell all who wait; never raises."""

    def done(self) -> None:
        """Tell all who wait that the run has ended."""


class TaskRunner(Protocol):
    """Lets submitted task runs live."""

    def start(self) -> None:
        """Get ready; called when a flow run submits its first task."""

    def submit(self, submission: Submitted) -> None:
        """Let a submission live when there is room."""

    def stop(self) -> None:
        """Let go of threads and processes; all runs have ended, or the flow run is being abandoned."""

    def duplicate(self) -> TaskRunner:
        """A fresh runner of the same kind, for another flow run."""


class ThreadPoolTaskRunner:
    """Tasks in threads of this process: right for work that waits, and for libraries that compute outside Python."""

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is not None and max_workers < 1:
            raise UsageError(f"max_workers is {max_workers}; use 1 or more.")
        self._max_workers = max_workers
        self._limit = max_workers or MOST_THREADS
        self._queue: SimpleQueue[Submitted | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._jobs = 0
        self._stopped = False

    def start(self) -> None:
        """Nothing: threads start as jobs come."""

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

    def duplicate(self) -> ThreadPoolTaskRunner:
        """A fresh pool with the same limit."""
        return ThreadPoolTaskRunner(self._max_workers)

    def _add_thread(self) -> None:
        with self._lock:
            if self._stopped or self._threads >= min(self._limit, self._jobs):
                return
            self._threads += 1
        threading.Thread(target=self._work, name="orchestration-task", daemon=True).start()

    def _work(self) -> None:
        lend_by(self._while_waiting)
        while (submission := self._queue.get()) is not None:
            submission.live()
            del submission  # the task's arguments must not live until the next task comes
            if not self._is_needed_further():
                return

    def _is_needed_further(self) -> bool:
        """Whether a thread that has done its job is to wait for another, not to end."""
        with self._lock:
            self._jobs -= 1
            if self._threads <= self._limit:
                return True
            self._threads -= 1
            return False

    @contextmanager
    def _while_waiting(self) -> Iterator[None]:
        """A thread that waits for another task lends its place, so that waiting tasks cannot fill the pool for ever."""
        with self._lock:
            self._limit += 1
        self._add_thread()
        try:
            yield
        finally:
            with self._lock:
                self._limit -= 1


def default_runner(max_workers: int | None) -> TaskRunner:
    """The runner of a flow that names none."""
    return ThreadPoolTaskRunner(max_workers)


def usable_cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
