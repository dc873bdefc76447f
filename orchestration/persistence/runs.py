"""Rows of flow runs and task runs, of their states, and of what they log; and what is shown of rows of any kind.

A flow run's states are rows of their own, written one by one. Task runs are written in batches, a task run's whole
history in its own row: it has three states or more, and nobody asks for one of them alone; a line of JSON each,
appended to the row, costs a quarter of rows of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any, TypeVar
from uuid import UUID

from orchestration.domain.errors import ObjectAlreadyExists
from orchestration.domain.schemas import wire
from orchestration.domain.schemas.runs import PENDING, FlowRun, LogRow, Owner, Run, TaskRun, TaskRunChange
from orchestration.domain.schemas.wire import Document, Revive, flow_run_of, plain, record_of, task_run_of
from orchestration.domain.states import NO_DATA, NO_DETAILS, Crashed, State, StateDetails, StateType, StoredResult
from orchestration.persistence import documents
from orchestration.persistence.database import STATEMENTS, Database, Row, Transaction
from orchestration.persistence.documents import decode, encode, micros, micros_of, moment, policy_text, to_document

R = TypeVar("R", bound=Run)


def flow_id_of(tx: Transaction, name: str, new_id: UUID, now: datetime) -> UUID:
    """The id of the flow of that name; it is made, with ``new_id``, when there is none."""
    flow = {"id": new_id, "name": name, "created": now, "updated": now}
    with suppress(ObjectAlreadyExists):
        documents.insert(tx, "flows", flow)
    return UUID(documents.read(tx, "flows", {"name": name})[0]["id"])


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
    changes = {name: getattr(run, name) for name in documents.FOLLOWING}
    changes |= {"state_timestamp": state.timestamp, "updated": state.timestamp}
    changed = documents.update(tx, "flow_runs", changes, {"id": run.id, "state_id": expected})
    if changed:
        told = {name: getattr(state, name) for name in ("id", "type", "name", "message", "timestamp")}
        said = {"details": details_text(state.details), "data": data_text(state)}
        documents.insert(tx, "flow_run_states", {**told, **said, "flow_run_id": run.id})
    return bool(changed)


def read_states(db: Database, run_id: UUID, revive: Revive) -> list[State]:
    """All states of a flow run, oldest first."""
    rows = documents.rows(db, "flow_run_states", {"flow_run_id": run_id}, order="timestamp, id")
    return [state_from_row(row, revive=revive) for row in rows]


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
    run = flow_run_of(run_document("flow_runs", row), revive)
    return run.evolve(owner=_owner(row) if row["owner_host"] else None)


def write_task_runs(tx: Transaction, changes: Sequence[TaskRunChange], owner: Owner | None) -> None:
    """Store task runs, each with the states that are new since it was last stored.

    Batches may come in any order, and again: a run's row shows its newest state, an end before all others.
    A run outside flow runs is noted as living in the process ``owner``, since no flow run tells of it.
    """
    living_in = encode([getattr(owner, name) for name in Owner.__slots__]) if owner is not None else None
    rounds: list[dict[str, tuple[Any, ...]]] = [{}]  # a statement of PostgreSQL's changes a row only once
    for row in sorted((_row(change, living_in) for change in changes), key=itemgetter(0)):  # all lock in one order
        if row[0] in rounds[-1]:
            rounds.append({})
        rounds[-1][row[0]] = row
    for rows in rounds:
        tx.insert_many(STATEMENTS["insert_task_runs"], list(rows.values()), STATEMENTS["update_task_runs"])


def write_logs(tx: Transaction, rows: Sequence[LogRow]) -> None:
    """Store log lines, in the order in which they were logged.

    The lines of a run get their numbers in the order in which they can be seen, or who follows them would miss some.
    """
    tx.lock(*{f"log of {row[4]}" for row in rows})
    tx.insert_many(STATEMENTS["insert_logs"], rows)


def crash_task_runs(tx: Transaction, flow_run_id: UUID, now: datetime, message: str, new_id: Callable[[], UUID]) -> int:
    """End all task runs of a flow run that have not ended; the number of them."""
    rows = tx.execute(STATEMENTS["unfinished_task_runs"], {"run": str(flow_run_id)})
    return sum(crash_task_run(tx, UUID(row["id"]), now, message, new_id) for row in rows)


def crash_task_run(tx: Transaction, run_id: UUID, now: datetime, message: str, new_id: Callable[[], UUID]) -> bool:
    """End a task run; false when it has ended already."""
    state = Crashed(message, timestamp=now).evolve(id=new_id())
    of_state = {"state_id": str(state.id), "type": state.type.value, "name": state.name, "at": micros(now)}
    params = {"id": str(run_id), **of_state, "line": history_line(state)}
    return bool(tx.execute(STATEMENTS["crash_task_run"], params))


def unfinished_without_flow(db: Database) -> list[tuple[UUID, Owner]]:
    """The task runs outside flow runs that have not ended, each with the process that it lives, or lived, in."""
    rows = db.read(STATEMENTS["unfinished_without_flow"])
    return [(UUID(row["id"]), Owner(*decode(row["owner"]))) for row in rows]


def read_task_run(source: documents.Source, run_id: UUID, revive: Revive) -> TaskRun:
    """The task run with its current state; one that a transaction reads, no other one reads so before its end.

    Raises:
        ObjectNotFound: there is none of that id.
    """
    return task_run_of(run_document("task_runs", documents.locked_row(source, "task_runs", run_id)), revive)


def read_task_run_states(db: Database, run_id: UUID, revive: Revive) -> list[State]:
    """All states of a task run, oldest first."""
    rows = documents.rows(db, "task_runs", {"id": run_id})
    return states_of(rows[0]["history"], revive) if rows else []


def _row(change: TaskRunChange, living_in: str | None) -> tuple[Any, ...]:
    record, states, is_new = change
    run_id, created = str(record.id), micros(record.created)
    flow_run_id = record.flow_run_id and str(record.flow_run_id)
    history = [history_line(state, record.details) for state in states]
    if is_new:
        born = PENDING.evolve(id=record.id, timestamp=record.created)
        history.insert(0, history_line(born))
        states = [born, *states]
    state = states[-1]
    return (
        run_id, flow_run_id, record.name, record.task_key, record.dynamic_key, created,
        record.task_version, record.cache_key, policy_text(record.policy),
        encode(record.tags) if record.tags else None, None,
        encode(record.task_inputs) if record.task_inputs else None, str(state.id), state.type.value, state.name,
        micros_of(state.timestamp), record.run_count, record.flow_run_run_count, created,
        micros_of(record.start_time), micros_of(record.end_time),
        round(record.total_run_time * 1e6), living_in if flow_run_id is None and not state.is_final() else None,
        "".join(history),
    )


# -- states in columns -------------------------------------------------------------------------------------------------

STATE_FIELDS = ("id", "type", "name", "timestamp", "message", "details", "data")


def details_text(details: StateDetails) -> str | None:
    """The column text of what a state says beyond type and name; ``None`` when it says nothing."""
    if details is NO_DETAILS:
        return None
    given = ((name, getattr(details, name)) for name in StateDetails.__slots__)
    kept = {name: plain(value) for name, value in given if value != getattr(NO_DETAILS, name)}
    return encode(kept) if kept else None


def data_text(state: State) -> str | None:
    """The column text of where a state's result lies; results themselves never enter the database."""
    return encode(state.data.as_document()) if isinstance(state.data, StoredResult) else None


def history_line(state: State, common: StateDetails = NO_DETAILS) -> str:
    """One state as a line of a task run's history; details that are ``common`` to the run are left out."""
    details = None if state.details is common else details_text(state.details)
    at = micros_of(state.timestamp) or 0
    if details is None and state.message is None and not isinstance(state.data, StoredResult) and state.name.isalpha():
        return f'["{state.id}","{state.type}","{state.name}",{at},null,null,null]\n'  # most lines; 5 times as quick
    return encode((str(state.id), state.type, state.name, at, state.message, details, data_text(state))) + "\n"


def states_of(history: str, revive: Revive) -> list[State]:
    """The states of a task run's history, oldest first, whatever the order or number of times they came in."""
    states = {line: _state(decode(line), revive) for line in history.splitlines()}
    return sorted(states.values(), key=attrgetter("timestamp"))


def state_in(history: str, state_id: str, revive: Revive = StoredResult) -> State:
    """The state of that id in a task run's history."""
    start = history.rindex(f'["{state_id}"')
    return _state(decode(history[start : history.index("\n", start)]), revive)


def _state(fields: list[Any], revive: Revive) -> State:
    state_id, state_type, name, timestamp, message, details, data = fields
    said = record_of(StateDetails, decode(details)) if details else NO_DETAILS
    value = revive(decode(data)) if data else NO_DATA
    return State(StateType(state_type), name, message, value, said, moment(timestamp), UUID(state_id))


def state_from_row(row: Mapping[str, Any], prefix: str = "", revive: Revive = StoredResult) -> State:
    """The state that a row holds in columns whose names begin with ``prefix``."""
    return _state([row[prefix + name] for name in STATE_FIELDS], revive)


# -- what is shown -----------------------------------------------------------------------------------------------------

RUNS = ("flow_runs", "task_runs")

# After so many heartbeats that did not come a worker counts as offline, as with Prefect; statements know it as well.
HEARTBEATS_MISSED = 3
HEARTBEAT_SECONDS = 30


def present(resource: str, row: Row, now: datetime) -> Document:
    """The document of a row, as seen at ``now`` (UTC)."""
    document = run_document(resource, row) if resource in RUNS else to_document(resource, row, shown=True)
    if resource in RUNS:
        document |= _times_of_run(document, row, micros(now))
    if words := _STATUS.get(resource):
        status = words[(row["ready_until"] or 0) < micros(now)]
        document["status"] = "PAUSED" if document.get("is_paused") else status
    if resource == "logs":
        document["id"] = str(UUID(int=document["sequence"]))
    if resource == "block_documents":  # the values are sealed; the block store opens them
        del document["data"]
    document.setdefault("updated", document.get("created"))
    for name in documents.HIDDEN:
        document.pop(name, None)
    return document


def run_document(resource: str, row: Row) -> Document:
    """The document of a flow run or task run, with its state: what of it does not depend on the time."""
    document, is_task = to_document(resource, row, shown=True), resource == "task_runs"
    document["empirical_policy"], document["state"] = document["policy"], None
    if row["state_id"]:
        held = state_in(row["history"], row["state_id"]) if is_task else state_from_row(row, "state_")
        document["state"] = wire.state_document(held)
    if is_task:  # what all states of a run say alike is not written with each, and what is empty not at all
        document["state"]["state_details"].update(flow_run_id=row["flow_run_id"], task_run_id=row["id"])
        document |= {"tags": document["tags"] or [], "labels": document["labels"] or {}}
        document["task_inputs"] = document["task_inputs"] or {}
    elif row["owner_host"] is None:  # no process holds the run any more
        document["labels"].pop(wire.PROCESS_LABEL, None)
    return document


def _times_of_run(document: Document, row: Row, instant: int) -> Document:
    """What of a run's times depends on the time of looking, in seconds, and when it changed last."""
    began, expected = row["start_time"], row["expected_start_time"]
    running = instant - row["state_timestamp"] if row["state_type"] == "RUNNING" else 0
    late = max(0, (began or instant) - expected) if expected and (began or not row["end_time"]) else 0
    return {
        "estimated_run_time": (row["total_run_time"] + max(0, running)) / 1e6, "estimated_start_time_delta": late / 1e6,
        "updated": document["state"]["timestamp"] if document["state"] else document["created"],
    }


# What is said of those that show life, or are asked for runs, and of those that have not for too long.
_STATUS = {
    **dict.fromkeys(("work_pools", "work_queues", "deployments"), ("READY", "NOT_READY")),
    "workers": ("ONLINE", "OFFLINE"),
}
