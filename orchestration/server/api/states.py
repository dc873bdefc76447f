"""States of runs, one by one and as a run's history."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.schemas.wire import state_document
from orchestration.domain.states import State
from orchestration.server.answers import Json
from orchestration.server.routes import BackendOf

router = APIRouter()


@router.get("/flow_run_states/", tags=["Flow Run States"], response_model=None)
def read_flow_run_states(flow_run_id: UUID, backend: BackendOf) -> Json:
    """All states of a flow run, oldest first."""
    return Json([state_document(state) for state in backend.flow_run_states(flow_run_id)])


@router.get("/flow_run_states/{id:uuid}", tags=["Flow Run States"], response_model=None)
def read_flow_run_state(id: UUID, backend: BackendOf) -> Json:
    """A state of a flow run."""
    row = backend.read("flow_run_states", id=str(id))
    return _one(backend.flow_run_states(UUID(row["flow_run_id"])), id)


@router.get("/task_run_states/", tags=["Task Run States"], response_model=None)
def read_task_run_states(task_run_id: UUID, backend: BackendOf) -> Json:
    """All states of a task run, oldest first."""
    return Json([state_document(state) for state in backend.task_run_states(task_run_id)])


@router.get("/task_run_states/{id:uuid}", tags=["Task Run States"], response_model=None)
def read_task_run_state(id: UUID, backend: BackendOf) -> Json:
    """The state that a task run is in; those before it are found by the run."""
    row = backend.read("task_runs", state_id=str(id))
    return _one(backend.task_run_states(UUID(row["id"])), id)


def _one(states: list[State], state_id: UUID) -> Json:
    for state in states:
        if state.id == state_id:
            return Json(state_document(state))
    raise ObjectNotFound(f"There is no state with the id {state_id}.")
