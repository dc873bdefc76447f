"""What Prefect's client asks for that is the same on every server: kinds of workers, and that no automations are."""

from __future__ import annotations

import json
from pathlib import Path

from fastapi import APIRouter

from orchestration.domain.errors import UsageError
from orchestration.domain.schemas.wire import Document
from orchestration.server.answers import Json

WORKERS: Document = json.loads(Path(__file__).with_name("workers.json").read_text(encoding="utf-8"))
"""By package and kind: what a kind of worker is, and what a work pool of it may be told."""

router = APIRouter()


@router.get("/collections/views/aggregate-worker-metadata", tags=["Collections"])
async def kinds_of_workers() -> Json:
    """The kinds of workers that there are."""
    return Json(WORKERS)


@router.post("/automations/", tags=["Automations"])
async def create_automation() -> Json:
    """Refused."""
    raise UsageError("This server has no automations; `orchestrate notification create` sends mails about runs.")


@router.get("/automations/related-to/{resource_id}", tags=["Automations"])
async def related_automations(resource_id: str) -> Json:
    """None; a client asks for them when it shows a deployment."""
    return Json([])


@router.delete("/automations/owned-by/{resource_id}", status_code=202, tags=["Automations"])
async def delete_owned_automations(resource_id: str) -> Json:
    """Nothing to remove; a client asks for it with every deployment."""
    return Json(None, 202)
