"""What is told by websocket, as Prefect's clients open them: events, and what workers and their pools say.

A worker of 3.8 opens ``work_pool_worker_channel.v1`` beside its requests: signs of life there, the pool's settings
back. One that is refused goes on by plain requests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Container
from contextlib import suppress
from datetime import timedelta
from typing import Any

from anyio import create_task_group
from anyio.to_thread import run_sync
from fastapi import APIRouter, WebSocket, WebSocketDisconnect, WebSocketException

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound, UsageError
from orchestration.domain.schemas.filters import Query, among
from orchestration.domain.schemas.wire import Document, moment_of, moment_text
from orchestration.server.api.events import document_of, includes, looked_through
from orchestration.server.api.work import heartbeat
from orchestration.server.models import kind_of

PROTOCOL_ERROR, INVALID, REFUSED = 1002, 1003, 1008
BACKFILL = timedelta(days=5)

VERSION = "work_pool_worker_channel.v1"
OFFERED = frozenset({"worker_heartbeat.v1", "work_pool_snapshot.v1"})
HELLO, READY, BEAT, SNAPSHOT = "worker.hello.v1", "worker.ready.v1", "worker.heartbeat.v1", "work_pool.snapshot.v1"

router = APIRouter(prefix="/api")


async def _accept(websocket: WebSocket) -> None:
    """Take a connection; a client that speaks Prefect's protocol first says who it is, which is the gate's to judge."""
    speaks = "prefect" in websocket.scope["subprotocols"]
    await websocket.accept("prefect" if speaks else None)
    if speaks:
        if (await _next_message(websocket)).get("type") != "auth":
            raise WebSocketException(REFUSED, "Expected 'auth' message")
        await websocket.send_json({"type": "auth_success"})


async def _next_message(websocket: WebSocket) -> Document:
    """The next message as a document; an empty one when it is none."""
    try:
        said = await websocket.receive_json()
    except (ValueError, KeyError):
        return {}
    return said if isinstance(said, dict) else {}


# -- events ------------------------------------------------------------------------------------------------------------


@router.websocket("/events/in")
async def take(websocket: WebSocket) -> None:
    """Take events one by one."""
    with suppress(WebSocketDisconnect):
        await _accept(websocket)
        async for text in websocket.iter_text():
            try:
                event = document_of(kind_of("Event").model_validate_json(text))
                await run_sync(websocket.app.state.backend.take_events, [event])
            except (ValueError, UsageError) as error:
                raise WebSocketException(INVALID, f"Invalid event: {error}"[:120]) from error


@router.websocket("/events/out")
async def send(websocket: WebSocket) -> None:
    """Send the events that a filter lets through: those of late, unless they are not wanted, and those that come."""
    with suppress(WebSocketDisconnect):
        await _accept(websocket)
        said = await _next_message(websocket)
        try:
            if said.get("type") != "filter":
                raise ValueError("Expected 'filter' message")
            wanted = kind_of("EventFilter").model_validate(said.get("filter")).whole()
        except ValueError as error:
            raise WebSocketException(PROTOCOL_ERROR, f"Invalid filter: {error}"[:120]) from error
        await _send_all(websocket, wanted, said.get("backfill", True))


async def _send_all(websocket: WebSocket, wanted: Document, backfill: bool) -> None:
    """Send events until the client goes: with ``backfill`` those of late, then those that come."""
    occurred, earliest = wanted["occurred"] or {}, utc_now() - BACKFILL
    since = max(moment_of(occurred.get("since")) or earliest, earliest)
    wanted |= {"order": "ASC", "occurred": {**occurred, "since": moment_text(since)}}
    state = websocket.app.state
    async with state.events.listen() as events:
        seen = set()
        for event in await run_sync(looked_through, state.backend, wanted) if backfill else ():
            seen.add(event["id"])
            await websocket.send_json({"type": "event", "event": event})
        async with create_task_group() as group:
            group.start_soon(_send, websocket, events, wanted, seen)
            with suppress(WebSocketDisconnect, RuntimeError):  # it has gone, or says so
                while True:
                    await websocket.receive()
            group.cancel_scope.cancel()


async def _send(websocket: WebSocket, events: AsyncIterator[Document], wanted: Document, seen: Container[str]) -> None:
    with suppress(WebSocketDisconnect):
        async for event in events:
            if event["id"] not in seen and includes(wanted, event):
                await websocket.send_json({"type": "event", "event": event})


# -- workers -----------------------------------------------------------------------------------------------------------


@router.websocket("/work_pools/{pool}/workers/connect")
async def connect(websocket: WebSocket, pool: str) -> None:
    """Note a worker's signs of life, and tell it of its pool: at first, and when the pool was changed."""
    backend: Backend = websocket.app.state.backend
    with suppress(WebSocketDisconnect):
        await _accept(websocket)
        try:
            worker = _greeting(await _next_message(websocket))
            ready, shown = await run_sync(_ready, backend, pool, worker)
        except (ValueError, ObjectNotFound) as error:
            raise WebSocketException(PROTOCOL_ERROR, "protocol_error") from error
        await websocket.send_json(_frame(READY, ready))
        number = 1
        while (await _next_message(websocket)).get("type") == BEAT:
            now = await run_sync(_beat, backend, pool, worker)
            if now["updated"] != shown["updated"]:
                number, shown = number + 1, now
                await websocket.send_json(_frame(SNAPSHOT, _snapshot(number, "work_pool_updated", now)))
        raise WebSocketException(PROTOCOL_ERROR, "protocol_error")


def _greeting(said: Document) -> Any:
    """What a worker says of itself in its first frame."""
    if said.get("type") != HELLO:
        raise ValueError(f"The first frame is to be {HELLO}.")
    worker = kind_of("Greeting").model_validate(said.get("payload"))
    if VERSION not in worker.supported_channel_versions:
        raise WebSocketException(REFUSED, "unsupported_version")
    return worker


def _ready(backend: Backend, name: str, worker: Any) -> tuple[Document, Document]:
    """The answer to a greeting, and the pool as it tells of it."""
    try:
        pool = backend.read("work_pools", name=name)
    except ObjectNotFound:
        if not worker.create_pool_if_not_found:
            raise
        pool = backend.create("work_pools", {"name": name, "type": worker.worker_type})
    if worker.default_base_job_template and not pool["base_job_template"]:
        backend.change("work_pools", {"base_job_template": worker.default_base_job_template}, id=pool["id"])
    shown = _beat(backend, name, worker)
    where = among("work_queues", work_pool_id=[pool["id"]])
    queues = {each["name"]: each["id"] for each in backend.find("work_queues", Query(where))}
    wanted = worker.work_queue_names or []
    return {
        "consumer_id": str(worker.consumer_id),
        "worker_id": backend.read("workers", work_pool_id=pool["id"], name=worker.worker_name)["id"],
        "selected_channel_version": VERSION,
        "effective_heartbeat_interval_seconds": worker.heartbeat_interval_seconds or 30,
        "accepted_capabilities": sorted(OFFERED),
        "rejected_capabilities": sorted({*worker.requested_capabilities} - OFFERED),
        "resolved_work_queues": [{"id": queues[each], "name": each} for each in wanted if each in queues],
        "initial_snapshot": _snapshot(1, "initial", shown),
    }, shown  # fmt: skip


def _beat(backend: Backend, name: str, worker: Any) -> Document:
    """Note that a worker lives; its pool as it is now."""
    pool = backend.read("work_pools", name=name)
    body = kind_of("Heartbeat")(name=worker.worker_name, heartbeat_interval_seconds=worker.heartbeat_interval_seconds)
    heartbeat(backend, {"work_pool_id": pool["id"]}, body)
    return pool


def _snapshot(number: int, reason: str, pool: Document) -> Document:
    return {"snapshot_sequence": number, "reason": reason, "work_pool": pool}


def _frame(kind: str, payload: Document) -> Document:
    return {"type": kind, "id": str(new_id()), "sent_at": moment_text(utc_now()), "payload": payload}
