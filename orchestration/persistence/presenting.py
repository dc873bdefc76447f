"""From a row of a listing to the document that the REST interface shows, with what follows from the row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from orchestration.domain.schemas.wire import PROCESS_LABEL, Document, state_document
from orchestration.persistence import values
from orchestration.persistence.database import Row
from orchestration.persistence.documents import HIDDEN, to_document

RUNS = ("flow_runs", "task_runs")

# After so many heartbeats that did not come a worker counts as offline, as with Prefect; statements know it as well.
HEARTBEATS_MISSED = 3
HEARTBEAT_SECONDS = 30


def present(resource: str, row: Row, now: datetime) -> Document:
    """The document of a row, as seen at ``now`` (UTC)."""
    document = run_document(resource, row) if resource in RUNS else to_document(resource, row, shown=True)
    add = _ADDITIONS.get(resource)
    if add is not None:
        add(document, row, now)
    document.setdefault("updated", document.get("created"))
    for name in HIDDEN:
        document.pop(name, None)
    return document


def run_document(resource: str, row: Row) -> Document:
    """The document of a flow run or task run, with its state: what of it does not depend on the time."""
    document, is_task = to_document(resource, row, shown=True), resource == "task_runs"
    document["empirical_policy"], document["state"] = document["policy"], None
    if row["state_id"]:
        held = values.state_in(row["history"], row["state_id"]) if is_task else values.state_from_row(row, "state_")
        document["state"] = state_document(held)
    if is_task:  # what all states of a run say alike is not written with each, and what is empty not at all
        document["state"]["state_details"].update(flow_run_id=row["flow_run_id"], task_run_id=row["id"])
        document |= {"tags": document["tags"] or [], "labels": document["labels"] or {}}
        document["task_inputs"] = document["task_inputs"] or {}
    elif row["owner_host"] is None:  # no process holds the run any more
        document["labels"].pop(PROCESS_LABEL, None)
    return document


def _run(document: Document, row: Row, now: datetime) -> None:
    instant, began, expected = values.micros(now), row["start_time"], row["expected_start_time"]
    running = instant - row["state_timestamp"] if row["state_type"] == "RUNNING" else 0
    late = max(0, (began or instant) - expected) if expected and (began or not row["end_time"]) else 0
    document["estimated_run_time"] = (row["total_run_time"] + max(0, running)) / 1e6
    document["estimated_start_time_delta"] = late / 1e6
    document["updated"] = document["state"]["timestamp"] if document["state"] else document["created"]


def _log(document: Document, _row: Row, _now: datetime) -> None:
    document["id"] = str(UUID(int=document["sequence"]))


def _asked_for(document: Document, row: Row, now: datetime) -> None:
    """What workers take runs from is ready as long as they have shown life, or asked for its runs, lately."""
    status = "READY" if _is_there(row, now) else "NOT_READY"
    document["status"] = "PAUSED" if document.get("is_paused") else status


def _block_document(document: Document, _row: Row, _now: datetime) -> None:
    """The values are sealed; the block store opens them."""
    del document["data"]


def _worker(document: Document, row: Row, now: datetime) -> None:
    document["status"] = "ONLINE" if _is_there(row, now) else "OFFLINE"


def _is_there(row: Row, now: datetime) -> bool:
    return (row["ready_until"] or 0) >= values.micros(now)


_ADDITIONS: Mapping[str, Callable[[Document, Row, datetime], None]] = {
    **dict.fromkeys(RUNS, _run), "logs": _log,
    **dict.fromkeys(("work_pools", "work_queues", "deployments"), _asked_for),
    "block_documents": _block_document, "workers": _worker,
}  # fmt: skip
