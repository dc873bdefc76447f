"""What Prefect's client asks about automations, of which this server has none."""

from __future__ import annotations

from fastapi import APIRouter

from orchestration.domain.errors import UsageError
from orchestration.server.answers import Json

router = APIRouter(prefix="/automations", tags=["Automations"])


@router.post("/", response_model=None)
def create_automation() -> Json:
    """Refused."""
    raise UsageError("This server has no automations; `orchestrate notification create` sends mails about runs.")


@router.post("/filter", response_model=None)
def automations() -> Json:
    """None."""
    return Json([])


@router.get("/related-to/{resource_id}", response_model=None)
def related_automations(resource_id: str) -> Json:
    """None."""
    return Json([])


@router.post("/count", response_model=None)
def count_automations() -> Json:
    """None."""
    return Json(0)


@router.delete("/owned-by/{resource_id}", status_code=202, response_model=None)
def delete_owned_automations(resource_id: str) -> Json:
    """Nothing to remove; a client asks for it with every deployment."""
    return Json(None, 202)
