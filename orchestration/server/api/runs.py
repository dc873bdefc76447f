"""Flow runs and task runs: made, changed, moved from state to state, given inputs, and drawn; and what they log."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from uuid import UUID

from fastapi import Response
from fastapi.responses import PlainTextResponse

from orchestration.backend.clock import made_up_name, new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.rules import Abort
from orchestration.domain.schemas import wire
from orchestration.domain.schemas.filters import Query, among
from orchestration.domain.schemas.runs import Batch, LogRow, TaskRunChange
from orchestration.domain.schemas.wire import Document
from orchestration.domain.states import Pending, Running, Scheduled, State
from orchestration.server.api.documents import Keys
from orchestration.server.models import Json

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_NODES = 10_000
# Characters of a line that are kept.
LONGEST = 1_000_000


def create_flow_run(backend: Backend, _keys: Keys, body: Any) -> Json:
    """Store a flow run; the one that the same id, or idempotency key, made before is the answer where there is one."""
    if body.id is not None:
        with suppress(ObjectNotFound):
            return Json(backend.read("flow_runs", id=body.id))
    flow, run_id, document = backend.read("flows", id=body.flow_id), body.id or new_id(), body.whole()
    state = {"type": "PENDING", **(document["state"] or {})}
    details = {**(state.get("state_details") or {}), "flow_run_id": str(run_id)}
    now = utc_now().isoformat()
    expected = details.get("scheduled_time") or document["expected_start_time"] or now
    run = wire.flow_run_of({
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
    named = queue_name and backend.read("work_queues", work_pool_id=pool["id"], name=queue_name)
    return str(named["id"] if named else pool["default_queue_id"])


def change_flow_run(backend: Backend, keys: Keys, body: Any) -> None:
    """Change a flow run."""
    changes = {name: value for name, value in body.given().items() if value is not None}
    backend.change("flow_runs", changes, **keys)


def change_labels(backend: Backend, keys: Keys, labels: Document) -> None:
    """Set labels of a flow run; those that are not named stay."""
    owner = wire.owner_of(labels)
    lives_in = {f"owner_{name}": getattr(owner, name) for name in owner.__slots__} if owner else {}
    known = backend.read("flow_runs", **keys)["labels"]
    backend.change("flow_runs", {"labels": {**known, **labels}, **lives_in}, **keys)


# -- states ------------------------------------------------------------------------------------------------------------


def set_flow_run_state(backend: Backend, keys: Keys, body: Any) -> Document:
    """Let the rules decide on a state of a flow run."""
    return _propose(backend, keys["id"], wire.state_of(body.state.given()), body.force)


def _propose(backend: Backend, run_id: UUID, state: State, force: bool) -> Document:
    # Prefect's client says of every failure that it is not retriable, and means its tasks; ours gives states an id
    retriable = state.details.retriable if state.id else None
    proposed = state.evolve(details=replace(state.details, flow_run_id=run_id, retriable=retriable))
    return wire.decision_document(backend.propose_flow_run_state(run_id, proposed, force), None)


def resume(backend: Backend, keys: Keys, body: Any) -> Document:
    """Let a paused flow run go on, with the input that it waits for."""
    state = backend.flow_run(keys["id"]).state
    if state is None or not state.is_paused():
        return wire.decision_document(Abort("Cannot resume a flow run that is not paused."), None)
    resumed = Scheduled(utc_now(), name="Resuming") if state.details.pause_reschedule else Running()
    answer, keyset = _propose(backend, keys["id"], resumed, force=True), state.details.run_input_keyset
    if keyset and body.run_input and answer["status"] == "ACCEPT":
        given = {"flow_run_id": str(keys["id"]), "key": keyset["response"], "value": json.dumps(body.run_input)}
        backend.create("inputs", given, overwrite=True)
    return answer


def states_of(kind: str, backend: Backend, keys: Keys, _body: None) -> list[Document]:
    """All states of a run, oldest first."""
    return [wire.state_document(state) for state in getattr(backend, f"{kind}_states")(keys[f"{kind}_id"])]


def flow_run_state(backend: Backend, keys: Keys, _body: None) -> Document:
    """A state of a flow run."""
    run_id = UUID(backend.read("flow_run_states", id=str(keys["id"]))["flow_run_id"])
    return next(wire.state_document(state) for state in backend.flow_run_states(run_id) if state.id == keys["id"])


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


# -- task runs ---------------------------------------------------------------------------------------------------------


def create_task_run(backend: Backend, _keys: Keys, body: Any) -> Document:
    """Store a task run; one of the same flow run, task and dynamic key that is there already is the answer."""
    keys = {"flow_run_id": body.flow_run_id, "task_key": body.task_key, "dynamic_key": body.dynamic_key}
    if body.flow_run_id is not None:
        try:
            return backend.read("task_runs", **keys)
        except ObjectNotFound:
            backend.flow_run(body.flow_run_id)
    now, run_id = utc_now(), body.id or new_id()
    name = body.name or f"{body.task_key}-{body.dynamic_key}"
    run = wire.task_run_of({**body.whole(), "id": run_id, "name": name, "created": now.isoformat(), "state": None})
    given = wire.state_of(body.state.given()) if body.state else Pending()
    state = given.evolve(id=given.id or new_id(), timestamp=given.timestamp or now)
    backend.record(Batch([TaskRunChange(replace(run, state=state), [state], is_new=False)], (), is_foreign=True))
    return backend.read("task_runs", id=run_id)


def set_task_run_state(backend: Backend, keys: Keys, body: Any) -> Document:
    """Let the rules decide on a state of a task run."""
    proposed = wire.state_of(body.state.given())
    return wire.decision_document(backend.propose_task_run_state(keys["id"], proposed, body.force), None)


def task_run_state(backend: Backend, keys: Keys, _body: None) -> Document:
    """The state that a task run is in; those before it are found by the run."""
    run_id = UUID(backend.read("task_runs", state_id=str(keys["id"]))["id"])
    return next(wire.state_document(state) for state in backend.task_run_states(run_id) if state.id == keys["id"])


# -- log lines ---------------------------------------------------------------------------------------------------------


def create_logs(backend: Backend, keys: Keys, lines: list[Any]) -> None:
    """Store log lines; one that is too long is cut, with a mark."""
    backend.record(Batch((), [_row(line) for line in lines], keys["key"], is_foreign=True))


def _row(line: Any) -> LogRow:
    flow_run, task_run = (str(each) if each else None for each in (line.flow_run_id, line.task_run_id))
    cut = f" … [cut here; the line has {len(line.message):,} characters]" if len(line.message) > LONGEST else ""
    message, at = line.message[:LONGEST] + cut, round(line.timestamp.timestamp() * 1e6)
    return line.name, line.level, message, at, flow_run, task_run


# -- the graph of a flow run -------------------------------------------------------------------------------------------

# The input that names the runs inside which a run was made, instead of those whose results it was given.
PARENTS = "__parents__"
# What a graph shows of a state, and of an artifact.
_STATE, _ARTIFACT = ("id", "timestamp", "type", "name"), ("id", "created", "key", "type")


def read_graph(backend: Backend, keys: Keys, _body: None) -> Document:
    """The task runs of a flow run as a graph, with artifacts and states.

    A subflow run stands in the place of the task run that stands for it.
    """
    run_id, since = keys["id"], keys["since"] or EPOCH
    run, tasks, held = backend.read("flow_runs", id=run_id), _of(backend, "task_runs", run_id), _held(backend, run_id)
    made = {each["parent_task_run_id"]: each for each in _of(backend, "flow_runs", run_id, "parent_flow_run_id")}
    names = {task["id"]: made.get(task["id"], task)["id"] for task in tasks}
    every = [_node(task, made.get(task["id"]), names, held.get(task["id"], [])) for task in tasks]
    nodes = {node["id"]: node for node in every if node["start_time"] is not None}
    for key, node in nodes.items():
        node["parents"] = [edge for edge in node["parents"] if edge["id"] in nodes]
        for edge in node["parents"]:
            nodes[edge["id"]]["children"].append({"id": key})
    ordered = sorted(nodes.items(), key=lambda item: (item[1]["start_time"], item[1]["end_time"] or "~"))
    states = map(wire.state_document, backend.flow_run_states(run_id))
    return {
        "start_time": run["start_time"] or run["expected_start_time"], "end_time": run["end_time"],
        "root_node_ids": [key for key, node in ordered if not node["parents"]],
        "nodes": [[key, node] for key, node in ordered if (wire.moment_of(node["end_time"]) or since) >= since],
        "artifacts": held.get(None, []), "states": [{name: state[name] for name in _STATE} for state in states],
    }  # fmt: skip


def _of(backend: Backend, resource: str, flow_run_id: UUID, field: str = "flow_run_id") -> list[Document]:
    """All that is part of a flow run, as far as a graph can show it."""
    return backend.find(resource, Query(among(resource, **{field: [flow_run_id]}), limit=MOST_NODES))


def _held(backend: Backend, run_id: UUID) -> dict[str | None, list[Document]]:
    """The artifacts of a flow run by task run; of their data, only how far a progress has come."""
    latest = {each["latest_id"] for each in _of(backend, "artifact_collections", run_id)}
    held: dict[str | None, list[Document]] = {}
    for each in _of(backend, "artifacts", run_id):
        data = each["data"] if each["type"] == "progress" else None
        shown = {name: each[name] for name in _ARTIFACT} | {"is_latest": each["id"] in latest, "data": data}
        if each["type"] != "result":
            held.setdefault(each["task_run_id"], []).append(shown)
    return held


def _node(task: Document, subflow: Document | None, names: Mapping[str, str], artifacts: list[Document]) -> Document:
    shown = subflow or task
    is_done = task["state_type"] == "COMPLETED"
    return {
        "kind": "flow-run" if subflow else "task-run", "id": shown["id"], "state_type": shown["state_type"],
        "label": f"{subflow['flow_name']} / {subflow['name']}" if subflow else task["name"],
        "start_time": shown["start_time"] or shown["expected_start_time"],
        "end_time": shown["end_time"] or task["end_time"] or (task["expected_start_time"] if is_done else None),
        "parents": edges(task, names, are_parents=False), "children": [],
        "encapsulating": edges(task, names, are_parents=True), "artifacts": artifacts,
    }  # fmt: skip


def edges(task: Document, names: Mapping[str, str], are_parents: bool) -> list[Document]:
    """The runs whose results a task run was given, or inside which it was made; ``names`` are of others to show."""
    inputs = (given for name, given in task["task_inputs"].items() if (name == PARENTS) is are_parents)
    ids = (str(each["id"]) for each in chain.from_iterable(inputs) if isinstance(each, Mapping) and "id" in each)
    return [{"id": each} for each in dict.fromkeys(names.get(run_id, run_id) for run_id in ids)]
