"""Rows of flows, flow runs and their states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.schemas.runs import Flow, FlowRun, Owner, TaskRun
from orchestration.domain.states import State
from orchestration.persistence import values
from orchestration.persistence.database import Database, Row, Transaction

R = TypeVar("R", FlowRun, TaskRun)

Revive = Callable[[Mapping[str, Any]], Any]
"""Turns the document of a stored result into an object that can load it."""

_INSERT = """INSERT INTO flow_run (
    id, flow_id, name, created, updated, flow_version, deployment_id, parameters, context, policy, tags, labels,
    idempotency_key, parent_task_run_id, run_count, expected_start_time, start_time, end_time, total_run_time,
    owner_host, owner_boot, owner_pid, owner_started, deployment_version, work_queue_id, job_variables,
    infrastructure_pid, auto_scheduled, created_by)"""

SELECT_FLOW_RUN = """
SELECT r.*, f.name AS flow_name, s.message AS state_message, s.details AS state_details, s.data AS state_data
FROM flow_run r JOIN flow f ON f.id = r.flow_id LEFT JOIN flow_run_state s ON s.id = r.state_id
"""


def find_or_create_flow(tx: Transaction, flow: Flow) -> Flow:
    """The flow of that name; the given one is stored when there is none."""
    tx.execute(
        "INSERT INTO flow (id, name, created, updated, tags, labels) "
        "VALUES (:id, :name, :created, :created, :tags, :labels) "
        "ON CONFLICT (name) DO NOTHING",
        {
            "id": str(flow.id),
            "name": flow.name,
            "created": values.micros(flow.created),
            "tags": values.encode(flow.tags),
            "labels": values.encode(dict(flow.labels)),
        },
    )
    return flow_from_row(tx.execute("SELECT * FROM flow WHERE name = :name", {"name": flow.name})[0])


def insert_flow_run(tx: Transaction, run: FlowRun) -> None:
    """Store a new flow run, without its state."""
    owner = run.owner
    row = (
        str(run.id),
        str(run.flow_id),
        run.name,
        values.micros(run.created),
        values.micros(run.created),
        run.flow_version,
        values.text_id(run.deployment_id),
        values.encode(dict(run.parameters)),
        values.encode(dict(run.context)),
        values.policy_text(run.policy),
        values.encode(run.tags),
        values.encode(dict(run.labels)),
        run.idempotency_key,
        values.text_id(run.parent_task_run_id),
        run.run_count,
        values.micros_or_none(run.expected_start_time),
        values.micros_or_none(run.start_time),
        values.micros_or_none(run.end_time),
        round(run.total_run_time * 1e6),
        owner and owner.host,
        owner and owner.boot,
        owner and owner.pid,
        owner and owner.started,
        run.deployment_version,
        values.text_id(run.work_queue_id),
        values.encode(dict(run.job_variables)),
        run.infrastructure_pid,
        int(run.auto_scheduled),
        run.created_by and values.encode(dict(run.created_by)),
    )
    tx.insert_many(_INSERT, [row])


def flow_run_by_key(tx: Transaction, flow_id: UUID, idempotency_key: str, revive: Revive) -> FlowRun | None:
    """The run that was created with this idempotency key, if one was."""
    rows = tx.execute(
        SELECT_FLOW_RUN + "WHERE r.flow_id = :flow_id AND r.idempotency_key = :key",
        {"flow_id": str(flow_id), "key": idempotency_key},
    )
    return flow_run_from_row(rows[0], revive) if rows else None


def read_flow_run(source: Database | Transaction, run_id: UUID, revive: Revive) -> FlowRun:
    """The flow run with its current state.

    Raises:
        ObjectNotFound: there is none of that id.
    """
    ask = source.read if isinstance(source, Database) else source.execute
    rows = ask(SELECT_FLOW_RUN + "WHERE r.id = :id", {"id": str(run_id)})
    if not rows:
        raise ObjectNotFound(f"There is no flow run with the id {run_id}.")
    return flow_run_from_row(rows[0], revive)


def write_state(tx: Transaction, run: FlowRun, expected: UUID | None) -> bool:
    """Give the run its new state; false, and nothing is written, when its state is not ``expected`` any more."""
    state = run.state
    assert state is not None and state.timestamp is not None  # noqa: S101 - a proposed state is always stamped
    changed = tx.execute(
        """
        UPDATE flow_run SET state_id = :state_id, state_type = :type, state_name = :name, state_timestamp = :timestamp,
            run_count = :run_count, start_time = :start_time, end_time = :end_time, total_run_time = :total,
            expected_start_time = :expected_start, updated = :timestamp
        WHERE id = :id AND (state_id = :expected OR (state_id IS NULL AND :expected IS NULL)) RETURNING id
        """,
        {
            "id": str(run.id),
            "expected": values.text_id(expected),
            "state_id": str(state.id),
            "type": state.type.value,
            "name": state.name,
            "timestamp": values.micros(state.timestamp),
            "run_count": run.run_count,
            "start_time": values.micros_or_none(run.start_time),
            "end_time": values.micros_or_none(run.end_time),
            "expected_start": values.micros_or_none(run.expected_start_time),
            "total": round(run.total_run_time * 1e6),
        },
    )
    if changed:
        _insert_state(tx, run.id, state)
    return bool(changed)


def _insert_state(tx: Transaction, run_id: UUID, state: State) -> None:
    assert state.timestamp is not None  # noqa: S101 - see write_state
    row = (
        str(state.id),
        str(run_id),
        state.type.value,
        state.name,
        state.message,
        values.micros(state.timestamp),
        values.details_text(state.details),
        values.data_text(state),
    )
    tx.insert_many("INSERT INTO flow_run_state (id, flow_run_id, type, name, message, timestamp, details, data)", [row])


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
    return [(UUID(row["id"]), _known_owner(row)) for row in rows]


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
    tx.execute(
        "UPDATE flow_run SET owner_host = :host, owner_boot = :boot, owner_pid = :pid, owner_started = :started "
        "WHERE id = :id",
        {
            "id": str(run_id),
            "host": owner and owner.host,
            "boot": owner and owner.boot,
            "pid": owner and owner.pid,
            "started": owner and owner.started,
        },
    )


def after(run: R, state: State, now: datetime) -> R:
    """The run once it has taken ``state``: its times (UTC), run count and seconds of running follow from it."""
    changes: dict[str, Any] = {"state": state}
    if run.state is not None and run.state.is_running() and run.state.timestamp is not None:
        changes["total_run_time"] = run.total_run_time + max(0.0, (now - run.state.timestamp).total_seconds())
    if state.is_running():
        resumed = run.state is not None and run.state.is_paused()
        changes["run_count"] = max(1, run.run_count + (0 if resumed else 1))
        changes["start_time"] = run.start_time or now
    if state.is_scheduled():
        changes["expected_start_time"] = state.details.scheduled_time
    changes["end_time"] = now if state.is_final() else None
    return replace(run, **changes)


def flow_from_row(row: Row) -> Flow:
    """The flow of a row."""
    return Flow(
        UUID(row["id"]),
        row["name"],
        values.known_moment(row["created"]),
        tuple(values.decode(row["tags"])),
        values.decode(row["labels"]),
    )


def flow_run_from_row(row: Row, revive: Revive) -> FlowRun:
    """The flow run, with its state, of a row of ``SELECT_FLOW_RUN``."""
    return FlowRun(
        id=UUID(row["id"]),
        flow_id=UUID(row["flow_id"]),
        name=row["name"],
        created=values.known_moment(row["created"]),
        flow_name=row["flow_name"],
        state=_state(row, revive),
        flow_version=row["flow_version"],
        deployment_id=values.id_of(row["deployment_id"]),
        parameters=values.decode(row["parameters"]),
        context=values.decode(row["context"]),
        policy=values.policy_of(row["policy"]),
        tags=tuple(values.decode(row["tags"])),
        labels=values.decode(row["labels"]),
        idempotency_key=row["idempotency_key"],
        parent_task_run_id=values.id_of(row["parent_task_run_id"]),
        run_count=row["run_count"],
        expected_start_time=values.moment(row["expected_start_time"]),
        start_time=values.moment(row["start_time"]),
        end_time=values.moment(row["end_time"]),
        total_run_time=row["total_run_time"] / 1e6,
        owner=_known_owner(row) if row["owner_host"] else None,
        deployment_version=row["deployment_version"],
        work_queue_id=values.id_of(row["work_queue_id"]),
        job_variables=values.decode(row["job_variables"]),
        infrastructure_pid=row["infrastructure_pid"],
        auto_scheduled=bool(row["auto_scheduled"]),
        created_by=row["created_by"] and values.decode(row["created_by"]),
    )


def _state(row: Row, revive: Revive) -> State | None:
    if row["state_id"] is None:
        return None
    fields = {name: row[f"state_{name}"] for name in ("id", "type", "name", "timestamp", "message", "details", "data")}
    return values.state_from_row(fields, revive)


def _known_owner(row: Row) -> Owner:
    return Owner(row["owner_host"], row["owner_boot"], row["owner_pid"], row["owner_started"])
