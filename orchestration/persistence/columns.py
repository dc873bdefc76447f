"""The tables as data: which columns each has, and what is in them.

One description for the statements that are written out here, for SQLAlchemy's, and for the way between a row and
the JSON document that travels over the wire. What the migrations say of the tables is read from them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestration.domain.retries import RetryPolicy
from orchestration.domain.schemas.wire import Document, moment_text, policy_document, policy_of
from orchestration.persistence import values
from orchestration.persistence.database import Row
from orchestration.persistence.migrations import migrations

_TABLES = {
    "flows": "flow name", "flow_runs": "flow_run", "flow_run_states": "flow_run_state", "task_runs": "task_run",
    "logs": "log", "artifacts": "artifact", "artifact_collections": "artifact_collection key",
    "variables": "variable name", "inputs": "flow_run_input flow_run_id key", "deployments": "deployment flow_id name",
    "schedules": "deployment_schedule", "work_pools": "work_pool name", "work_queues": "work_queue work_pool_id name",
    "workers": "worker work_pool_id name", "block_types": "block_type slug",
    "block_schemas": "block_schema checksum version", "block_documents": "block_document block_type_id name",
    "block_references": "block_document_reference parent_block_document_id name", "events": "event id",
    "concurrency_limits": "concurrency_limit name", "leases": "concurrency_lease id limit_id",
    "api_keys": "api_key name", "audit": "audit", "settings": "setting name",
}
"""By resource: its table, and the columns that make a row unique besides its id."""
_BY_TYPE = {"TEXT": "text", "BIGINT": "time", "INTEGER": "number", "{sequence}": "number", "DOUBLE": "real"}
_NAMES = {
    "json": "tags labels parameters context job_variables created_by updated_by data metadata version_info task_inputs "
    "concurrency_options parameter_openapi_schema pull_steps schedule base_job_template storage_configuration filter "
    "fields capabilities resource related payload",
    "flag": "auto_scheduled paused enforce_parameter_schema active is_paused is_protected is_anonymous",
    "duration": "total_run_time", "policy": "policy", "value": "value",
}
_BY_NAME = {
    **{name: kind for kind, names in _NAMES.items() for name in names.split()},
    "block_document.data": "text",  # sealed
    "flow_run_input.value": "text",
    "concurrency_lease.expires": "number",  # microseconds that may lie beyond the last of dates
}
"""What is in a column: told by its name, with its table where tables differ, or else by its type."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A table: ``columns`` by name with their kind, ``key`` what makes a row unique besides its id."""

    table: str
    columns: Mapping[str, str]
    key: tuple[str, ...] = ()


def _spec(sql: str, table: str, *key: str) -> Spec:
    made = re.findall(rf"CREATE TABLE {table} \((.*?)\n\);", sql, re.DOTALL)[0]
    added = re.findall(rf"ALTER TABLE {table} ADD COLUMN (\w+) (\S+?)\b", sql)
    columns = [*re.findall(r"^    ([a-z_]+) ([\w{}]+)", made, re.MULTILINE), *added]
    kinds = {name: _BY_NAME.get(f"{table}.{name}") or _BY_NAME.get(name) or _BY_TYPE[kind] for name, kind in columns}
    return Spec(table, kinds, key)


_SQL = "".join(sql for _, sql in migrations())
SPECS: Mapping[str, Spec] = {resource: _spec(_SQL, *words.split()) for resource, words in _TABLES.items()}

JOINED: Mapping[str, tuple[tuple[str, str, str, tuple[str, ...]], ...]] = {
    "flow_runs": (
        ("flow", "flows", "flow_id", ("name",)),
        ("state", "flow_run_states", "state_id", ("message", "details", "data")),
        ("work_queue", "work_queues", "work_queue_id", ("name", "work_pool_id")),
        ("work_pool", "work_pools", "work_queue.work_pool_id", ("id", "name")),
    ),
    "deployments": (
        ("flow", "flows", "flow_id", ("name",)),
        ("work_queue", "work_queues", "work_queue_id", ("name", "work_pool_id", "last_polled")),
        ("work_pool", "work_pools", "work_queue.work_pool_id", ("name",)),
    ),
    "work_queues": (("work_pool", "work_pools", "work_pool_id", ("name",)),),
    "artifact_collections": (
        (
            "artifact", "artifacts", "latest_id",
            ("type", "description", "data", "metadata", "flow_run_id", "task_run_id"),
        ),
    ),
}
"""By resource, what a row shows of other rows: a name, the resource, the column with that row's id, and the fields."""


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


def to_document(resource: str, row: Row) -> Document:
    """The document of a row."""
    kinds = SPECS[resource].columns.items()
    return {name: _READ[kind](row[name]) if kind in _READ else row[name] for name, kind in kinds}
