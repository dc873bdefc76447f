"""From settings and a backend to the application that serves them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

from orchestration.backend.port import Backend
from orchestration.domain.settings import Settings
from orchestration.server import own, routes, streams, worker_channel
from orchestration.server.announcing import AnnouncingBackend
from orchestration.server.answers import add_error_answers
from orchestration.server.api import claims
from orchestration.server.feed import Feed
from orchestration.server.gate import Gate
from orchestration.server.metrics import Metrics
from orchestration.server.ui.pages import add_pages
from orchestration.server.ui.session import PageAccess

# Requests that are in the store at once; more wait their turn.
THREADS = 16
ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "What was wrong, in `detail`."},
    "5XX": {"description": "What the server lacks."},
}


def create_app(settings: Settings, backend: Backend) -> FastAPI:
    """The application; all that it keeps is in its ``state``."""
    app = FastAPI(
        title="Orchestration", docs_url=None, redoc_url=None, lifespan=_lifespan, responses=ERRORS,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )  # fmt: skip
    state, access = app.state, PageAccess(settings, backend)
    state.settings, state.metrics, state.csrf = settings, Metrics(), access.csrf
    state.events = Feed(backend)
    state.backend = AnnouncingBackend(backend, state.events)
    add_error_answers(app)
    for each in (own.router, streams.router, worker_channel.router, claims.router, routes.router()):
        app.include_router(each)
    add_pages(app, access)
    app.add_middleware(Gate, access=access, metrics=state.metrics)
    return app


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    yield
