"""Events: told by clients, listed, counted and streamed."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query as InAddress, Request, WebSocket
from fastapi.exceptions import HTTPException
from pydantic import Field, ValidationError
from starlette.datastructures import State
from starlette.websockets import WebSocketDisconnect

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, UsageError
from orchestration.domain.schemas.events import ID, changes_of, is_told_by_client
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.recording import Batch
from orchestration.domain.schemas.wire import Document, moment_text
from orchestration.server.answers import Json
from orchestration.server.api.logs import IdempotencyKey, is_wanted
from orchestration.server.bodies import Event
from orchestration.server.event_filters import EventFilter
from orchestration.server.routes import BackendOf, filter_model
from orchestration.server.streams import accept, filter_of, send_all
from orchestration.server.values import Lenient

PAGE = 50
MOST_LOOKED_AT = 10_000
"""Events that a request looks through one by one, where the store cannot find them by itself."""
MOST_AT_ONCE = 10_000
LOOK_BACK = timedelta(days=180)
STREAM_LOOKS_BACK = timedelta(days=5)
UNITS = {"week": 604_800, "day": 86_400, "hour": 3600, "minute": 60, "second": 1}

router = APIRouter(tags=["Events"])


@router.post("/events", status_code=204, response_model=None)
def create_events(
    request: Request, events: Annotated[list[Event], Field(max_length=MOST_AT_ONCE)], key: IdempotencyKey = None
) -> None:
    """Take events: those of task runs become task runs, all others are kept."""
    _store(request.app.state, [event.whole() for event in events], key)


def _store(state: State, events: list[Document], key: UUID | None = None) -> None:
    """Keep events; those that were told before change nothing. Those of task runs are only told on, not kept."""
    backend, received = state.backend, moment_text(utc_now())
    try:
        changes = changes_of(events)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if changes:
        backend.record(Batch(changes, (), key, is_foreign=True))
    for event in events:
        whole = {**event, "received": received, "resource_id": event["resource"][ID]}
        if is_told_by_client(event):
            state.events.tell([whole])
            continue
        with suppress(ObjectAlreadyExists):
            backend.create("events", whole)
    state.events.wake()


# -- listings --------------------------------------------------------------------------------------------------------


class EventListing(Lenient):
    """A page of events."""

    filter: EventFilter | None = None
    limit: Annotated[int, Field(ge=0, le=PAGE)] = PAGE


class EventCounts(Lenient):
    """What events are counted by."""

    filter: EventFilter
    time_unit: Literal["week", "day", "hour", "minute", "second"] = "day"
    time_interval: Annotated[float, Field(ge=0.01, le=1e6)] = 1.0


@router.post("/events/filter", response_model=None)
def read_events(request: Request, backend: BackendOf, body: EventListing | None = None) -> Json:
    """The newest events that a filter lets through, and where the next ones are."""
    body = body or EventListing()
    wanted = body.filter or EventFilter()
    wanted.occurred.since = wanted.occurred.since or utc_now() - LOOK_BACK
    wanted.occurred.until = wanted.occurred.until or utc_now()
    return _page(request, backend, wanted, body.limit, 0)


@router.get("/events/filter/next", response_model=None)
def read_next_events(request: Request, backend: BackendOf, token: str = InAddress(alias="page-token")) -> Json:
    """The page that follows another one."""
    try:
        wanted, limit, offset = json.loads(base64.urlsafe_b64decode(token))
        page = EventListing(filter=wanted, limit=limit)
    except (ValueError, TypeError) as error:
        raise HTTPException(403, "This page-token is none that this server gave.") from error
    return _page(request, backend, page.filter or EventFilter(), page.limit, max(0, int(offset)))


def _page(request: Request, backend: Backend, wanted: EventFilter, limit: int, offset: int) -> Json:
    if wanted.needs_a_look:
        every = _looked_through(backend, wanted)
        total, found = len(every), every[offset : offset + limit]
    else:
        total = backend.count("events", wanted.where())
        found = backend.find("events", Query(wanted.where(), f"OCCURRED_{wanted.order}", limit, offset))
    following = None
    if limit and offset + limit < total:
        said = json.dumps([wanted.whole(), limit, offset + limit]).encode()
        token = base64.urlsafe_b64encode(said).decode()
        following = f"{request.base_url}api/events/filter/next?page-token={token}"
    return Json({"events": found, "total": total, "next_page": following})


def _looked_through(backend: Backend, wanted: EventFilter) -> list[Document]:
    query = Query(wanted.where(), f"OCCURRED_{wanted.order}", MOST_LOOKED_AT)
    return [event for event in backend.find("events", query) if wanted.includes(event)]


@router.post("/events/count-by/{countable}", response_model=None)
def count_events(countable: Literal["day", "time", "event", "resource"], body: EventCounts, backend: BackendOf) -> Json:
    """How many events there were, by time, name or resource; of the newest 10,000."""
    seconds = 86_400.0 if countable == "day" else UNITS[body.time_unit] * body.time_interval
    groups: dict[tuple[str, str], list[datetime]] = {}
    for event in _looked_through(backend, body.filter):
        groups.setdefault(_group(countable, event, seconds), []).append(datetime.fromisoformat(event["occurred"]))
    return Json(list(_counts(groups)))


def _group(countable: str, event: Document, seconds: float) -> tuple[str, str]:
    """The value and the label that an event is counted under."""
    if countable == "event":
        return event["event"], event["event"]
    if countable == "resource":
        return event["resource_id"], str(event["resource"].get("prefect.resource.name", event["resource_id"]))
    begin = math.floor(datetime.fromisoformat(event["occurred"]).timestamp() / seconds) * seconds
    text = str(moment_text(datetime.fromtimestamp(begin, UTC)))
    return text, text


def _counts(groups: dict[tuple[str, str], list[datetime]]) -> Iterable[Document]:
    for (value, label), times in sorted(groups.items()):
        edges = {"start_time": moment_text(min(times)), "end_time": moment_text(max(times))}
        yield {"value": value, "label": label, "count": len(times), **edges}


# -- streams ---------------------------------------------------------------------------------------------------------


@router.websocket("/events/in")
async def take_events(websocket: WebSocket) -> None:
    """Take events one by one."""
    with suppress(WebSocketDisconnect):
        if not await accept(websocket):
            return
        async for text in websocket.iter_text():
            try:
                event = Event.model_validate_json(text).whole()
                await run_sync(_store, websocket.app.state, [event])
            except (ValidationError, UsageError) as error:
                await websocket.close(1003, f"Invalid event: {error}"[:120])
                return


@router.websocket("/events/out")
async def send_events(websocket: WebSocket) -> None:
    """Send the events that a filter lets through: those of late, unless they are not wanted, and those that come."""
    with suppress(WebSocketDisconnect):
        named = await filter_of(websocket, EventFilter) if await accept(websocket) else None
        if named is None:
            return
        wanted, said = named
        earliest = utc_now() - STREAM_LOOKS_BACK
        wanted.occurred.since = max(wanted.occurred.since or earliest, earliest)
        wanted.order = "ASC"
        state = websocket.app.state
        before = partial(_looked_through, state.backend, wanted) if said.get("backfill", True) else None
        await send_all(websocket, state.events, "event", wanted.includes, before)


@router.websocket("/logs/out")
async def send_logs(websocket: WebSocket) -> None:
    """Send the log lines that a filter lets through, as they come."""
    with suppress(WebSocketDisconnect):
        named = await filter_of(websocket, filter_model("logs")) if await accept(websocket) else None
        if named is not None:
            await send_all(websocket, websocket.app.state.logs, "log", partial(is_wanted, named[0]))
