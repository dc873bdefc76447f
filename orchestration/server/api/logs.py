"""Log lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header
from pydantic import Field

from orchestration.domain.schemas.recording import Batch, LogRow
from orchestration.domain.schemas.wire import Document, moment_of
from orchestration.server.answers import Json
from orchestration.server.bodies import LogCreate
from orchestration.server.event_filters import mentions
from orchestration.server.routes import BackendOf, add_listings

LONGEST = 1_000_000
"""Characters of a line that are kept."""
MOST_LINES = 100_000

IdempotencyKey = Annotated[UUID | None, Header(alias="Idempotency-Key")]
"""The same for a batch that is sent again."""

_MATCHES: Mapping[str, Callable[[Any, Any], bool]] = {
    "any_": lambda value, wanted: value in wanted,
    "is_null_": lambda value, wanted: (value is None) is wanted,
    "ge_": lambda value, wanted: value >= wanted,
    "le_": lambda value, wanted: value <= wanted,
    "after_": lambda value, wanted: value >= moment_of(wanted),
    "before_": lambda value, wanted: value <= moment_of(wanted),
}
router = APIRouter(prefix="/logs", tags=["Logs"])


@router.post("/", status_code=201, response_model=None)
def create_logs(
    logs: Annotated[list[LogCreate], Field(max_length=MOST_LINES)], backend: BackendOf, key: IdempotencyKey = None
) -> Json:
    """Store log lines; one that is too long is cut, with a mark."""
    backend.record(Batch((), [_row(line) for line in logs], key, is_foreign=True))
    return Json(None, 201)


def _row(line: LogCreate) -> LogRow:
    flow_run, task_run = (str(each) if each else None for each in (line.flow_run_id, line.task_run_id))
    return line.name, line.level, _cut(line.message), round(line.timestamp.timestamp() * 1e6), flow_run, task_run


def _cut(message: str) -> str:
    if len(message) <= LONGEST:
        return message
    return f"{message[:LONGEST]} … [cut here; the line has {len(message):,} characters]"


add_listings(router, "logs", "logs", count=False)


def is_wanted(wanted: Any, line: Document) -> bool:
    """Whether a filter lets a line through; the same as the store's own answer, for lines that just came."""
    given = wanted.model_dump(mode="json", exclude_none=True)
    query = given.pop("text", {}).get("query", "")
    return mentions(query, line["message"]) and all(
        _MATCHES[operator](moment_of(line[name]) if name == "timestamp" else line.get(name), value)
        for name, of in given.items()
        if name != "operator"
        for operator, value in of.items()
        if operator in _MATCHES
    )
