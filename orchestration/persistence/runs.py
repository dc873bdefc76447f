"""Rows of flows, flow runs and their states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from orchestration.domain.schemas.runs import FlowRun, Owner, Run
from orchestration.domain.schemas.wire import Revive, record_of
from orchestration.domain.states import State
from orchestration.persistence import documents, values
from orchestration.persistence.database import Database, Row, Transaction
from orchestration.persistence.statements import STATEMENTS

R = TypeVar("R", bound=Run)

_FOLLOWING = (
    "state_id", "state_type", "state_name", "run_count", "start_time", "end_time", "expected_start_time",
    "total_run_time",
)  # fmt: skip
"""What of a flow run changes with its state."""


def flow_id_of(tx: Transaction, name: str, new_id: UUID, now: datetime) -> UUID:
    """The id of the flow of that name; it is made, with ``new_id``, when there is none."""
    documents.insert_many(tx, "flows", [{"id": new_id, "name": name, "created": now, "updated": now}])
    return UUID(documents.rows(tx, "flows", {"name": name})[0]["id"])


def insert_flow_run(tx: Transaction, run: FlowRun) -> None:
    """Store a new flow run, without its state."""
    given = {field.name: getattr(run, field.name) for field in fields(run)}
    documents.insert(tx, "flow_runs", {**given, **owner_columns(run.owner), "updated": run.created})


def flow_run_by_key(tx: Transaction, flow_id: UUID, idempotency_key: str, revive: Revive) -> FlowRun | None:
    """The run that was created with this idempotency key, if one was; until this transaction ends, nobody makes one."""
    tx.lock(f"flow {flow_id}, key {idempotency_key}")
    rows = documents.rows(tx, "flow_runs", {"flow_id": flow_id, "idempotency_key": idempotency_key})
    return _flow_run(rows[0], revive) if rows else None


def read_flow_run(source: documents.Source, run_id: UUID, revive: Revive) -> FlowRun:
    """The flow run with its current state; one that a transaction reads, no other one changes before its end.

    Raises:
        ObjectNotFound: there is none of that id.
    """
    return _flow_run(documents.locked_row(source, "flow_runs", run_id), revive)


def write_state(tx: Transaction, run: FlowRun, expected: UUID | None) -> bool:
    """Give the run its new state; false, and nothing is written, when its state is not ``expected`` any more."""
    state = run.state
    assert state is not None and state.timestamp is not None  # noqa: S101 - a proposed state is always stamped
    changes = {name: getattr(run, name) for name in _FOLLOWING}
    changes |= {"state_timestamp": state.timestamp, "updated": state.timestamp}
    changed = documents.update(tx, "flow_runs", changes, {"id": run.id, "state_id": expected})
    if changed:
        told = {name: getattr(state, name) for name in ("id", "type", "name", "message", "timestamp")}
        said = {"details": values.details_text(state.details), "data": values.data_text(state)}
        documents.insert(tx, "flow_run_states", {**told, **said, "flow_run_id": run.id})
    return bool(changed)


def read_states(db: Database, run_id: UUID, revive: Revive) -> list[State]:
    """All states of a flow run, oldest first."""
    rows = documents.rows(db, "flow_run_states", {"flow_run_id": run_id}, order="timestamp, id")
    return [values.state_from_row(row, revive) for row in rows]


def unfinished_of_host(db: Database, host: str) -> list[tuple[UUID, Owner]]:
    """The runs that have not ended and whose process lives, or lived, on this host."""
    return owned(db.read(STATEMENTS["unfinished_of_host"], {"host": host}))


def unfinished_subflows(tx: Transaction, run_id: UUID) -> list[UUID]:
    """The runs that have not ended and that this flow run's task runs stand for."""
    return [UUID(row["id"]) for row in tx.execute(STATEMENTS["unfinished_subflows"], {"run": str(run_id)})]


def set_owner(tx: Transaction, run_id: UUID, owner: Owner | None) -> None:
    """Note which process the run lives in from now on."""
    documents.update(tx, "flow_runs", owner_columns(owner), {"id": run_id})


def owned(rows: Sequence[Row]) -> list[tuple[UUID, Owner]]:
    """The ids of rows, each with the process that holds it."""
    return [(UUID(row["id"]), _owner(row)) for row in rows]


def owner_columns(owner: Owner | None) -> dict[str, Any]:
    """The columns that tell which process holds a row."""
    return {f"owner_{name}": owner and getattr(owner, name) for name in Owner.__slots__}


def _owner(row: Row) -> Owner:
    return Owner(*(row[f"owner_{name}"] for name in Owner.__slots__))


def after(run: R, state: State, now: datetime) -> R:
    """The run once it has taken ``state``: its times (UTC), run count and seconds of running follow from it."""
    changes: dict[str, Any] = {"state": state}
    now = state.timestamp or now  # the state may have waited for its server
    if run.state is not None and run.state.is_running() and run.state.timestamp is not None:
        changes["total_run_time"] = run.total_run_time + max(0.0, (now - run.state.timestamp).total_seconds())
    if state.is_running():
        resumed = run.state is not None and run.state.is_paused()
        changes["run_count"] = max(1, run.run_count + (0 if resumed else 1))
        changes["start_time"] = run.start_time or now
    if state.is_scheduled():
        changes["expected_start_time"] = state.details.scheduled_time or run.expected_start_time
    changes["end_time"] = now if state.is_final() else None
    return run.evolve(**changes)


def _flow_run(row: Row, revive: Revive) -> FlowRun:
    state = values.state_from_row(row, revive, "state_") if row["state_id"] is not None else None
    owner = _owner(row) if row["owner_host"] else None
    document = documents.to_document("flow_runs", row, shown=True)
    return record_of(FlowRun, document, state=state, policy=values.policy_of(row["policy"]), owner=owner)
