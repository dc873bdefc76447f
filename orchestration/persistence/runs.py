"""Rows of flows, flow runs and their states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.schemas.runs import FlowRun, Owner, Run
from orchestration.domain.schemas.wire import Revive, record_of
from orchestration.domain.states import State
from orchestration.persistence import documents, values
from orchestration.persistence.columns import to_document, to_row
from orchestration.persistence.database import Database, Row, Transaction

R = TypeVar("R", bound=Run)

_FOLLOWING = (
    "state_id", "state_type", "state_name", "run_count", "start_time", "end_time", "expected_start_time",
    "total_run_time",
)  # fmt: skip
"""What of a flow run changes with its state."""

SELECT_FLOW_RUN = """
SELECT r.*, f.name AS flow_name, s.message AS state_message, s.details AS state_details, s.data AS state_data
FROM flow_run r JOIN flow f ON f.id = r.flow_id LEFT JOIN flow_run_state s ON s.id = r.state_id
"""


def flow_id_of(tx: Transaction, name: str, new_id: UUID, now: datetime) -> UUID:
    """The id of the flow of that name; it is made, with ``new_id``, when there is none."""
    row = to_row("flows", {"id": new_id, "name": name, "created": now, "updated": now})
    tx.insert_many(f"INSERT INTO flow ({', '.join(row)})", [tuple(row.values())], "ON CONFLICT (name) DO NOTHING")
    return UUID(tx.execute("SELECT id FROM flow WHERE name = :name", {"name": name})[0]["id"])


def insert_flow_run(tx: Transaction, run: FlowRun) -> None:
    """Store a new flow run, without its state."""
    given = {field.name: getattr(run, field.name) for field in fields(run)}
    row = to_row("flow_runs", {**given, **owner_columns(run.owner), "updated": run.created})
    tx.insert_many(f"INSERT INTO flow_run ({', '.join(row)})", [tuple(row.values())])


def flow_run_by_key(tx: Transaction, flow_id: UUID, idempotency_key: str, revive: Revive) -> FlowRun | None:
    """The run that was created with this idempotency key, if one was; until this transaction ends, nobody makes one."""
    tx.lock(f"flow {flow_id}, key {idempotency_key}")
    rows = tx.execute(
        SELECT_FLOW_RUN + "WHERE r.flow_id = :flow_id AND r.idempotency_key = :key",
        {"flow_id": str(flow_id), "key": idempotency_key},
    )
    return flow_run_from_row(rows[0], revive) if rows else None


def read_flow_run(source: Database | Transaction, run_id: UUID, revive: Revive) -> FlowRun:
    """The flow run with its current state; one that a transaction reads, no other one changes before its end.

    Raises:
        ObjectNotFound: there is none of that id.
    """
    if isinstance(source, Database):
        ask = source.read
    else:
        source.lock(f"flow run {run_id}")
        ask = source.execute
    rows = ask(SELECT_FLOW_RUN + "WHERE r.id = :id", {"id": str(run_id)})
    if not rows:
        raise ObjectNotFound(f"There is no flow run with the id {run_id}.")
    return flow_run_from_row(rows[0], revive)


def write_state(tx: Transaction, run: FlowRun, expected: UUID | None) -> bool:
    """Give the run its new state; false, and nothing is written, when its state is not ``expected`` any more."""
    state = run.state
    assert state is not None and state.timestamp is not None  # noqa: S101 - a proposed state is always stamped
    changes = {name: getattr(run, name) for name in _FOLLOWING}
    row = to_row("flow_runs", {**changes, "state_timestamp": state.timestamp, "updated": state.timestamp})
    sets = ", ".join(f"{name} = :{name}" for name in row)
    changed = tx.execute(
        f"UPDATE flow_run SET {sets} WHERE id = :id "  # noqa: S608 - names of columns
        "AND (state_id = :expected OR (state_id IS NULL AND :expected IS NULL)) RETURNING id",
        {**row, "id": str(run.id), "expected": values.text_id(expected)},
    )
    if changed:
        told = {"id": state.id, "flow_run_id": run.id, "type": state.type, "name": state.name, "message": state.message}
        stored = to_row("flow_run_states", {**told, "timestamp": state.timestamp})
        stored |= {"details": values.details_text(state.details), "data": values.data_text(state)}
        tx.insert_many(f"INSERT INTO flow_run_state ({', '.join(stored)})", [tuple(stored.values())])
    return bool(changed)


def read_states(db: Database, run_id: UUID, revive: Revive) -> list[State]:
    """All states of a flow run, oldest first."""
    rows = db.read("SELECT * FROM flow_run_state WHERE flow_run_id = :id ORDER BY timestamp, id", {"id": str(run_id)})
    return [values.state_from_row(row, revive) for row in rows]


def unfinished_of_host(db: Database, host: str) -> list[tuple[UUID, Owner]]:
    """The runs that have not ended and whose process lives, or lived, on this host.

    A run that waits for its retry or for a person waits in its process, and dies with it as well.
    """
    rows = db.read(
        "SELECT id, owner_host, owner_boot, owner_pid, owner_started FROM flow_run WHERE state_type IN "
        "('SCHEDULED', 'PENDING', 'RUNNING', 'PAUSED', 'CANCELLING') AND owner_host = :host",
        {"host": host},
    )
    return owned(rows)


def unfinished_subflows(tx: Transaction, run_id: UUID) -> list[UUID]:
    """The runs that have not ended and that this flow run's task runs stand for."""
    rows = tx.execute(
        "SELECT r.id FROM task_run t JOIN flow_run r ON r.parent_task_run_id = t.id WHERE t.flow_run_id = :run "
        "AND r.state_type NOT IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED')",
        {"run": str(run_id)},
    )
    return [UUID(row["id"]) for row in rows]


def set_owner(tx: Transaction, run_id: UUID, owner: Owner | None) -> None:
    """Note which process the run lives in from now on."""
    documents.update(tx, "flow_runs", owner_columns(owner), {"id": run_id})


def owned(rows: Sequence[Row]) -> list[tuple[UUID, Owner]]:
    """The ids of rows, each with the process that holds it."""
    return [(UUID(row["id"]), _known_owner(row)) for row in rows]


def owner_columns(owner: Owner | None) -> dict[str, Any]:
    """The columns that tell which process holds a row."""
    return {f"owner_{name}": owner and getattr(owner, name) for name in Owner.__slots__}


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


def flow_run_from_row(row: Row, revive: Revive) -> FlowRun:
    """The flow run, with its state, of a row of ``SELECT_FLOW_RUN``."""
    document = {**to_document("flow_runs", row), "flow_name": row["flow_name"]}
    state = values.state_from_row(row, revive, "state_") if row["state_id"] is not None else None
    owner = _known_owner(row) if row["owner_host"] else None
    return record_of(FlowRun, document, state=state, policy=values.policy_of(row["policy"]), owner=owner)


def _known_owner(row: Row) -> Owner:
    return Owner(row["owner_host"], row["owner_boot"], row["owner_pid"], row["owner_started"])
