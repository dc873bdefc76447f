"""What surrounds running code: the runs that it is a part of, as plain data, and the one open store of the process.

``test_harness`` puts an isolated store in its place for tests of user code.

Flows know this module as ``runtime``: ``runtime.flow_run``, ``runtime.task_run`` and ``runtime.deployment`` say what
the current run is called and was given. Outside a run everything is ``None`` or empty, so that code which asks can be
tried anywhere.
"""

from __future__ import annotations

import atexit
import os
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, cast
from uuid import UUID

from orchestration.backend import connect, port, surroundings
from orchestration.backend.clock import utc_now
from orchestration.backend.recorder import Recorder
from orchestration.domain.schemas import runs
from orchestration.domain.settings import Settings, read_settings
from orchestration.sdk import futures, results, runners

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """What a run needs of its surroundings."""

    settings: Settings
    backend: port.Backend
    recorder: Recorder

    def close(self) -> None:
        """Write what is left and release the store."""
        with closing(self.backend):
            self.recorder.close()


_lock = threading.RLock()
_current: Session | None = None


def current_session() -> Session:
    """The session of this process; opened from the environment when there is none."""
    global _current  # noqa: PLW0603 - one session a process is the point
    with _lock:
        if _current is None:
            _current = open_session(surroundings.current_settings())
            atexit.register(close_session)
        return _current


def open_session(settings: Settings) -> Session:
    """A session of its own, for these settings."""
    backend = connect.open_backend(settings, results.StoredValue.from_document)
    return Session(settings, backend, Recorder(backend.record, is_far=settings.api_url is not None))


def swap_session(session: Session | None) -> Session | None:
    """Make ``session`` the one of this process; the one before it, still open."""
    global _current
    with _lock:
        before, _current = _current, session
        return before


def _forget_session() -> None:
    """In a forked child, leave the parent's store to the parent: its connection and unwritten rows are not ours."""
    global _current, _lock
    _current, _lock = None, threading.RLock()  # another thread, which is not here, may have held the lock


os.register_at_fork(after_in_child=_forget_session)


def close_session() -> None:
    """Close the session of this process, if it has one."""
    before = swap_session(None)
    if before is not None:
        before.close()


@contextmanager
def test_harness() -> Iterator[Session]:
    """Let all runs inside the block go to a store of their own, in a temporary folder that ends with it."""
    with tempfile.TemporaryDirectory(prefix="orchestration-test-", ignore_cleanup_errors=True) as folder:
        settings = replace(read_settings(os.environ, Path(folder)), home=Path(folder), api_url=None, database_url=None)
        session = open_session(settings)
        before = swap_session(session)
        try:
            yield session
        finally:
            swap_session(before)
            session.close()


test_harness.__test__ = False  # type: ignore[attr-defined]  # its name is no test's


class ResultOptions(NamedTuple):
    """What a run says of results, and its tasks follow unless they say otherwise."""

    persist: bool
    storage: Any = None
    serializer: Any = None

    def store(self, settings: Settings, in_memory: bool, lock_manager: Any = None) -> results.ResultStore:
        """Where results go that these options speak of, and whether they stay in memory as well."""
        storage = results.storage_of(self.storage, settings.storage_path)
        return results.ResultStore(storage, results.serializer_of(self.serializer), lock_manager, in_memory)


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


def result_options(decorated: Any, outer: FlowRunContext | None, settings: Settings, asks: Any = None) -> ResultOptions:
    """What a flow or task says of results, or else the flow around it, or else the settings.

    A storage or serializer of its own asks for keeping results; ``asks`` is what else does.
    """
    storage, serializer, persist = decorated.result_storage, decorated.result_serializer, decorated.persist_result
    around = outer.results if outer is not None else ResultOptions(settings.persist_results)
    if persist is None:
        persist = bool(asks or storage or serializer or around.persist)
    return ResultOptions(persist, storage or around.storage, serializer or around.serializer)


@dataclass(slots=True)
class TaskRunContext:
    """The task run that surrounds the running code."""

    record: runs.TaskRun
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


def current_run() -> runs.FlowRun | runs.TaskRun | None:
    """The innermost run around the running code."""
    task, flow = TASK_RUN.get(), FLOW_RUN.get()
    return task.record if task is not None else flow.run if flow is not None else None


# -- runtime -----------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class _Fact(Generic[T]):
    """An attribute that looks at the current run; outside a run it makes up ``outside``."""

    current: ContextVar[Any]
    tell: Callable[[Any], T]
    outside: Callable[[], Any] = lambda: None

    def __get__(self, facts: object, owner: type) -> T:
        context = self.current.get()
        return cast("T", self.outside() if context is None else self.tell(context))


class _FlowRunFacts:
    """Facts of the current flow run."""

    # The id of the run.
    id: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: str(flow.run.id))
    # The name of the run.
    name: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: flow.run.name)
    # The tags of the run.
    tags: _Fact[list[str]] = _Fact(FLOW_RUN, lambda flow: list(flow.run.tags), list)
    # The name of the run's flow.
    flow_name: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: flow.run.flow_name)
    # The version of the run's flow.
    flow_version: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: flow.run.flow_version)
    # How often the run has started.
    run_count: _Fact[int] = _Fact(FLOW_RUN, lambda flow: flow.run.run_count, int)
    # When the run was to start (UTC); outside a run, now.
    scheduled_start_time: _Fact[datetime] = _Fact(FLOW_RUN, lambda it: it.run.expected_start_time or utc_now(), utc_now)
    # The parameters of the run.
    parameters: _Fact[dict[str, Any]] = _Fact(FLOW_RUN, lambda flow: dict(flow.parameters), dict)
    # The id of the flow run that this one is a part of.
    parent_flow_run_id: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: _id(_around(flow)[1:2]))
    # The id of the deployment that the flow run around this one comes from.
    parent_deployment_id: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: _id(_around(flow)[1:2], "deployment_id"))
    # The id of the outermost flow run that this one is a part of.
    root_flow_run_id: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: _id(_around(flow)[-1:]))
    # Where a server's interface has the run; ``None`` without a server.
    api_url: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: _url(flow.session, "{api}/flow_runs", flow.run.id))
    # The page of the run; ``None`` without a server.
    ui_url: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: _url(flow.session, "{ui}/flow-run", flow.run.id))


class _TaskRunFacts:
    """Facts of the current task run."""

    # The id of the run.
    id: _Fact[str | None] = _Fact(TASK_RUN, lambda task: str(task.record.id))
    # The name of the run.
    name: _Fact[str | None] = _Fact(TASK_RUN, lambda task: task.record.name)
    # The name of the run's task.
    task_name: _Fact[str | None] = _Fact(TASK_RUN, lambda task: task.task_name)
    # The tags of the run.
    tags: _Fact[list[str]] = _Fact(TASK_RUN, lambda task: list(task.record.tags), list)
    # How often the run has started.
    run_count: _Fact[int] = _Fact(TASK_RUN, lambda task: task.record.run_count, int)
    # The arguments of the run.
    parameters: _Fact[dict[str, Any]] = _Fact(TASK_RUN, lambda task: dict(task.parameters), dict)
    # Where a server's interface has the run; ``None`` without a server.
    api_url: _Fact[str | None] = _Fact(TASK_RUN, lambda task: _url(task.session, "{api}/task_runs", task.record.id))
    # The page of the run; ``None`` without a server.
    ui_url: _Fact[str | None] = _Fact(TASK_RUN, lambda task: _url(task.session, "{ui}/task-run", task.record.id))


class _DeploymentFacts:
    """Facts of the deployment that the current flow run comes from."""

    # The id of the deployment that the current flow run comes from.
    id: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: _id([flow.run], "deployment_id"))
    # The id of the flow run.
    flow_run_id: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: str(flow.run.id))
    # The parameters that the flow run was created with.
    parameters: _Fact[dict[str, Any]] = _Fact(FLOW_RUN, lambda flow: dict(flow.run.parameters), dict)


def _id(lineage: list[runs.FlowRun], name: str = "id") -> str | None:
    """An id of the first run, if there is a run and it has one."""
    found = getattr(lineage[0], name) if lineage else None
    return str(found) if found else None


def _around(flow: FlowRunContext) -> list[runs.FlowRun]:
    """A flow run, and those around it if it is a subflow's, innermost first."""
    lineage, backend = [flow.run], flow.session.backend
    flow.session.recorder.flush()
    while lineage[-1].parent_task_run_id is not None:
        parent_id = backend.task_run(lineage[-1].parent_task_run_id).flow_run_id
        if parent_id is None:
            break
        lineage.append(backend.flow_run(parent_id))
    return lineage


def _url(session: Session, form: str, run_id: UUID) -> str | None:
    """Where a server has a run; ``None`` without a server."""
    api = (session.settings.api_url or "").rstrip("/")
    return f"{form.format(api=api, ui=api.removesuffix('/api') + '/runs')}/{run_id}" if api else None


flow_run = _FlowRunFacts()
task_run = _TaskRunFacts()
deployment = _DeploymentFacts()
