"""The stream that a worker of Prefect 3.8 opens beside its requests: signs of life there, the pool's settings back.

The frames are those of ``work_pool_worker_channel.v1``; a worker that is refused goes on by plain requests.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.schemas.filters import Query, among
from orchestration.domain.schemas.wire import Document, moment_text
from orchestration.server.api.work import heartbeat
from orchestration.server.models import kind_of
from orchestration.server.streams import PROTOCOL_ERROR, REFUSED, accept, next_message

VERSION = "work_pool_worker_channel.v1"
OFFERED = frozenset({"worker_heartbeat.v1", "work_pool_snapshot.v1"})
HELLO, READY, BEAT, SNAPSHOT = "worker.hello.v1", "worker.ready.v1", "worker.heartbeat.v1", "work_pool.snapshot.v1"

router = APIRouter(prefix="/api/work_pools")


@router.websocket("/{pool}/workers/connect")
async def connect(websocket: WebSocket, pool: str) -> None:
    """Note a worker's signs of life, and tell it of its pool: at first, and when the pool was changed."""
    backend: Backend = websocket.app.state.backend
    with suppress(WebSocketDisconnect):
        if not await accept(websocket):
            return
        try:
            worker = _greeting(await next_message(websocket))
            ready, shown = await run_sync(_ready, backend, pool, worker)
        except (ValueError, ObjectNotFound) as error:
            is_old = isinstance(error, _OtherVersionError)
            await websocket.close(*((REFUSED, "unsupported_version") if is_old else (PROTOCOL_ERROR, "protocol_error")))
            return
        await websocket.send_json(_frame(READY, ready))
        number = 1
        while (await next_message(websocket)).get("type") == BEAT:
            now = await run_sync(_beat, backend, pool, worker)
            if now["updated"] != shown["updated"]:
                number, shown = number + 1, now
                await websocket.send_json(_frame(SNAPSHOT, _snapshot(number, "work_pool_updated", now)))
        await websocket.close(PROTOCOL_ERROR, "protocol_error")


class _OtherVersionError(ValueError):
    """The worker speaks no version of the channel that is known here."""


def _greeting(said: Document) -> Any:
    """What a worker says of itself in its first frame."""
    if said.get("type") != HELLO:
        raise ValueError(f"The first frame is to be {HELLO}.")
    worker = kind_of("Greeting").model_validate(said.get("payload"))
    if VERSION not in worker.supported_channel_versions:
        raise _OtherVersionError(VERSION)
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
