"""The write-behind for task runs and logs: bounded, in batches, each written whole and acknowledged.

Rows are written by whoever produces them, 500 at a time, because a writing thread beside a busy main
thread would wait for the interpreter at every row. A timer writes what is left lying for a quarter of a
second, so that pages are live and ``kill -9`` loses at most that much. To a server, which is far and works
by itself meanwhile, the timer's thread sends all, and producers wait for it only when it falls behind.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from uuid import UUID
from weakref import WeakSet

from orchestration.domain.schemas.runs import Batch, LogRow, TaskRun, TaskRunChange
from orchestration.domain.states import State
from orchestration.persistence.database import STANDS

FLUSH_ROWS = 500
FLUSH_SECONDS = 0.25
# Rows at which a producer waits for the thread that is writing, so that memory stays bounded.
WAIT_ROWS = 5_000
# Rows kept for a store that does not answer; beyond, the error of writing them reaches the producer.
GIVE_UP_ROWS = 100_000


class Recorder:
    """Collects task-run states and log lines, and hands them to ``write`` in batches.

    What is written to ``is_far`` when another machine does the work.
    """

    def __init__(self, write: Callable[[Batch], None], is_far: bool = False) -> None:
        self._write, self._is_far = write, is_far
        self._start_afresh()
        _recorders.add(self)

    def _start_afresh(self) -> None:
        """Hold nothing: at the start, and in a forked child, whose parent writes what it held."""
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._changed: dict[UUID, TaskRun] = {}
        self._logs: list[LogRow] = []
        self._rows = 0
        self._press_at = FLUSH_ROWS
        self._wake = threading.Event()
        self._timer: threading.Thread | None = None
        self._closed = False

    def note(self, record: TaskRun, state: State | None = None) -> None:
        """Take a task run that was just born, or give one its next state."""
        with self._lock:
            if state is not None:
                record.state = state
                record.new_states = [*(record.new_states or ()), state]
            self._changed[record.id] = record
            self._rows += 1
        self._press()

    def log(self, row: LogRow, urgent: bool = False) -> None:
        """Take a log line; an urgent one is written at once by the timer."""
        with self._lock:
            self._logs.append(row)
            self._rows += 1
        self._press()
        if urgent:
            self._wake.set()

    def flush(self) -> None:
        """Write all that was taken before this call; what cannot be written is kept for the next time."""
        with self._flushing:
            self._write_out()

    def close(self) -> None:
        """Write what is left and stop the timer."""
        self._closed = True
        self._wake.set()
        if self._timer is not None:
            self._timer.join()
        self.flush()

    def _press(self) -> None:
        """Write if there is enough to write, unless another thread is at it and has not fallen far behind."""
        if self._timer is None:
            self._start_timer()
        if self._rows < self._press_at:
            return
        if self._is_far and self._rows < WAIT_ROWS:
            self._wake.set()
        elif self._flushing.acquire(blocking=self._rows >= WAIT_ROWS):
            try:
                self._write_out()
            except Exception:
                if self._rows >= GIVE_UP_ROWS:
                    raise
            finally:
                self._flushing.release()

    def _write_out(self) -> None:
        batch = self._take()
        if batch is None:
            return
        try:
            self._write(batch)
        except BaseException as error:
            if STANDS not in getattr(error, "__notes__", ()):
                self._put_back(batch)
            raise
        self._press_at = FLUSH_ROWS

    def _take(self) -> Batch | None:
        with self._lock:
            changed, self._changed = self._changed.values(), {}
            logs, self._logs = self._logs, []
            self._rows = 0
            task_runs = [TaskRunChange(record, record.new_states or (), record.is_new) for record in changed]
            for record in changed:
                record.new_states = None
                record.is_new = False
        return Batch(task_runs, logs) if task_runs or logs else None

    def _put_back(self, batch: Batch) -> None:
        """Keep what could not be written; producers try again when it has doubled, or each try would cost more."""
        with self._lock:
            for record, states, is_new in batch.task_runs:
                record.new_states = [*states, *(record.new_states or ())]
                record.is_new = is_new
            self._changed = {**{change.record.id: change.record for change in batch.task_runs}, **self._changed}
            self._logs[:0] = batch.logs
            self._rows += len(batch.logs) + sum(len(change.states) + change.is_new for change in batch.task_runs)
            self._press_at = max(FLUSH_ROWS, min(2 * self._rows, GIVE_UP_ROWS))

    def _start_timer(self) -> None:
        with self._lock:
            if self._timer is None:
                timer = threading.Thread(target=self._run, name="orchestration-recorder", daemon=True)
                timer.start()
                self._timer = timer

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(FLUSH_SECONDS)
            self._wake.clear()
            try:
                self.flush()
            except Exception:  # noqa: S112 - the rows are kept; the next flush, or the last, reports the error
                continue


_recorders: WeakSet[Recorder] = WeakSet()


def _leave_to_parent() -> None:
    for recorder in _recorders:
        recorder._start_afresh()


os.register_at_fork(after_in_child=_leave_to_parent)
