"""``get_client``: the store, asked from code, with Prefect's method names."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from orchestration.backend.port import PAGE, Backend
from orchestration.domain.rules import Decision
from orchestration.domain.schemas.catalog import Artifact, ConcurrencyLimit, VariableRecord
from orchestration.domain.schemas.filters import (
    ALL_ARTIFACTS,
    ALL_FLOW_RUNS,
    ALL_LOGS,
    ALL_TASK_RUNS,
    ArtifactFilter,
    FlowRunFilter,
    LogFilter,
    TaskRunFilter,
)
from orchestration.domain.schemas.runs import FlowRun, Log, TaskRun
from orchestration.domain.states import State
from orchestration.sdk.awaiting import in_thread
from orchestration.sdk.session import Session
from orchestration.sdk.start import started_session


class SyncClient:
    """Reads and changes what the store holds; what this process has recorded so far is written first."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return

    def read_flow_run(self, flow_run_id: UUID) -> FlowRun:
        """The flow run of that id; ``ObjectNotFound`` when there is none."""
        return self._backend.flow_run(flow_run_id)

    def read_flow_runs(
        self, flow_run_filter: FlowRunFilter = ALL_FLOW_RUNS, limit: int = PAGE, offset: int = 0
    ) -> list[FlowRun]:
        """Flow runs, newest first."""
        return self._backend.flow_runs(flow_run_filter, limit, offset)

    def read_flow_run_states(self, flow_run_id: UUID) -> list[State]:
        """All states of a flow run, oldest first."""
        return self._backend.flow_run_states(flow_run_id)

    def set_flow_run_state(self, flow_run_id: UUID, state: State, force: bool = False) -> Decision:
        """Propose a state for a flow run; the rules decide, unless ``force``."""
        return self._backend.propose_flow_run_state(flow_run_id, state, force)

    def read_task_run(self, task_run_id: UUID) -> TaskRun:
        """The task run of that id; ``ObjectNotFound`` when there is none."""
        return self._backend.task_run(task_run_id)

    def read_task_runs(
        self, task_run_filter: TaskRunFilter = ALL_TASK_RUNS, limit: int = PAGE, offset: int = 0
    ) -> list[TaskRun]:
        """Task runs, oldest first."""
        return self._backend.task_runs(task_run_filter, limit, offset)

    def read_task_run_states(self, task_run_id: UUID) -> list[State]:
        """All states of a task run, oldest first."""
        return self._backend.task_run_states(task_run_id)

    def read_logs(self, log_filter: LogFilter = ALL_LOGS, limit: int = PAGE, offset: int = 0) -> list[Log]:
        """Log lines in the order in which the store got them."""
        return self._backend.logs(log_filter, limit, offset)

    def read_artifacts(
        self, artifact_filter: ArtifactFilter = ALL_ARTIFACTS, limit: int = PAGE, offset: int = 0
    ) -> list[Artifact]:
        """Artifacts, newest first."""
        return self._backend.artifacts(artifact_filter, limit, offset)

    def read_variable_by_name(self, name: str) -> VariableRecord | None:
        """The variable of that name."""
        return self._backend.variable(name)

    def read_variables(self) -> list[VariableRecord]:
        """All variables by name."""
        return self._backend.variables()

    def read_global_concurrency_limits(self) -> list[ConcurrencyLimit]:
        """All concurrency limits by name, with their slots in use."""
        return self._backend.concurrency_limits()

    def upsert_global_concurrency_limit_by_name(
        self, name: str, limit: int, slot_decay_per_second: float = 0.0, active: bool = True
    ) -> None:
        """Make or change a concurrency limit."""
        self._backend.set_concurrency_limit(name, limit, slot_decay_per_second, active)

    def delete_global_concurrency_limit_by_name(self, name: str) -> bool:
        """Remove a concurrency limit; whether there was one."""
        return self._backend.delete_concurrency_limit(name)

    @property
    def _backend(self) -> Backend:
        self._session.recorder.flush()
        return self._session.backend


class AsyncClient:
    """The same methods as ``SyncClient``, each to be awaited; the work is done in a worker thread."""

    def __init__(self, session: Session) -> None:
        self._client = SyncClient(session)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
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
