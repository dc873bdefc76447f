"""Websockets of the server, as Prefect's clients open them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from anyio import create_task_group
from anyio.to_thread import run_sync
from pydantic import BaseModel, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from orchestration.domain.schemas.wire import Document
from orchestration.server.feed import Feed

PROTOCOL_ERROR, REFUSED = 1002, 1008

Before = Callable[[], list[Document]]


async def accept(websocket: WebSocket) -> bool:
    """Take a connection; a client that speaks Prefect's protocol first says who it is, which is Auth's to judge."""
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


async def filter_of(websocket: WebSocket, kind: type[BaseModel]) -> tuple[Any, Document] | None:
    """The filter that a client names, and the whole message; ``None`` when it named none and the stream was closed."""
    said = await next_message(websocket)
    try:
        if said.get("type") != "filter":
            raise ValueError("Expected 'filter' message")
        return kind.model_validate(said.get("filter")), said
    except (ValueError, ValidationError) as error:
        await websocket.close(PROTOCOL_ERROR, f"Invalid filter: {error}"[:120])
        return None


async def send_all(
    websocket: WebSocket, feed: Feed, kind: str, wanted: Callable[[Document], bool], before: Before | None = None
) -> None:
    """Send rows until the client goes: those that ``before`` gives, then those that come and are wanted."""
    async with feed.listen() as rows:
        seen = set()
        for row in await run_sync(before) if before else ():
            seen.add(row["id"])
            await websocket.send_json({"type": kind, kind: row})
        async with create_task_group() as group:
            group.start_soon(_send, websocket, rows, lambda row: row["id"] not in seen and wanted(row), kind)
            await _until_gone(websocket)
            group.cancel_scope.cancel()


async def _send(
    websocket: WebSocket, rows: AsyncIterator[Document], wanted: Callable[[Document], bool], kind: str
) -> None:
    with suppress(WebSocketDisconnect):
        async for row in rows:
            if wanted(row):
                await websocket.send_json({"type": kind, kind: row})


async def _until_gone(websocket: WebSocket) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await websocket.receive()
