"""What the code of a run may know of the run: plain data in context variables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

from orchestration.domain.schemas import runs
from orchestration.domain.settings import Settings
from orchestration.sdk import futures, results, runners
from orchestration.sdk.session import Session


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """What a run says of results, and its tasks follow unless they say otherwise."""

    persist: bool | None = None
    storage: Any = None
    serializer: Any = None

    def store(self, settings: Settings, lock_manager: Any = None) -> results.ResultStore:
        """Where results go that these options speak of."""
        storage = results.storage_of(self.storage, settings.storage_path)
        return results.ResultStore(storage, results.serializer_of(self.serializer), lock_manager)


@dataclass(slots=True)
class FlowRunContext:
    """The flow run that surrounds the running code."""

    run: runs.FlowRun
    session: Session
    parameters: dict[str, Any]
    runner: runners.TaskRunner
    results: ResultOptions
    log_prints: bool = False
    # The task runs that were submitted and have not ended.
    outstanding: set[futures.TaskFuture[Any]] = field(default_factory=set)
    # Whether no task run is to start any more that has not started.
    is_ending: bool = False
    pauses: int = 0
    # By task key, the numbers that its runs get one after the other.
    task_calls: defaultdict[str, count[int]] = field(default_factory=partial(defaultdict, count))
    produced: futures.Produced = field(default_factory=futures.Produced)


@dataclass(slots=True)
class TaskRunContext:
    """The task run that surrounds the running code."""

    record: runs.TaskRunRecord
    session: Session
    parameters: dict[str, Any]
    task_name: str
    log_prints: bool = False


FLOW_RUN: ContextVar[FlowRunContext | None] = ContextVar("FLOW_RUN", default=None)
TASK_RUN: ContextVar[TaskRunContext | None] = ContextVar("TASK_RUN", default=None)
TAGS: ContextVar[frozenset[str]] = ContextVar("TAGS", default=frozenset())


class within:
    """A block in which context variables have these values."""

    __slots__ = ("_tokens", "_values")

    def __init__(self, *values: tuple[ContextVar[Any], Any]) -> None:
        self._values = values

    def __enter__(self) -> None:
        self._tokens = [variable.set(value) for variable, value in self._values]

    def __exit__(self, *_: object) -> None:
        for (variable, _value), token in zip(self._values, self._tokens, strict=True):
            variable.reset(token)


@contextmanager
def tags(*new_tags: str) -> Iterator[frozenset[str]]:
    """Tag all runs that start inside the block; tags of blocks around it stay."""
    with within((TAGS, TAGS.get() | set(new_tags))):
        yield TAGS.get()


def current_run() -> runs.FlowRun | runs.TaskRunRecord | None:
    """The innermost run around the running code."""
    task, flow = TASK_RUN.get(), FLOW_RUN.get()
    return task.record if task is not None else flow.run if flow is not None else None


def log_fields(run: runs.FlowRun | runs.TaskRunRecord | None) -> Mapping[str, Any]:
    """The fields that a log record carries for a run; none without a run."""
    if isinstance(run, runs.TaskRunRecord):
        return {"prefix": f"Task run {run.name!r} - ", "flow_run_id": run.flow_run_id, "task_run_id": run.id}
    return {"prefix": f"Flow run {run.name!r} - ", "flow_run_id": run.id, "task_run_id": None} if run else {}
