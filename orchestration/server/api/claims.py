"""Claims of workers on runs: taken by long poll, renewed together, given up one by one."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated
from uuid import UUID

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from pydantic import Field

from orchestration.server.answers import Json
from orchestration.server.routes import BackendOf
from orchestration.server.values import Lenient

POLL_SECONDS = 0.1
"""Between two looks for runs that are due: one read of an index, which holds neither a thread nor a connection."""

router = APIRouter(prefix="/x", tags=["Beyond Prefect"])


class RunsWanted(Lenient):
    """Runs that a worker has room for."""

    queues: Annotated[list[str], Field(default_factory=list, max_length=1000)]
    limit: Annotated[int, Field(ge=1, le=1000)] = 10
    holder: Annotated[str, Field(max_length=1000)]
    wait: Annotated[float, Field(ge=0, le=60)] = 0.0


class ClaimsKept(Lenient):
    """Claims whose runs go on."""

    claim_ids: Annotated[list[UUID], Field(max_length=1000)]


class ClaimEnd(Lenient):
    """What went wrong with a run, if something did."""

    message: Annotated[str | None, Field(max_length=10_000)] = None


@router.post("/work_pools/{id:uuid}/claim", response_model=None)
async def claim_runs(id: UUID, body: RunsWanted, backend: BackendOf, request: Request) -> Json:
    """Take the most urgent runs of a pool that may start; waits for one."""
    end = asyncio.get_running_loop().time() + body.wait
    claim = partial(run_sync, partial(backend.claim_runs, id, body.queues, body.limit, body.holder))
    while not (found := await claim()) and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(POLL_SECONDS)
        if await request.is_disconnected():
            break
    return Json(found)


@router.post("/claims/renew", response_model=None)
def renew_claims(body: ClaimsKept, backend: BackendOf) -> Json:
    """Keep claims; those that are still held, each with the type of its run's state."""
    return Json({str(claim_id): kind for claim_id, kind in backend.renew_claims(body.claim_ids).items()})


@router.post("/claims/{id:uuid}/end", status_code=204, response_model=None)
def end_claim(id: UUID, body: ClaimEnd, backend: BackendOf) -> None:
    """Give up a claim."""
    backend.end_claim(id, body.message)
