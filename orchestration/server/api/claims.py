"""Claims of workers on runs: taken by long poll, renewed together, given up one by one."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field, conlist
from starlette.concurrency import run_in_threadpool

from orchestration.backend.port import Backend
from orchestration.server.answers import Json
from orchestration.server.models import model
from orchestration.server.routes import BackendOf, Keys, add
from orchestration.server.values import Lenient, Tags

POLL_SECONDS = 0.1
"""Between two looks for runs that are due: one read of an index, which holds neither a thread nor a connection."""

router = APIRouter(prefix="/x", tags=["Beyond Prefect"])


class RunsWanted(Lenient):
    """Runs that a worker has room for."""

    holder: str
    queues: Tags
    limit: Annotated[int, Field(ge=1, le=1000)] = 10
    wait: Annotated[float, Field(ge=0, le=60)] = 0.0


ClaimsKept = model("ClaimsKept", Lenient, {"claim_ids": conlist(UUID, max_length=1000)})
ClaimEnd = model("ClaimEnd", Lenient, text="message")


@router.post("/work_pools/{id:uuid}/claim", response_model=None)
async def claim_runs(id: UUID, body: RunsWanted, backend: BackendOf, request: Request) -> Json:
    """Take the most urgent runs of a pool that may start; waits for one."""
    await run_in_threadpool(backend.read, "work_pools", id=str(id))
    end, claim = time.monotonic() + body.wait, partial(backend.claim_runs, id, body.queues, body.limit, body.holder)
    while not (found := await run_in_threadpool(claim)) and time.monotonic() < end:
        await asyncio.sleep(POLL_SECONDS)
        if await request.is_disconnected():
            break
    return Json(found)


def renew_claims(backend: Backend, _keys: Keys, body: Any) -> dict[str, str]:
    """Keep claims; those that are still held, each with the type of its run's state."""
    return {str(claim_id): kind for claim_id, kind in backend.renew_claims(body.claim_ids).items()}


def end_claim(backend: Backend, keys: Keys, body: Any) -> None:
    """Give up a claim."""
    backend.end_claim(keys["id"], body.message)


add(router, "POST", "/claims/renew", renew_claims, body=ClaimsKept)
add(router, "POST", "/claims/{id:uuid}/end", end_claim, body=ClaimEnd, status=204)
