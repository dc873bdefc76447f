"""Routes of the process itself: whether it lives, its figures, and a page about its interface."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse

from orchestration.server.answers import Json

DOCS = Path(__file__).with_name("docs.html").read_text(encoding="utf-8")

router = APIRouter(tags=["Admin"])


@router.get("/api/health", response_model=None)
async def health() -> Json:
    """Whether the server answers."""
    return Json(True)


@router.get("/metrics", response_model=None)
def read_metrics(request: Request) -> PlainTextResponse:
    """Figures for Prometheus."""
    state = request.app.state
    path: Path = state.settings.database_path
    size = path.stat().st_size if path.exists() else None
    text = "\n".join([*state.metrics.lines(state.backend, size), ""])
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


@router.get("/docs", response_model=None, include_in_schema=False)
async def read_docs() -> HTMLResponse:
    """The interface for people."""
    return HTMLResponse(DOCS)
