"""The graph of a flow run: its task runs and subflow runs, and what each waited for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from orchestration.domain.schemas.wire import Document, moment_of, moment_text
from orchestration.domain.states import State

# The input that names the runs inside which a run was made, instead of those whose results it was given.
PARENTS = "__parents__"


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
        "start_time": run["start_time"] or run["expected_start_time"],
        "end_time": run["end_time"],
        "root_node_ids": [key for key, node in ordered if not node["parents"]],
        "nodes": [[key, node] for key, node in ordered if _is_recent(node, since)],
        "artifacts": held.get(None, []),
        "states": [
            {"id": str(state.id), "timestamp": moment_text(state.timestamp), "type": state.type, "name": state.name}
            for state in states
        ],
    }


def _node(task: Document, subflow: Document | None, names: Mapping[str, str], artifacts: list[Document]) -> Document:
    shown = subflow or task
    is_done = task["state_type"] == "COMPLETED"
    return {
        "kind": "flow-run" if subflow else "task-run",
        "id": shown["id"],
        "label": f"{subflow['flow_name']} / {subflow['name']}" if subflow else task["name"],
        "state_type": shown["state_type"],
        "start_time": shown["start_time"] or shown["expected_start_time"],
        "end_time": shown["end_time"] or task["end_time"] or (task["expected_start_time"] if is_done else None),
        "parents": _edges(task, names, are_parents=False),
        "children": [],
        "encapsulating": _edges(task, names, are_parents=True),
        "artifacts": artifacts,
    }


def _edges(task: Document, names: Mapping[str, str], are_parents: bool) -> list[Document]:
    found = dict.fromkeys(names.get(each, each) for each in _runs(task, are_parents))
    return [{"id": each} for each in found]


def _runs(task: Document, are_parents: bool) -> Iterator[str]:
    for name, given in task["task_inputs"].items():
        if (name == PARENTS) is are_parents:
            yield from (str(each["id"]) for each in given if isinstance(each, Mapping) and "id" in each)


def _artifact(document: Document) -> Document:
    """What a graph shows of an artifact; of its data, only how far a progress has come."""
    data = document["data"] if document["type"] == "progress" else None
    return {**{name: document[name] for name in ("id", "created", "key", "type", "is_latest")}, "data": data}


def _is_recent(node: Document, since: datetime) -> bool:
    times = (moment_of(node["end_time"]), moment_of(node["start_time"]))
    return node["end_time"] is None or any(moment is not None and moment >= since for moment in times)
