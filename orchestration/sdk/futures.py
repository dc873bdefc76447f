"""Futures of task runs that were submitted: wait for them, ask for their results, pass them on.

Also what a run depends on: futures and states among its arguments, marked or not, and values of other runs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import is_
from queue import Empty, SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID
from weakref import ref

from orchestration.domain.errors import UpstreamTaskError
from orchestration.domain.schemas.runs import TaskRun
from orchestration.domain.states import State
from orchestration.sdk.awaiting import THREAD, awaited

R = TypeVar("R")
# Guards the waiters of all futures: a lock each would be most of a future's memory.
_lock = threading.Lock()


class TaskFuture(Generic[R]):
    """The outcome, sooner or later, of one submitted task run."""

    __slots__ = ("_callbacks", "record")

    def __init__(self, record: TaskRun) -> None:
        self.record = record
        # Who wants to know of the end; ``None`` after it.
        self._callbacks: tuple[Callable[[TaskFuture[R]], None], ...] | None = ()

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
        return self._callbacks is None

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the task run has ended, or for ``timeout`` seconds."""
        if self.done():
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
        if not self.done():
            raise TimeoutError(f"Task run {self.record.name!r} did not end within {timeout} seconds.")
        return self.state.outcome(raise_on_failure)

    wait_async = awaited(wait)
    aresult = result_async = awaited(result)

    def add_done_callback(self, fn: Callable[[TaskFuture[R]], None]) -> None:
        """Call ``fn`` with this future once it is done; at once when it is."""
        with _lock:
            if self._callbacks is not None:
                self._callbacks += (fn,)
                return
        self._tell(fn)

    def finish(self) -> None:
        """Note that the task run will change no more; for the engine."""
        with _lock:
            callbacks, self._callbacks = self._callbacks, None
        for fn in callbacks or ():
            self._tell(fn)

    def _tell(self, fn: Callable[[TaskFuture[R]], None]) -> None:
        """Call a callback; one that raises must keep neither the others nor the flow run waiting."""
        try:
            fn(self)
        except Exception:
            logging.getLogger("orchestration").exception("A callback of %r failed.", self)

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


Leaf = TaskFuture[Any] | State
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Mark(Generic[T]):
    """An argument, and what the engine is to know of it."""

    value: T


class unmapped(Mark[T]):
    """An argument of ``map`` that every call gets as a whole."""


class allow_failure(Mark[T]):
    """An upstream task run that may fail; its exception is then the argument."""


class Produced(dict[int, tuple[ref[Any], UUID]]):
    """Which task run made a value, by the value's ``id``, so that the run's graph can show who used it.

    Values are remembered by weak reference: nothing is kept alive, and numbers and texts, which many
    runs return alike, are left out.
    """

    def remember(self, value: Any, task_run_id: UUID) -> None:
        """Note that a task run returned this value."""
        key = id(value)
        try:
            self[key] = (ref(value, lambda _: self.pop(key, None)), task_run_id)
        except TypeError:
            return

    def maker(self, value: Any) -> UUID | None:
        """The task run that returned this very value, if one did."""
        made, task_run_id = self.get(id(value), (None, None))
        return task_run_id if made is not None and made() is value else None


def find(value: Any, failure_allowed: bool = False) -> Iterator[tuple[Leaf, bool]]:
    """The futures and states in a value: itself, or within marks, lists, tuples, sets and mappings.

    With each comes whether its failure is allowed.
    """
    if isinstance(value, TaskFuture | State):
        yield value, failure_allowed
    elif isinstance(value, Mark):
        yield from find(value.value, failure_allowed or isinstance(value, allow_failure))
    elif isinstance(value, list | tuple | set | frozenset | dict):
        for item in value.values() if isinstance(value, dict) else value:
            if not isinstance(item, str | int | float):
                yield from find(item, failure_allowed)


def replaced(value: Any, leaf: Callable[[Leaf], Any]) -> Any:
    """The value with each future and state in it exchanged; the very same object when it has none."""
    if isinstance(value, TaskFuture | State):
        return leaf(value)
    if isinstance(value, Mark):
        return replaced(value.value, leaf)
    if not isinstance(value, list | tuple | set | frozenset | dict):
        return value
    items = list(value.values() if isinstance(value, dict) else value)
    changed = [item if isinstance(item, str | int | float) else replaced(item, leaf) for item in items]
    if all(map(is_, items, changed)):
        return value
    if isinstance(value, dict):
        return dict(zip(value, changed, strict=True))
    kind: Any = type(value)
    return kind(*changed) if hasattr(value, "_fields") else kind(changed)


def state_of(leaf: Leaf) -> State:
    """A state itself, or that in which a future's run has ended."""
    if isinstance(leaf, State):
        return leaf
    leaf.wait()
    return leaf.state


def check(found: Iterable[tuple[Leaf, bool]]) -> None:
    """Wait for all that was found, and refuse to go on when something that must have completed has not.

    Raises:
        UpstreamTaskError: naming the run.
    """
    for leaf, failure_allowed in found:
        state = state_of(leaf)
        if not state.is_completed() and not (failure_allowed and state.is_final()):
            raise UpstreamTaskError(f"Upstream task run '{_run_id(leaf)}' did not reach a 'COMPLETED' state.")


def resolved(parameters: Mapping[str, Any], wait_for: Iterable[Any]) -> dict[str, Any]:
    """The parameters with results in the place of futures and states, once all of them have ended.

    Raises:
        UpstreamTaskError: one of them did not complete.
    """
    check([*find(dict(parameters)), *find(list(wait_for))])
    return {name: replaced(value, value_of) for name, value in parameters.items()}


def value_of(leaf: Leaf) -> Any:
    """The result of an ended run, or the exception it ended with."""
    return state_of(leaf).outcome(raise_on_failure=False)


def task_inputs(parameters: Mapping[str, Any], wait_for: Iterable[Any], produced: Produced) -> dict[str, Any]:
    """By argument, the task runs whose results it has; in the form that a task run's document shows."""
    inputs = {}
    for name, value in (*parameters.items(), ("wait_for", list(wait_for))):
        found = [_run_id(leaf) for leaf, _ in find(value)] + [produced.maker(value)]
        runs = [{"input_type": "task_run", "id": str(run_id)} for run_id in found if run_id is not None]
        if runs:
            inputs[name] = runs
    return inputs


def _run_id(leaf: Leaf) -> UUID | None:
    return leaf.details.task_run_id if isinstance(leaf, State) else leaf.task_run_id
