"""Rows that are read and written as JSON documents, whatever the table.

The tables are data: one description, read from what the migrations say of them, serves the statements here, the
listings, and the way between a row and the JSON document that travels over the wire.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.retries import RetryPolicy
from orchestration.domain.schemas.wire import Document, moment_text, policy_document, policy_of
from orchestration.persistence import values
from orchestration.persistence.database import Database, Row, Transaction
from orchestration.persistence.migrations import migrations
from orchestration.persistence.statements import STATEMENTS

MANY = 2**62
"""A limit that limits nothing."""

_TABLES = {
    "flows": "flow name", "flow_runs": "flow_run", "flow_run_states": "flow_run_state", "task_runs": "task_run",
    "logs": "log", "artifacts": "artifact", "artifact_collections": "artifact_collection key",
    "variables": "variable name", "inputs": "flow_run_input flow_run_id key", "deployments": "deployment flow_id name",
    "schedules": "deployment_schedule", "work_pools": "work_pool name", "work_queues": "work_queue work_pool_id name",
    "workers": "worker work_pool_id name", "block_types": "block_type slug",
    "block_schemas": "block_schema checksum version", "block_documents": "block_document block_type_id name",
    "block_references": "block_document_reference parent_block_document_id name", "events": "event id",
    "concurrency_limits": "concurrency_limit name", "leases": "concurrency_lease id limit_id",
    "run_claims": "run_claim flow_run_id", "api_keys": "api_key name", "audit": "audit", "settings": "setting name",
}
"""By resource: its table, and the columns that make a row unique besides its id."""
_BY_TYPE = {"BIGINT": "time", "INTEGER": "number", "{sequence}": "number", "DOUBLE": "number"}
_NAMES = {
    "json": "tags labels parameters context job_variables created_by updated_by data metadata version_info task_inputs "
    "concurrency_options parameter_openapi_schema pull_steps schedule base_job_template storage_configuration filter "
    "fields capabilities resource related payload",
    "flag": "auto_scheduled paused enforce_parameter_schema active is_paused is_protected is_anonymous",
    "duration": "total_run_time", "policy": "policy", "value": "value", "time": "next_scheduled_start_time",
}
_BY_NAME = {
    **{name: kind for kind, names in _NAMES.items() for name in names.split()},
    "block_document.data": "text",  # sealed
    "flow_run_state.data": "text",
    "flow_run_input.value": "text",
    "run_claim.expires": "number",
    "deployment_schedule.replan": "number",
    "concurrency_lease.expires": "number",  # microseconds that may lie beyond the last of dates
}
"""What is in a column: told by its name, with its table where tables differ, or else by its type."""
_FILTERED = (
    "deployment", "flow_or_deployment_name", "parent_flow_run_id", "subflow_runs", "text", "block_capabilities",
)  # fmt: skip
"""What listings can be narrowed by, and show nothing of."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A table: ``columns`` by name with their kind, ``key`` what makes a row unique besides its id.

    ``source`` is the SELECT that adds to its rows what follows from others; ``names`` are all columns of that one,
    ``shown`` those that a document has, with their kind, and ``select`` asks for these.
    """

    table: str
    key: tuple[str, ...]
    columns: Mapping[str, str]
    source: str
    names: Sequence[str]
    shown: Mapping[str, str]
    select: str


def _spec(sql: str, resource: str, table: str, *key: str) -> Spec:
    made = re.findall(rf"CREATE TABLE {table} \((.*?)\n\);", sql, re.DOTALL)[0]
    added = re.findall(rf"ALTER TABLE {table} ADD COLUMN (\w+) (\S+?)\b", sql)
    typed = [*re.findall(r"^    ([a-z_]+) ([\w{}]+)", made, re.MULTILINE), *added]
    source = STATEMENTS.get(resource, f"SELECT * FROM {table}")  # noqa: S608 - a fixed text
    further = [(name, "TEXT") for name in re.findall(r" AS (\w+)", source)]
    kinds = {
        name: _BY_NAME.get(f"{table}.{name}") or _BY_NAME.get(name) or _BY_TYPE.get(kind, "text")
        for name, kind in (*typed, *further)
    }
    columns = {name: kinds[name] for name, _ in typed}
    shown = {name: kind for name, kind in kinds.items() if name not in _FILTERED}
    select = f"SELECT {', '.join(shown)} FROM ({source}) AS shown"  # noqa: S608 - a fixed text
    return Spec(table, key, columns, source, tuple(kinds), shown, select)


_SQL = "".join(sql for _, sql in migrations())
SPECS: Mapping[str, Spec] = {resource: _spec(_SQL, resource, *words.split()) for resource, words in _TABLES.items()}


def micros_of(value: Any) -> int | None:
    """A time of a document as a column has it."""
    if value is None or isinstance(value, int):
        return value
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return values.micros(moment if moment.tzinfo else moment.astimezone())


def _decoded(text: str | None) -> Any:
    """What a column of JSON holds; most of them hold nothing, and a listing reads two thousand at once."""
    if text is None or text == "null":
        return None
    return {} if text == "{}" else [] if text == "[]" else values.decode(text)


_READ: Mapping[str, Callable[[Any], Any]] = {
    "json": _decoded, "value": values.decode, "time": lambda value: moment_text(values.moment(value)), "flag": bool,
    "duration": lambda value: (value or 0) / 1e6, "policy": lambda value: policy_document(values.policy_of(value)),
}
_WRITE: Mapping[str, Callable[[Any], Any]] = {
    "json": lambda value: None if value is None else values.encode(value), "value": values.encode, "time": micros_of,
    "flag": lambda value: None if value is None else int(value), "duration": lambda value: round(value * 1e6),
    "text": lambda value: None if value is None else str(value),
    "policy": lambda value: values.policy_text(value if isinstance(value, RetryPolicy) else policy_of(value)),
}


def to_row(resource: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that a document sets, by name; what the table has no column for is left out."""
    kinds = SPECS[resource].columns
    given = {name: value for name, value in document.items() if name in kinds}
    return {name: _WRITE[kinds[name]](value) if kinds[name] in _WRITE else value for name, value in given.items()}


def to_document(resource: str, row: Row, shown: bool = False) -> Document:
    """The document of a row; with ``shown``, what it shows of other rows included."""
    kinds = (SPECS[resource].shown if shown else SPECS[resource].columns).items()
    return {name: _READ[kind](row[name]) if kind in _READ else row[name] for name, kind in kinds}


def insert(tx: Transaction, resource: str, document: Mapping[str, Any], overwrite: bool = False) -> Document:
    """Store a document; the answer is what is stored, since one that is replaced keeps its id and birth.

    Raises:
        ObjectAlreadyExists: there is one of the same key, and ``overwrite`` is false.
    """
    spec, row = SPECS[resource], to_row(resource, document)
    changing = [name for name in row if name not in ("id", "created", *spec.key)]
    keep = "DO NOTHING"
    if overwrite and spec.key:
        keep = f"({', '.join(spec.key)}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in changing)}"
    stored = tx.execute(
        f"INSERT INTO {spec.table} ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)}) "  # noqa: S608
        f"ON CONFLICT {keep} RETURNING *",
        row,
    )
    if not stored:
        key = {name: row[name] for name in spec.key or ("id",)}
        raise ObjectAlreadyExists(f"There is already {_describe(resource, key)}.")
    return to_document(resource, stored[0])


def insert_many(tx: Transaction, resource: str, documents: Sequence[Mapping[str, Any]]) -> None:
    """Store documents that all have the same fields; those that are there already are left as they are."""
    rows = [to_row(resource, document) for document in documents]
    if rows:
        insert_into = f"INSERT INTO {SPECS[resource].table} ({', '.join(rows[0])})"
        tx.insert_many(insert_into, [tuple(row.values()) for row in rows], "ON CONFLICT DO NOTHING")


def rows(
    source: Database | Transaction, resource: str, keys: Mapping[str, Any], limit: int = MANY, order: str = "id DESC"
) -> list[Row]:
    """The rows whose columns have these values, with what they show of others; newest first, or in another order."""
    ask = source.read if isinstance(source, Database) else source.execute
    ordered = f" ORDER BY {order}" if "id" in SPECS[resource].columns else ""
    sql = f"{SPECS[resource].select} WHERE {_equal(keys)}{ordered} LIMIT {limit}"
    return ask(sql, to_row(resource, keys))


def read(source: Database | Transaction, resource: str, keys: Mapping[str, Any]) -> list[Document]:
    """The documents whose columns have these values, newest first."""
    return [to_document(resource, row) for row in rows(source, resource, keys)]


def not_found(resource: str, keys: Mapping[str, Any]) -> ObjectNotFound:
    """The error that tells what is not there."""
    return ObjectNotFound(f"There is no {_describe(resource, keys)}.")


def update(tx: Transaction, resource: str, changes: Mapping[str, Any], keys: Mapping[str, Any]) -> list[Document]:
    """Change fields of the documents whose columns have these values; those documents, as they are then."""
    row = to_row(resource, changes)
    if not row:
        return read(tx, resource, keys)
    sets = ", ".join(f"{name} = :new_{name}" for name in row)
    params = {**{f"new_{name}": value for name, value in row.items()}, **to_row(resource, keys)}
    sql = f"UPDATE {SPECS[resource].table} SET {sets} WHERE {_equal(keys)} RETURNING *"  # noqa: S608
    return [to_document(resource, changed) for changed in tx.execute(sql, params)]


def delete(tx: Transaction, resource: str, keys: Mapping[str, Any]) -> list[Document]:
    """Remove the documents whose columns have these values; those that were there."""
    sql = f"DELETE FROM {SPECS[resource].table} WHERE {_equal(keys)} RETURNING *"  # noqa: S608
    return [to_document(resource, row) for row in tx.execute(sql, to_row(resource, keys))]


def _equal(keys: Mapping[str, Any]) -> str:
    equal = (f"{name} IS NULL" if value is None else f"{name} = :{name}" for name, value in keys.items())
    return " AND ".join(equal) or "1 = 1"


def _describe(resource: str, keys: Mapping[str, Any]) -> str:
    said = " and ".join(f"{name} {str(value)!r}" for name, value in keys.items())
    return f"{resource.removesuffix('s').replace('_', ' ')} with the {said}"
