"""Events by websocket, as Prefect's clients open them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta

from anyio import create_task_group
from anyio.to_thread import run_sync
from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from orchestration.backend.clock import utc_now
from orchestration.domain.errors import UsageError
from orchestration.domain.schemas.wire import Document, moment_of, moment_text
from orchestration.server.api.events import document_of, looked_through
from orchestration.server.event_filters import includes
from orchestration.server.models import kind_of

PROTOCOL_ERROR, INVALID, REFUSED = 1002, 1003, 1008
LOOK_BACK = timedelta(days=5)

router = APIRouter(prefix="/api/events")


@router.websocket("/in")
async def take(websocket: WebSocket) -> None:
    """Take events one by one."""
    with suppress(WebSocketDisconnect):
        if not await accept(websocket):
            return
        async for text in websocket.iter_text():
            try:
                event = document_of(kind_of("Event").model_validate_json(text))
                await run_sync(websocket.app.state.backend.take_events, [event])
            except (ValueError, UsageError) as error:
                await websocket.close(INVALID, f"Invalid event: {error}"[:120])
                return


@router.websocket("/out")
async def send(websocket: WebSocket) -> None:
    """Send the events that a filter lets through: those of late, unless they are not wanted, and those that come."""
    with suppress(WebSocketDisconnect):
        if not await accept(websocket):
            return
        said = await next_message(websocket)
        try:
            if said.get("type") != "filter":
                raise ValueError("Expected 'filter' message")
            wanted = kind_of("EventFilter").model_validate(said.get("filter")).whole()
        except ValueError as error:
            await websocket.close(PROTOCOL_ERROR, f"Invalid filter: {error}"[:120])
            return
        await _send_all(websocket, wanted, said.get("backfill", True))


async def accept(websocket: WebSocket) -> bool:
    """Take a connection; a client that speaks Prefect's protocol first says who it is, which is the gate's to judge."""
    speaks = "prefect" in websocket.scope["subprotocols"]
    await websocket.accept("prefect" if speaks else None)
    said = await next_message(websocket) if speaks else {"type": "auth"}
    if said.get("type") != "auth":
        await websocket.close(REFUSED, "Expected 'auth' message")
        return False
    if speaks:
        await websocket.send_json({"type": "auth_success"})
    return True


async def next_message(websocket: WebSocket) -> Document:
    """The next message as a document; an empty one when it is none."""
    try:
        said = await websocket.receive_json()
    except (ValueError, KeyError):
        return {}
    return said if isinstance(said, dict) else {}


async def _send_all(websocket: WebSocket, wanted: Document, backfill: bool) -> None:
    """Send events until the client goes: with ``backfill`` those of late, then those that come."""
    occurred, earliest = wanted["occurred"] or {}, utc_now() - LOOK_BACK
    since = max(moment_of(occurred.get("since")) or earliest, earliest)
    wanted |= {"order": "ASC", "occurred": {**occurred, "since": moment_text(since)}}
    state = websocket.app.state
    async with state.events.listen() as events:
        seen = set()
        for event in await run_sync(looked_through, state.backend, wanted) if backfill else ():
            seen.add(event["id"])
            await websocket.send_json({"type": "event", "event": event})
        async with create_task_group() as group:
            group.start_soon(
                _send, websocket, events, lambda event: event["id"] not in seen and includes(wanted, event)
            )
            await _until_gone(websocket)
            group.cancel_scope.cancel()


async def _send(websocket: WebSocket, events: AsyncIterator[Document], is_wanted: Callable[[Document], bool]) -> None:
    with suppress(WebSocketDisconnect):
        async for event in events:
            if is_wanted(event):
                await websocket.send_json({"type": "event", "event": event})


async def _until_gone(websocket: WebSocket) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await websocket.receive()
