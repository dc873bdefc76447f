"""Flow runs and task runs: made, changed, moved from state to state, given inputs, and drawn; and what they log."""

import json
from collections.abc import Mapping, Sequence
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
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.runs import Batch, LogRow, changed_task_run
from orchestration.domain.schemas.wire import Document
from orchestration.domain.states import Pending, Running, Scheduled, State
from orchestration.server.api.documents import Keys
from orchestration.server.models import Json, of_decision

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


def set_flow_run_state(backend: Backend, keys: Keys, body: Any) -> Json:
    """Let the rules decide on a state of a flow run."""
    return _propose(backend, keys["id"], wire.state_of(body.state.given()), body.force)


def _propose(backend: Backend, run_id: UUID, state: State, force: bool) -> Json:
    # Prefect's client says of every failure that it is not retriable, and means its tasks; ours gives states an id
    retriable, began = state.details.retriable if state.id else None, utc_now()
    proposed = state.evolve(details=replace(state.details, flow_run_id=run_id, retriable=retriable))
    return of_decision(backend.propose_flow_run_state(run_id, proposed, force), began)


def resume(backend: Backend, keys: Keys, body: Any) -> Json:
    """Let a paused flow run go on, with the input that it waits for."""
    now, state = utc_now(), backend.flow_run(keys["id"]).state
    if state is None or not state.is_paused():
        return of_decision(Abort("Cannot resume a flow run that is not paused."), now)
    resumed = Scheduled(now, name="Resuming") if state.details.pause_reschedule else Running()
    answer, keyset = _propose(backend, keys["id"], resumed, force=True), state.details.run_input_keyset
    if keyset and body.run_input and answer.status_code == 201:  # noqa: PLR2004
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
    backend.record(Batch([changed_task_run(replace(run, state=state), [state])], (), is_foreign=True))
    return backend.read("task_runs", id=run_id)


def set_task_run_state(backend: Backend, keys: Keys, body: Any) -> Json:
    """Let the rules decide on a state of a task run."""
    began = utc_now()
    return of_decision(backend.propose_task_run_state(keys["id"], wire.state_of(body.state.given()), body.force), began)


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
_STATE, _ARTIFACT = ("id", "timestamp", "type", "name"), ("id", "created", "key", "type", "is_latest")


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


def graph(
    run: Document, tasks: Sequence[Document], subflows: Sequence[Document], artifacts: Sequence[Document],
    states: Sequence[State], since: datetime,
) -> Document:  # fmt: skip
    """The document of the graph; a subflow run stands in the place of the task run that stands for it."""
    made = {each["parent_task_run_id"]: each for each in subflows}
    names = {task["id"]: made.get(task["id"], task)["id"] for task in tasks}
    held: dict[str | None, list[Document]] = {}
    for each in artifacts:
        if each["type"] != "result":
            held.setdefault(each["task_run_id"], []).append(_artifact(each))
    every = [_node(task, made.get(task["id"]), names, held.get(task["id"], [])) for task in tasks]
    nodes = {node["id"]: node for node in every if node["start_time"] is not None}
    for key, node in nodes.items():
        node["parents"] = [edge for edge in node["parents"] if edge["id"] in nodes]
        for edge in node["parents"]:
            nodes[edge["id"]]["children"].append({"id": key})
    ordered = sorted(nodes.items(), key=lambda item: (item[1]["start_time"], item[1]["end_time"] or "~"))
    return {
        "start_time": run["start_time"] or run["expected_start_time"], "end_time": run["end_time"],
        "root_node_ids": [key for key, node in ordered if not node["parents"]],
        "nodes": [[key, node] for key, node in ordered if _is_recent(node, since)],
        "artifacts": held.get(None, []),
        "states": [{name: wire.state_document(state)[name] for name in _STATE} for state in states],
    }  # fmt: skip


def _node(task: Document, subflow: Document | None, names: Mapping[str, str], artifacts: list[Document]) -> Document:
    shown = subflow or task
    is_done = task["state_type"] == "COMPLETED"
    return {
        "kind": "flow-run" if subflow else "task-run", "id": shown["id"], "state_type": shown["state_type"],
        "label": f"{subflow['flow_name']} / {subflow['name']}" if subflow else task["name"],
        "start_time": shown["start_time"] or shown["expected_start_time"],
        "end_time": shown["end_time"] or task["end_time"] or (task["expected_start_time"] if is_done else None),
        "parents": _edges(task, names, are_parents=False), "children": [],
        "encapsulating": _edges(task, names, are_parents=True), "artifacts": artifacts,
    }  # fmt: skip


def _edges(task: Document, names: Mapping[str, str], are_parents: bool) -> list[Document]:
    inputs = (given for name, given in task["task_inputs"].items() if (name == PARENTS) is are_parents)
    ids = (str(each["id"]) for each in chain.from_iterable(inputs) if isinstance(each, Mapping) and "id" in each)
    return [{"id": each} for each in dict.fromkeys(names.get(run_id, run_id) for run_id in ids)]


def _artifact(document: Document) -> Document:
    """What a graph shows of an artifact; of its data, only how far a progress has come."""
    data = document["data"] if document["type"] == "progress" else None
    return {**{name: document[name] for name in _ARTIFACT}, "data": data}


def _is_recent(node: Document, since: datetime) -> bool:
    times = (wire.moment_of(node["end_time"]), wire.moment_of(node["start_time"]))
    return node["end_time"] is None or any(moment is not None and moment >= since for moment in times)
