"""What a listing may be narrowed to: the filter language of the REST interface, as data.

A filter is a JSON document such as ``{"flow_runs": {"state": {"type": {"any_": ["FAILED"]}}}}``. The server makes its
request models of this grammar, the store its statements, and a backend over HTTP sends the document as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

PAGE = 200
"""Rows of a listing unless more or fewer are asked for, and the most that a server gives at once."""


class Field(NamedTuple):
    """A field to filter by: what kind of value it has, and by which operators.

    A ``derived`` field is no column: it depends on the clock, and is looked at once the rows have been read.
    """

    kind: str
    operators: tuple[str, ...]


Fields = Mapping[str, "Field | Fields"]


def _fields(**lines: str | Fields) -> Fields:
    """Fields by name, each ``"kind operator_ ..."`` or fields of its own."""
    return {
        name: Field(line.split()[0], tuple(line.split()[1:])) if isinstance(line, str) else line
        for name, line in lines.items()
    }


_ID, _NAME, _TAGS = "id any_", "text any_ like_", "tags all_ any_ is_null_"
_NAME_OR_PREFIX = "text any_ like_ startswith_"
_WHEN = "time before_ after_ is_null_"
_STATE = _fields(type="state any_ not_any_", name="text any_ not_any_")
_ARTIFACT = {"flow_run_id": _ID, "task_run_id": _ID, "type": "text any_ not_any_", "key": "text any_ like_ exists_"}

GRAMMAR: Mapping[str, Fields] = {
    "flows": _fields(id="id any_ not_any_", name=_NAME, tags=_TAGS, deployment="flag is_null_"),
    "flow_runs": _fields(
        id="id any_ not_any_", name=_NAME, tags=_TAGS, deployment_id="id any_ is_null_",
        work_queue_name="text any_ is_null_", state=_STATE, flow_version="text any_", start_time=_WHEN, end_time=_WHEN,
        expected_start_time=_WHEN, next_scheduled_start_time=_WHEN, parent_flow_run_id=_ID,
        parent_task_run_id="id any_ is_null_", idempotency_key="text any_ not_any_",
        created_by="json id_ type_ is_null_",
    ),
    "task_runs": _fields(
        id="id any_ not_any_", name=_NAME, tags=_TAGS, state=_STATE, start_time=_WHEN, end_time=_WHEN,
        expected_start_time=_WHEN, subflow_runs="flag exists_", flow_run_id="id any_ is_null_",
    ),
    "logs": _fields(
        level="number ge_ le_", timestamp=_WHEN, flow_run_id=_ID, task_run_id="id any_ is_null_", text="words query",
        sequence="number ge_ le_",
    ),
    "artifacts": _fields(id=_ID, **_ARTIFACT),
    "artifact_collections": _fields(latest_id=_ID, **_ARTIFACT),
    "variables": _fields(id=_ID, name=_NAME, tags=_TAGS),
    "deployments": _fields(
        id="id any_ not_any_", name=_NAME, flow_or_deployment_name="text like_", paused="flag eq_", tags=_TAGS,
        work_queue_name="text any_", concurrency_limit="number ge_ le_ is_null_",
    ),
    "work_pools": _fields(id=_ID, name="text any_", type="text any_"),
    "work_queues": _fields(id=_ID, name=_NAME_OR_PREFIX, work_pool_id=_ID),
    "workers": _fields(last_heartbeat_time=_WHEN, status="derived any_ not_any_", work_pool_id=_ID),
    "block_types": _fields(name="text like_", slug="text any_"),
    "block_schemas": _fields(id=_ID, block_type_id=_ID, block_capabilities="tags all_", version="text any_"),
    "block_documents": _fields(id=_ID, is_anonymous="flag eq_", block_type_id=_ID, name="text any_ like_"),
    "schedules": _fields(id=_ID, deployment_id=_ID, active="flag eq_"),
    "api_keys": _fields(name="text any_"),
    "audit": _fields(key_name="text any_", created=_WHEN),
    "inputs": _fields(key="text any_ not_any_ startswith_", flow_run_id=_ID),
    "events": _fields(
        id=_ID, sequence="number ge_ le_", occurred=_WHEN, event="text any_ not_any_ startswith_ not_startswith_",
        resource_id="text any_ startswith_",
    ),
}

_RUN_SORTS = (
    "ID_DESC ID_ASC EXPECTED_START_TIME_ASC EXPECTED_START_TIME_DESC NEXT_SCHEDULED_START_TIME_ASC NAME_ASC NAME_DESC "
    "END_TIME_DESC"
)
_NAMED = "NAME_ASC CREATED_DESC UPDATED_DESC NAME_DESC"
_KEYED = "ID_DESC CREATED_DESC UPDATED_DESC KEY_DESC KEY_ASC"
_SORTS = {
    "flows": "CREATED_DESC UPDATED_DESC NAME_ASC NAME_DESC",
    "flow_runs": f"{_RUN_SORTS} START_TIME_ASC START_TIME_DESC", "task_runs": _RUN_SORTS,
    "logs": "TIMESTAMP_ASC TIMESTAMP_DESC SEQUENCE_ASC", **dict.fromkeys(("artifacts", "artifact_collections"), _KEYED),
    **dict.fromkeys(("variables", "deployments"), _NAMED),
    **dict.fromkeys(("work_pools", "work_queues", "api_keys", "block_types"), "NAME_ASC"),
    "workers": "LAST_HEARTBEAT_TIME_DESC", **dict.fromkeys(("schedules", "inputs"), "CREATED_ASC"),
    **dict.fromkeys(("audit", "block_schemas"), "CREATED_DESC"), "block_documents": "NAME_ASC NAME_DESC",
    "events": "OCCURRED_DESC OCCURRED_ASC SEQUENCE_ASC",
}
SORTS: Mapping[str, tuple[str, ...]] = {resource: tuple(orders.split()) for resource, orders in _SORTS.items()}
"""The orders of each listing; the first is what an own listing has unless asked for another."""


@dataclass(frozen=True, slots=True)
class Query:
    """A page of a listing: the rows that ``where`` lets through, in the order ``sort``."""

    where: Mapping[str, Any] = field(default_factory=dict)
    sort: str | None = None
    limit: int = PAGE
    offset: int = 0


EVERYTHING = Query()


def among(resource: str, **wanted: Any) -> dict[str, Any]:
    """The filter of a resource whose fields have one of the given values, a list each; an empty one does not narrow.

    ``state_type`` and ``state_name`` stand for the fields within ``state``.
    """
    document: dict[str, Any] = {}
    for name, values in wanted.items():
        if not values:
            continue
        inner = {"any_": [str(value) for value in values]}
        if name.startswith("state_"):
            document.setdefault("state", {})[name.removeprefix("state_")] = inner
        else:
            document[name] = inner
    return {resource: document} if document else {}
