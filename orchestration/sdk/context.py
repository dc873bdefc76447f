"""What the code of a run may know of the run: plain data in context variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Condition
from typing import TYPE_CHECKING, Any
from uuid import UUID
from weakref import ref

from orchestration.domain.schemas.recording import TaskRunRecord
from orchestration.domain.schemas.runs import FlowRun
from orchestration.sdk.session import Session

if TYPE_CHECKING:
    from orchestration.sdk.runners import TaskRunner


class Outstanding:
    """How many submitted task runs of a flow run have not ended."""

    __slots__ = ("_changed", "_count", "abandoned")

    def __init__(self) -> None:
        self._changed = Condition()
        self._count = 0
        self.abandoned = False

    def add(self) -> None:
        """One more was submitted."""
        with self._changed:
            self._count += 1

    def remove(self) -> None:
        """One has ended."""
        with self._changed:
            self._count -= 1
            if self._count == 0:
                self._changed.notify_all()

    def wait(self) -> None:
        """Wait until all have ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._count == 0)

    def abandon(self) -> None:
        """Let none start any more that has not started."""
        self.abandoned = True


class Produced:
    """Which task run made a value, so that the run's graph can show who used it.

    Values are remembered by weak reference: nothing is kept alive, and numbers and texts, which many
    runs return alike, are left out.
    """

    __slots__ = ("_makers",)

    def __init__(self) -> None:
        self._makers: dict[int, tuple[ref[Any], UUID]] = {}

    def remember(self, value: Any, task_run_id: UUID) -> None:
        """Note that a task run returned this value."""
        key = id(value)
        try:
            self._makers[key] = (ref(value, lambda _: self._makers.pop(key, None)), task_run_id)
        except TypeError:
            return

    def maker(self, value: Any) -> UUID | None:
        """The task run that returned this very value, if one did."""
        entry = self._makers.get(id(value))
        return entry[1] if entry is not None and entry[0]() is value else None

    def __bool__(self) -> bool:
        return bool(self._makers)


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """What a run says of results, and its tasks follow unless they say otherwise."""

    persist: bool | None = None
    storage: Any = None
    serializer: Any = None


@dataclass(slots=True)
class FlowRunContext:
    """The flow run that surrounds the running code."""

    run: FlowRun
    session: Session
    parameters: dict[str, Any]
    runner: TaskRunner
    results: ResultOptions
    log_prints: bool = False
    outstanding: Outstanding = field(default_factory=Outstanding)
    pauses: int = 0
    task_calls: dict[str, int] = field(default_factory=dict)
    produced: Produced = field(default_factory=Produced)

    def next_call(self, task_key: str) -> int:
        """How often a task was called in this flow run before now."""
        count = self.task_calls.get(task_key, 0)
        self.task_calls[task_key] = count + 1
        return count


@dataclass(slots=True)
class TaskRunContext:
    """The task run that surrounds the running code."""

    record: TaskRunRecord
    session: Session
    parameters: dict[str, Any]
    task_name: str
    log_prints: bool = False


FLOW_RUN: ContextVar[FlowRunContext | None] = ContextVar("FLOW_RUN", default=None)
TASK_RUN: ContextVar[TaskRunContext | None] = ContextVar("TASK_RUN", default=None)
TAGS: ContextVar[frozenset[str]] = ContextVar("TAGS", default=frozenset())


@contextmanager
def tags(*new_tags: str) -> Iterator[frozenset[str]]:
    """Tag all runs that start inside the block; tags of blocks around it stay."""
    token = TAGS.set(TAGS.get() | set(new_tags))
    try:
        yield TAGS.get()
    finally:
        TAGS.reset(token)


def flow_log_fields(run: FlowRun) -> Mapping[str, Any]:
    """The fields that a log record carries for a flow run."""
    return {"prefix": f"Flow run {run.name!r} - ", "flow_run_id": run.id, "task_run_id": None}


def task_log_fields(record: TaskRunRecord) -> Mapping[str, Any]:
    """The fields that a log record carries for a task run."""
    return {"prefix": f"Task run {record.name!r} - ", "flow_run_id": record.flow_run_id, "task_run_id": record.id}


def log_extra(flow: FlowRunContext | None, task: TaskRunContext | None) -> Mapping[str, Any]:
    """The fields that a log record carries for the innermost run."""
    if task is not None:
        return task_log_fields(task.record)
    if flow is not None:
        return flow_log_fields(flow.run)
    return {}
