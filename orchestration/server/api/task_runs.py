"""Task runs."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from fastapi import APIRouter

from orchestration.backend.clock import new_id, utc_now
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.schemas.recording import Batch, changed_task_run
from orchestration.domain.schemas.wire import decision_document, state_of, task_run_of
from orchestration.domain.states import Pending
from orchestration.server import bodies
from orchestration.server.answers import Json
from orchestration.server.api.runs import add_history, answer_of
from orchestration.server.routes import RUN_FILTERS, BackendOf, add_listings, add_one

router = APIRouter(prefix="/task_runs", tags=["Task Runs"])
add_one(router, "task_runs", "/{id:uuid}", bodies.TaskRunUpdate)
add_listings(router, "task_runs", RUN_FILTERS, pages=True)
add_history(router, "task_runs")


@router.post("/", status_code=201, response_model=None)
def create_task_run(body: bodies.TaskRunCreate, backend: BackendOf) -> Json:
    """Store a task run; one of the same flow run, task and dynamic key that is there already is the answer."""
    keys = {"flow_run_id": body.flow_run_id, "task_key": body.task_key, "dynamic_key": body.dynamic_key}
    if body.flow_run_id is not None:
        try:
            return Json(backend.read("task_runs", **keys))
        except ObjectNotFound:
            backend.flow_run(body.flow_run_id)
    now, run_id = utc_now(), body.id or new_id()
    name = body.name or f"{body.task_key}-{body.dynamic_key}"
    run = task_run_of({**body.whole(), "id": run_id, "name": name, "created": now.isoformat(), "state": None})
    given = state_of(body.state.given()) if body.state else Pending()
    state = given.evolve(id=given.id or new_id(), timestamp=given.timestamp or now)
    backend.record(Batch([changed_task_run(replace(run, state=state), [state])], (), is_foreign=True))
    return Json(backend.read("task_runs", id=run_id), 201)


@router.post("/{id:uuid}/set_state", response_model=None)
def set_task_run_state(id: UUID, body: bodies.SetState, backend: BackendOf) -> Json:
    """Let the rules decide on a state of a task run."""
    began = utc_now()
    decision = backend.propose_task_run_state(id, state_of(body.state.given()), body.force)
    return answer_of(decision_document(decision, None), began)
