"""Flow runs: made, changed, moved from state to state, given inputs, and drawn."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import Response
from fastapi.responses import PlainTextResponse

from orchestration.backend.clock import made_up_name, new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.rules import Abort
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document, decision_document, flow_run_of, owner_of, state_of
from orchestration.domain.states import Running, Scheduled, State
from orchestration.server.answers import Json, of_decision, of_state
from orchestration.server.api.documents import Keys
from orchestration.server.graph import graph

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_NODES = 10_000


def create(backend: Backend, _keys: Keys, body: Any) -> Json:
    """Store a flow run; the one that the same id, or idempotency key, made before is the answer where there is one."""
    if body.id is not None:
        with suppress(ObjectNotFound):
            return Json(backend.read("flow_runs", id=body.id))
    flow, run_id, document = backend.read("flows", id=body.flow_id), body.id or new_id(), body.whole()
    state = {"type": "PENDING", **(document["state"] or {})}
    details = {**(state.get("state_details") or {}), "flow_run_id": str(run_id)}
    now = utc_now().isoformat()
    expected = details.get("scheduled_time") or document["expected_start_time"] or now
    run = flow_run_of({
        **document, "id": run_id, "name": body.name or made_up_name(), "flow_name": flow["name"],
        "created": document["created"] or now, "expected_start_time": expected,
        "state": {**state, "state_details": details}, "labels": {"prefect.flow.id": flow["id"], **body.labels},
        "work_queue_id": _queue_id(backend, body.work_pool_name, body.work_queue_name),
    })  # fmt: skip
    made = backend.create_flow_run(run)
    return Json(backend.read("flow_runs", id=made.id), 201 if made.id == run_id else 200)


def _queue_id(backend: Backend, pool_name: str | None, queue_name: str | None) -> str | None:
    if pool_name is None:
        return None
    pool = backend.read("work_pools", name=pool_name)
    if queue_name is None:
        return str(pool["default_queue_id"])
    return str(backend.read("work_queues", work_pool_id=pool["id"], name=queue_name)["id"])


def change(backend: Backend, keys: Keys, body: Any) -> None:
    """Change a flow run."""
    changes = {name: value for name, value in body.given().items() if value is not None}
    backend.change("flow_runs", changes, **keys)


def change_labels(backend: Backend, keys: Keys, labels: Document) -> None:
    """Set labels of a flow run; those that are not named stay."""
    owner = owner_of(labels)
    lives_in = {f"owner_{name}": getattr(owner, name) for name in owner.__slots__} if owner else {}
    known = backend.read("flow_runs", **keys)["labels"]
    backend.change("flow_runs", {"labels": {**known, **labels}, **lives_in}, **keys)


# -- states ------------------------------------------------------------------------------------------------------------


def set_state(backend: Backend, keys: Keys, body: Any) -> Json:
    """Let the rules decide on a state of a flow run."""
    return _propose(backend, keys["id"], state_of(body.state.given()), body.force)


def _propose(backend: Backend, run_id: UUID, state: State, force: bool) -> Json:
    # Prefect's client says of every failure that it is not retriable, and means its tasks; ours gives states an id
    retriable, began = state.details.retriable if state.id else None, utc_now()
    proposed = state.evolve(details=replace(state.details, flow_run_id=run_id, retriable=retriable))
    return of_decision(backend.propose_flow_run_state(run_id, proposed, force), began)


def resume(backend: Backend, keys: Keys, body: Any) -> Json:
    """Let a paused flow run go on, with the input that it waits for."""
    now, state = utc_now(), backend.flow_run(keys["id"]).state
    if state is None or not state.is_paused():
        return Json(decision_document(Abort("Cannot resume a flow run that is not paused."), None))
    resumed = Scheduled(now, name="Resuming") if state.details.pause_reschedule else Running()
    answer, keyset = _propose(backend, keys["id"], resumed, force=True), state.details.run_input_keyset
    if keyset and body.run_input and answer.status_code == 201:  # noqa: PLR2004
        given = {"flow_run_id": str(keys["id"]), "key": keyset["response"], "value": json.dumps(body.run_input)}
        backend.create("inputs", given, overwrite=True)
    return answer


def read_states(backend: Backend, keys: Keys, _body: None) -> Json:
    """All states of a flow run, oldest first."""
    return of_state(backend.flow_run_states(keys["flow_run_id"]))


def read_state(backend: Backend, keys: Keys, _body: None) -> Json:
    """A state of a flow run."""
    row = backend.read("flow_run_states", id=str(keys["id"]))
    return of_state(backend.flow_run_states(UUID(row["flow_run_id"])), keys["id"])


# -- inputs ------------------------------------------------------------------------------------------------------------


def create_input(backend: Backend, keys: Keys, body: Any) -> None:
    """Send a value to a flow run."""
    backend.flow_run(keys["id"])
    backend.create("inputs", {**body.whole(), "flow_run_id": str(keys["id"])})


def filter_inputs(backend: Backend, keys: Keys, body: Any) -> list[Document]:
    """The values whose key begins with a prefix, oldest first."""
    key = {"startswith_": [body.prefix], "not_any_": body.exclude_keys or None}
    where = {"inputs": {"flow_run_id": {"any_": [str(keys["id"])]}, "key": key}}
    return backend.find("inputs", Query(where, limit=body.limit))


def read_input(backend: Backend, keys: Keys, _body: None) -> Response:
    """A value as text."""
    return PlainTextResponse(backend.read("inputs", **keys)["value"])


# -- views -------------------------------------------------------------------------------------------------------------


def read_graph(backend: Backend, keys: Keys, _body: None) -> Document:
    """The task runs and subflow runs of a flow run as a graph, with artifacts and states."""
    run_id = keys["id"]
    run, tasks = backend.read("flow_runs", id=run_id), _of(backend, "task_runs", run_id)
    subflows = _of(backend, "flow_runs", run_id, "parent_flow_run_id")
    latest = {each["latest_id"] for each in _of(backend, "artifact_collections", run_id)}
    artifacts = [{**each, "is_latest": each["id"] in latest} for each in _of(backend, "artifacts", run_id)]
    return graph(run, tasks, subflows, artifacts, backend.flow_run_states(run_id), keys["since"] or EPOCH)


def _of(backend: Backend, resource: str, flow_run_id: UUID, field: str = "flow_run_id") -> list[Document]:
    """All that is part of a flow run, as far as a graph can show it."""
    return backend.find(resource, Query({resource: {field: {"any_": [str(flow_run_id)]}}}, limit=MOST_NODES))
