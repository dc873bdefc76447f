"""Claims of workers on runs: taken by long poll, renewed together, given up one by one."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from orchestration.backend.port import Backend
from orchestration.server.answers import Json
from orchestration.server.api.documents import Keys

# Between two looks for runs that are due: one read of an index, which holds neither a thread nor a connection.
POLL_SECONDS = 0.1

router = APIRouter(prefix="/api/x", tags=["Beyond Prefect"])


class RunsWanted(BaseModel):
    """Runs that a worker has room for."""

    holder: str
    queues: list[str] = []
    limit: Annotated[int, Field(ge=1, le=1000)] = 10
    wait: Annotated[float, Field(ge=0, le=60)] = 0.0


@router.post("/work_pools/{id:uuid}/claim", response_model=None)
async def claim_runs(id: UUID, body: RunsWanted, request: Request) -> Json:
    """Take the most urgent runs of a pool that may start; waits for one."""
    backend: Backend = request.app.state.backend
    await run_in_threadpool(backend.read, "work_pools", id=str(id))
    end, claim = time.monotonic() + body.wait, partial(backend.claim_runs, id, body.queues, body.limit, body.holder)
    while not (found := await run_in_threadpool(claim)) and time.monotonic() < end:
        await asyncio.sleep(POLL_SECONDS)
        if await request.is_disconnected():
            break
    return Json(found)


def renew(backend: Backend, _keys: Keys, body: Any) -> dict[str, str]:
    """Keep claims; those that are still held, each with the type of its run's state."""
    return {str(claim_id): kind for claim_id, kind in backend.renew_claims(body.claim_ids).items()}


def end(backend: Backend, keys: Keys, body: Any) -> None:
    """Give up a claim."""
    backend.end_claim(keys["id"], body.message)
