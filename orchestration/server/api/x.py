"""What this server offers beyond Prefect's interface; a client asks once, and a Prefect server does not know."""

from __future__ import annotations

from fastapi import APIRouter

from orchestration.backend.processes import this_process
from orchestration.server.answers import Json

router = APIRouter(prefix="/x", tags=["Beyond Prefect"])


@router.get("/", response_model=None)
async def offers() -> Json:
    """Who serves, and on what host: a client on the same one can leave it to the server to look after its runs.

    Requests that create something may choose its ``id``, and states ``id`` and ``timestamp``, so that one which is
    sent again is recognised; a header ``Idempotency-Key`` does that for events and log lines.
    """
    return Json({"server": "orchestration", "host": this_process().host})
