"""``get_client``: the store, asked from code, with Prefect's method names."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Self, TypeVar
from uuid import UUID

from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.rules import Decision
from orchestration.domain.schemas.catalog import Artifact, ConcurrencyLimit, VariableRecord, artifact_of, variable_of
from orchestration.domain.schemas.filters import PAGE, Query
from orchestration.domain.schemas.runs import FlowRun, Log, TaskRun
from orchestration.domain.schemas.wire import Document, flow_run_of, record_of, task_run_of
from orchestration.domain.states import State
from orchestration.sdk.awaiting import in_thread
from orchestration.sdk.results import StoredValue
from orchestration.sdk.session import Session
from orchestration.sdk.start import started_session

R = TypeVar("R")


class SyncClient(AbstractContextManager["SyncClient"]):
    """Reads and changes what the store holds; what this process has recorded so far is written first."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __exit__(self, *_: object) -> None:
        """Nothing to close: the store is the session's."""

    def read_flow_run(self, flow_run_id: UUID) -> FlowRun:
        """The flow run of that id; ``ObjectNotFound`` when there is none."""
        return self._backend.flow_run(flow_run_id)

    def read_flow_runs(self, flow_run_filter: Any = None, **asked: Any) -> list[FlowRun]:
        """Flow runs, newest first; filters are documents, or Prefect's filter objects, as ``flow_filter={...}``.

        ``sort``, ``limit`` and ``offset`` say which page is wanted, here and below.
        """
        return self._found("flow_runs", _FLOW_RUN, flow_run_filter=flow_run_filter, **asked)

    def read_flow_run_states(self, flow_run_id: UUID) -> list[State]:
        """All states of a flow run, oldest first."""
        return self._backend.flow_run_states(flow_run_id)

    def set_flow_run_state(self, flow_run_id: UUID, state: State, force: bool = False) -> Decision:
        """Propose a state for a flow run; the rules decide, unless ``force``."""
        return self._backend.propose_flow_run_state(flow_run_id, state, force)

    def read_task_run(self, task_run_id: UUID) -> TaskRun:
        """The task run of that id; ``ObjectNotFound`` when there is none."""
        return self._backend.task_run(task_run_id)

    def read_task_runs(self, task_run_filter: Any = None, **asked: Any) -> list[TaskRun]:
        """Task runs, oldest first."""
        return self._found("task_runs", _TASK_RUN, **{"sort": "ID_ASC", "task_run_filter": task_run_filter, **asked})

    def read_task_run_states(self, task_run_id: UUID) -> list[State]:
        """All states of a task run, oldest first."""
        return self._backend.task_run_states(task_run_id)

    def read_logs(
        self, log_filter: Any = None, limit: int = PAGE, offset: int = 0, sort: Any = "TIMESTAMP_ASC"
    ) -> list[Log]:
        """Log lines in the order in which they were logged."""
        return self._found("logs", partial(record_of, Log), sort, limit, offset, log_filter=log_filter)

    def read_artifacts(self, artifact_filter: Any = None, **asked: Any) -> list[Artifact]:
        """Artifacts, newest first."""
        return self._found("artifacts", artifact_of, artifact_filter=artifact_filter, **asked)

    def read_variable_by_name(self, name: str) -> VariableRecord | None:
        """The variable of that name."""
        try:
            return variable_of(self._backend.read("variables", name=name))
        except ObjectNotFound:
            return None

    def read_variables(self, limit: int = PAGE) -> list[VariableRecord]:
        """Variables by name."""
        return self._found("variables", variable_of, limit=limit)

    def read_global_concurrency_limits(self) -> list[ConcurrencyLimit]:
        """All concurrency limits by name, with their slots in use."""
        return self._backend.concurrency_limits()

    def upsert_global_concurrency_limit_by_name(
        self, name: str, limit: int, slot_decay_per_second: float = 0.0, active: bool = True
    ) -> None:
        """Make or change a concurrency limit."""
        new = {"name": name, "limit": limit, "slot_decay_per_second": slot_decay_per_second, "active": active}
        self._backend.create("concurrency_limits", new, overwrite=True)

    def delete_global_concurrency_limit_by_name(self, name: str) -> bool:
        """Remove a concurrency limit; whether there was one."""
        try:
            self._backend.delete("concurrency_limits", name=name)
        except ObjectNotFound:
            return False
        return True

    def _found(
        self, resource: str, record: Callable[[Document], R],
        sort: Any = None, limit: int = PAGE, offset: int = 0, **filters: Any,
    ) -> list[R]:  # fmt: skip
        where = {name.removesuffix("_filter") + "s": _document(wanted) for name, wanted in filters.items() if wanted}
        query = Query(where, sort and str(getattr(sort, "value", sort)), limit, offset)
        return [record(each) for each in self._backend.find(resource, query)]

    @property
    def _backend(self) -> Backend:
        self._session.recorder.flush()
        return self._session.backend


_FLOW_RUN = partial(flow_run_of, revive=StoredValue.from_document)
_TASK_RUN = partial(task_run_of, revive=StoredValue.from_document)


def _document(wanted: Any) -> Any:
    """A filter as a document, whether it was given as one or as an object of pydantic's."""
    return wanted.model_dump(mode="json", exclude_none=True) if hasattr(wanted, "model_dump") else wanted


class AsyncClient:
    """The same methods as ``SyncClient``, each to be awaited; the work is done in a worker thread."""

    def __init__(self, session: Session) -> None:
        self._client = SyncClient(session)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await in_thread(method, *args, **kwargs)

        call.__name__, call.__doc__ = name, method.__doc__
        return call


def get_client(sync_client: bool = False, **_: Any) -> Any:
    """A client of the store for ``async with`` blocks; with ``sync_client=True``, for ``with`` blocks."""
    session = started_session()
    return SyncClient(session) if sync_client else AsyncClient(session)
