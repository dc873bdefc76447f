"""Flow runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import create_model

from orchestration.backend.clock import made_up_name, new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound, OrchestrationError
from orchestration.domain.rules import Abort
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document, decision_document, flow_run_of, owner_of, state_of
from orchestration.domain.states import Running, Scheduled, State
from orchestration.server import bodies
from orchestration.server.answers import Json
from orchestration.server.api.runs import add_history, answer_of
from orchestration.server.graph import graph, upstream
from orchestration.server.routes import (
    RUN_FILTERS,
    BackendOf,
    add,
    add_listings,
    add_one,
    filter_model,
    filters_model,
    where_of,
)
from orchestration.server.values import Lenient, Moment

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FOR_EVER = 1e11
"""Seconds; longer than any run waits."""
MOST_NODES = 10_000

router = APIRouter(prefix="/flow_runs", tags=["Flow Runs"])
add_listings(router, "flow_runs", RUN_FILTERS, pages=True)
add_history(router, "flow_runs")


@router.post("/", status_code=201, response_model=None)
def create_flow_run(body: bodies.FlowRunCreate, backend: BackendOf) -> Json:
    """Store a flow run; the one that the same id, or idempotency key, made before is the answer where there is one."""
    if body.id is not None:
        with suppress(ObjectNotFound):
            return Json(backend.read("flow_runs", id=body.id))
    flow, run_id, document = backend.read("flows", id=body.flow_id), body.id or new_id(), body.whole()
    state = {"type": "PENDING", **(document["state"] or {})}
    details = {**(state.get("state_details") or {}), "flow_run_id": str(run_id)}
    now = utc_now().isoformat()
    run = flow_run_of(
        {
            **document,
            "id": run_id,
            "name": body.name or made_up_name(),
            "flow_name": flow["name"],
            "created": document["created"] or now,
            "expected_start_time": details.get("scheduled_time") or document["expected_start_time"] or now,
            "state": {**state, "state_details": details},
            "labels": {"prefect.flow.id": flow["id"], **body.labels},
            "work_queue_id": _queue_id(backend, body.work_pool_name, body.work_queue_name),
        }
    )
    made = backend.create_flow_run(run)
    return Json(backend.read("flow_runs", id=made.id), 201 if made.id == run_id else 200)


def _queue_id(backend: Backend, pool_name: str | None, queue_name: str | None) -> str | None:
    if pool_name is None:
        return None
    pool = backend.read("work_pools", name=pool_name)
    if queue_name is None:
        return str(pool["default_queue_id"])
    return str(backend.read("work_queues", work_pool_id=pool["id"], name=queue_name)["id"])


@router.patch("/{id:uuid}", status_code=204, response_model=None)
def change_flow_run(id: UUID, body: bodies.FlowRunUpdate, backend: BackendOf) -> None:
    """Change a flow run."""
    changes = {name: value for name, value in body.given().items() if value is not None}
    backend.change("flow_runs", changes, id=id)


add_one(router, "flow_runs", "/{id:uuid}")


@router.patch("/{id:uuid}/labels", status_code=204, response_model=None)
def change_labels(id: UUID, labels: Annotated[dict[str, Any], Body()], backend: BackendOf) -> None:
    """Set labels of a flow run; those that are not named stay."""
    owner = owner_of(labels)
    lives_in = {f"owner_{name}": getattr(owner, name) for name in owner.__slots__} if owner else {}
    changes = {"labels": {**backend.read("flow_runs", id=id)["labels"], **labels}, **lives_in}
    backend.change("flow_runs", changes, id=id)


# -- states ----------------------------------------------------------------------------------------------------------


@router.post("/{id:uuid}/set_state", response_model=None)
def set_flow_run_state(id: UUID, body: bodies.SetState, backend: BackendOf) -> Json:
    """Let the rules decide on a state of a flow run."""
    began = utc_now()
    return answer_of(_propose(backend, id, state_of(body.state.given()), body.force), began)


def _propose(backend: Backend, run_id: UUID, state: State, force: bool) -> Document:
    # Prefect's client says of every failure that it is not retriable, and means its tasks; ours gives states an id
    retriable = state.details.retriable if state.id else None
    proposed = state.evolve(details=replace(state.details, flow_run_id=run_id, retriable=retriable))
    return decision_document(backend.propose_flow_run_state(run_id, proposed, force), None)


@router.post("/{id:uuid}/resume", response_model=None)
def resume_flow_run(id: UUID, backend: BackendOf, body: bodies.Resume | None = None) -> Json:
    """Let a paused flow run go on, with the input that it waits for."""
    began, state = utc_now(), backend.flow_run(id).state
    if state is None or not state.is_paused():
        return Json(decision_document(Abort("Cannot resume a flow run that is not paused."), None))
    keyset, wanted = state.details.run_input_keyset, body.run_input if body else None
    resumed = Scheduled(began, name="Resuming") if state.details.pause_reschedule else Running()
    decision = _propose(backend, id, resumed, force=True)
    if keyset and wanted and decision["status"] == "ACCEPT":
        answer = {"flow_run_id": str(id), "key": keyset["response"], "value": json.dumps(wanted)}
        backend.create("inputs", answer, overwrite=True)
    return answer_of(decision, began)


def _some(name: str, **fields: Any) -> Any:
    """The model of a request about the runs that a filter lets through."""
    which: dict[str, Any] = {
        "flow_runs": (filter_model("flow_runs") | None, None),
        "limit": (bodies.Limited, bodies.MOST_AT_ONCE),
    }
    return create_model(name, __base__=Lenient, **which, **fields)


def _ids(backend: Backend, body: Any) -> list[UUID]:
    return [UUID(run["id"]) for run in backend.find("flow_runs", Query(where_of(body), limit=body.limit))]


def bulk_delete_flow_runs(backend: Backend, _keys: Mapping[str, Any], body: Any) -> Document:
    """Remove the runs that a filter lets through."""
    ids = _ids(backend, body)
    for run_id in ids:
        backend.delete("flow_runs", id=run_id)
    return {"deleted": [str(run_id) for run_id in ids]}


def bulk_set_state(backend: Backend, _keys: Mapping[str, Any], body: Any) -> Document:
    """Let the rules decide on a state of each run that a filter lets through."""
    results = []
    for run_id in _ids(backend, body):
        try:
            decision = _propose(backend, run_id, state_of(body.state.given()).evolve(id=None), body.force)
        except OrchestrationError as error:
            decision = decision_document(Abort(str(error)), None)
        results.append({"flow_run_id": str(run_id), **decision})
    return {"results": results}


add(router, "POST", "/bulk_delete", bulk_delete_flow_runs, body=_some("FlowRunsToDelete"))
_STATE: dict[str, Any] = {"state": (bodies.StateCreate, ...), "force": (bool, False)}
add(router, "POST", "/bulk_set_state", bulk_set_state, body=_some("FlowRunsToSet", **_STATE))


# -- inputs ----------------------------------------------------------------------------------------------------------


@router.post("/{id:uuid}/input", status_code=201, response_model=None)
def create_input(id: UUID, body: bodies.InputCreate, backend: BackendOf) -> Json:
    """Send a value to a flow run."""
    backend.flow_run(id)
    backend.create("inputs", {**body.whole(), "flow_run_id": str(id)})
    return Json(None, 201)


@router.post("/{id:uuid}/input/filter", response_model=None)
def filter_inputs(id: UUID, body: bodies.InputFilter, backend: BackendOf) -> Json:
    """The values whose key begins with a prefix, oldest first."""
    key = {"startswith_": [body.prefix], "not_any_": body.exclude_keys or None}
    where = {"inputs": {"flow_run_id": {"any_": [str(id)]}, "key": key}}
    return Json(backend.find("inputs", Query(where, limit=body.limit)))


@router.get("/{id:uuid}/input/{key}", response_model=None)
def read_input(id: UUID, key: str, backend: BackendOf) -> Response:
    """A value as text."""
    return PlainTextResponse(backend.read("inputs", flow_run_id=id, key=key)["value"])


@router.delete("/{id:uuid}/input/{key}", status_code=204, response_model=None)
def delete_input(id: UUID, key: str, backend: BackendOf) -> None:
    """Remove a value."""
    backend.delete("inputs", flow_run_id=id, key=key)


# -- views -----------------------------------------------------------------------------------------------------------


def lateness(backend: Backend, _keys: Mapping[str, Any], body: Any) -> float | None:
    """Seconds by which the runs began, or will begin, later than expected, on average."""
    states = backend.history("flow_runs", where_of(body), EPOCH, FOR_EVER, 1)[0]["states"]
    runs = sum(each["count_runs"] for each in states)
    return sum(each["sum_estimated_lateness"] for each in states) / runs if runs else None


add(router, "POST", "/lateness", lateness, body=filters_model(RUN_FILTERS, "flow_runs"))


@router.get("/{id:uuid}/graph", response_model=None)
def read_dependencies(id: UUID, backend: BackendOf) -> Json:
    """The task runs of a flow run, each with those that it waited for."""
    backend.flow_run(id)
    return Json([upstream(run) for run in _of(backend, "task_runs", id)])


@router.get("/{id:uuid}/graph-v2", response_model=None)
def read_graph(id: UUID, backend: BackendOf, since: Moment = EPOCH) -> Json:
    """The task runs and subflow runs of a flow run as a graph, with artifacts and states."""
    run, tasks = backend.read("flow_runs", id=id), _of(backend, "task_runs", id)
    parents = {"parent_flow_run_id": {"any_": [str(id)]}}
    subflows = backend.find("flow_runs", Query({"flow_runs": parents}, limit=MOST_NODES))
    latest = {each["latest_id"] for each in _of(backend, "artifact_collections", id)}
    artifacts = [{**each, "is_latest": each["id"] in latest} for each in _of(backend, "artifacts", id)]
    return Json(graph(run, tasks, subflows, artifacts, backend.flow_run_states(id), since))


def _of(backend: Backend, resource: str, flow_run_id: UUID) -> list[Document]:
    """All that is part of a flow run, as far as a graph can show it."""
    where = {resource: {"flow_run_id": {"any_": [str(flow_run_id)]}}}
    return backend.find(resource, Query(where, limit=MOST_NODES))


@router.get("/{id:uuid}/logs/download", response_model=None)
def download_logs(id: UUID, backend: BackendOf) -> StreamingResponse:
    """All log lines of a flow run as a CSV file."""
    name = backend.flow_run(id).name
    kept = "".join(letter for letter in name if letter.isascii() and (letter.isalnum() or letter in "-_. "))
    disposition = {"Content-Disposition": f'attachment; filename="{kept or id}-logs.csv"'}
    return StreamingResponse(_csv(backend, id), media_type="text/csv; charset=utf-8", headers=disposition)


def _csv(backend: Backend, flow_run_id: UUID) -> Iterator[str]:
    """Pages by the line that the last one ended with, so that each costs the same."""
    columns = ("timestamp", "level", "flow_run_id", "task_run_id", "message")
    lines: list[Any] = [columns]
    after = 0
    while lines:
        page = io.StringIO()
        csv.writer(page).writerows(lines)
        yield page.getvalue()
        where = {"flow_run_id": {"any_": [str(flow_run_id)]}, "sequence": {"ge_": after + 1}}
        found = backend.find("logs", Query({"logs": where}, "SEQUENCE_ASC", 1000))
        after = found[-1]["sequence"] if found else after
        lines = [[line[column] for column in columns] for line in found]
