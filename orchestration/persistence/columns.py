"""The tables as data: which columns each has, and what is in them.

One description for the statements that are written out here, for SQLAlchemy's, and for the way between a row and
the JSON document that travels over the wire. The migrations make the tables, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestration.domain.retries import RetryPolicy
from orchestration.domain.schemas.wire import Document, moment_text, policy_document, policy_of
from orchestration.persistence import values
from orchestration.persistence.database import Row


@dataclass(frozen=True, slots=True)
class Spec:
    """A table: ``columns`` by name with their kind, ``key`` what makes a row unique besides its id."""

    table: str
    columns: Mapping[str, str]
    key: tuple[str, ...] = ()


def _spec(table: str, *key: str, **columns: str) -> Spec:
    return Spec(table, {name: kind for kind, names in columns.items() for name in names.split()}, key)


_ENDS = "start_time end_time expected_start_time"

SPECS: Mapping[str, Spec] = {
    "flows": _spec("flow", "name", text="id name", json="tags labels", time="created updated"),
    "flow_runs": _spec(
        "flow_run",
        text="id flow_id name flow_version deployment_id deployment_version idempotency_key parent_task_run_id "
        "state_id state_type state_name work_queue_id infrastructure_pid owner_host owner_boot owner_started",
        json="parameters context tags labels job_variables created_by",
        policy="policy",
        time=f"created updated state_timestamp {_ENDS}",
        flag="auto_scheduled",
        number="run_count owner_pid",
        duration="total_run_time",
    ),
    "flow_run_states": _spec(
        "flow_run_state", text="id flow_run_id type name message", details="details", json="data", time="timestamp"
    ),
    "task_runs": _spec(
        "task_run",
        text="id flow_run_id name task_key dynamic_key task_version cache_key state_id state_type state_name owner "
        "history",
        json="tags labels task_inputs",
        policy="policy",
        time=f"created state_timestamp {_ENDS}",
        number="run_count flow_run_run_count",
        duration="total_run_time",
    ),
    "logs": _spec("log", text="name message flow_run_id task_run_id", number="sequence level", time="timestamp"),
    "artifacts": _spec(
        "artifact", text="id key type description flow_run_id task_run_id", json="data metadata", time="created updated"
    ),
    "artifact_collections": _spec("artifact_collection", "key", text="key id latest_id", time="created updated"),
    "variables": _spec("variable", "name", text="id name", value="value", json="tags", time="created updated"),
    "inputs": _spec("flow_run_input", "flow_run_id", "key", text="id flow_run_id key value sender", time="created"),
    "deployments": _spec(
        "deployment",
        "flow_id",
        "name",
        text="id name flow_id version description global_concurrency_limit_id work_queue_id path entrypoint "
        "storage_document_id infrastructure_document_id",
        json="version_info concurrency_options parameter_openapi_schema parameters tags labels pull_steps "
        "job_variables created_by updated_by",
        time="created updated last_polled",
        flag="paused enforce_parameter_schema",
        number="concurrency_limit",
    ),
    "schedules": _spec(
        "deployment_schedule",
        text="id deployment_id slug",
        json="schedule parameters",
        time="created updated",
        flag="active",
        number="max_scheduled_runs",
    ),
    "work_pools": _spec(
        "work_pool",
        "name",
        text="id name description type default_queue_id",
        json="base_job_template storage_configuration",
        time="created updated",
        flag="is_paused",
        number="concurrency_limit",
    ),
    "work_queues": _spec(
        "work_queue",
        "work_pool_id",
        "name",
        text="id work_pool_id name description",
        json="filter",
        time="created updated last_polled",
        flag="is_paused",
        number="concurrency_limit priority",
    ),
    "workers": _spec(
        "worker",
        "work_pool_id",
        "name",
        text="id work_pool_id name",
        time="created updated last_heartbeat_time",
        number="heartbeat_interval_seconds",
    ),
    "block_types": _spec(
        "block_type",
        "slug",
        text="id name slug logo_url documentation_url description code_example",
        flag="is_protected",
        time="created updated",
    ),
    "block_schemas": _spec(
        "block_schema",
        "checksum",
        "version",
        text="id checksum block_type_id version",
        json="fields capabilities",
        time="created updated",
    ),
    "block_documents": _spec(
        "block_document",
        "block_type_id",
        "name",
        text="id name data block_schema_id block_type_id",
        flag="is_anonymous",
        time="created updated",
    ),
    "block_references": _spec(
        "block_document_reference",
        "parent_block_document_id",
        "name",
        text="parent_block_document_id name reference_block_document_id",
    ),
    "events": _spec(
        "event",
        "id",
        text="id event resource_id follows",
        json="resource related payload",
        time="occurred received",
        number="sequence",
    ),
    "api_keys": _spec("api_key", "name", text="id name role digest", time="created updated revoked"),
    "audit": _spec("audit", text="id key_name method path", time="created", number="status"),
    "settings": _spec("setting", "name", text="name", value="value"),
}


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
            "artifact",
            "artifacts",
            "latest_id",
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
    "json": _decoded,
    "value": values.decode,
    "time": lambda value: moment_text(values.moment(value)),
    "flag": bool,
    "duration": lambda value: (value or 0) / 1e6,
    "policy": lambda value: policy_document(values.policy_of(value)),
}
_WRITE: Mapping[str, Callable[[Any], Any]] = {
    "json": lambda value: None if value is None else values.encode(value),
    "value": values.encode,
    "time": micros_of,
    "flag": lambda value: None if value is None else int(value),
    "duration": lambda value: round(value * 1e6),
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
