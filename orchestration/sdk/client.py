"""``get_client``: the store, asked from code, with Prefect's method names."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from orchestration.backend.port import Backend
from orchestration.domain import rules, states
from orchestration.domain.schemas import catalog, runs, wire
from orchestration.domain.schemas.filters import PAGE, Query
from orchestration.sdk import awaiting, logs
from orchestration.sdk.context import Session
from orchestration.sdk.results import StoredValue

R = TypeVar("R")
Filter = Mapping[str, Any] | None


def _listing(resource: str, record: Callable[[wire.Document], R], order: str | None = None) -> Callable[..., list[R]]:
    """The method that reads a page of a resource; filters are documents, others by name as ``flow_filter={...}``."""

    def read(
        self: "SyncClient", own: Filter = None, *, sort: str | None = order, limit: int = PAGE, offset: int = 0,
        **filters: Filter,
    ) -> list[R]:  # fmt: skip
        others = {name.removesuffix("_filter") + "s": wanted for name, wanted in filters.items()}
        where = {name: wanted for name, wanted in {resource: own, **others}.items() if wanted}
        return [record(each) for each in self._backend.find(resource, Query(where, sort, limit, offset))]

    return read


class SyncClient(AbstractContextManager["SyncClient"]):
    """Reads and changes what the store holds; what this process has recorded so far is written first."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __exit__(self, *_: object) -> None:
        """Nothing to close: the store is the session's."""

    read_flow_runs = _listing("flow_runs", partial(wire.flow_run_of, revive=StoredValue.from_document))
    read_task_runs = _listing("task_runs", partial(wire.task_run_of, revive=StoredValue.from_document), "ID_ASC")
    read_logs = _listing("logs", partial(wire.record_of, runs.Log), "TIMESTAMP_ASC")
    read_artifacts = _listing("artifacts", partial(wire.record_of, catalog.Artifact))
    read_variables = _listing("variables", partial(wire.record_of, catalog.VariableRecord))

    def read_flow_run(self, flow_run_id: UUID) -> runs.FlowRun:
        """The flow run of that id; ``ObjectNotFound`` when there is none."""
        return self._backend.flow_run(flow_run_id)

    def read_flow_run_states(self, flow_run_id: UUID) -> list[states.State]:
        """All states of a flow run, oldest first."""
        return self._backend.flow_run_states(flow_run_id)

    def set_flow_run_state(self, flow_run_id: UUID, state: states.State, force: bool = False) -> rules.Decision:
        """Propose a state for a flow run; the rules decide, unless ``force``."""
        return self._backend.propose_flow_run_state(flow_run_id, state, force)

    def read_task_run(self, task_run_id: UUID) -> runs.TaskRun:
        """The task run of that id; ``ObjectNotFound`` when there is none."""
        return self._backend.task_run(task_run_id)

    def read_task_run_states(self, task_run_id: UUID) -> list[states.State]:
        """All states of a task run, oldest first."""
        return self._backend.task_run_states(task_run_id)

    @property
    def _backend(self) -> Backend:
        self._session.recorder.flush()
        return self._session.backend


class AsyncClient(AbstractAsyncContextManager["AsyncClient"]):
    """The same methods as ``SyncClient``, each to be awaited; the work is done in a worker thread."""

    def __init__(self, session: Session) -> None:
        self._client = SyncClient(session)

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close here either."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(awaiting.in_thread, getattr(self._client, name))


def get_client(sync_client: bool = False) -> Any:
    """A client of the store for ``async with`` blocks; with ``sync_client=True``, for ``with`` blocks."""
    session = logs.started_session()
    return SyncClient(session) if sync_client else AsyncClient(session)
