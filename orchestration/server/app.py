"""From settings and a backend to the application that serves them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

from orchestration.backend.port import Backend
from orchestration.domain.settings import Settings
from orchestration.server.announcing import AnnouncingBackend
from orchestration.server.answers import add_error_answers
from orchestration.server.api import (
    admin,
    artifacts,
    blocks,
    claims,
    concurrency,
    deployments,
    docs,
    events,
    fixed,
    flow_runs,
    flows,
    logs,
    states,
    task_runs,
    variables,
    work_pools,
    x,
)
from orchestration.server.auth import Auth
from orchestration.server.feed import Feed
from orchestration.server.limits import Limits
from orchestration.server.metrics import Counting, Metrics

RESOURCES = (
    admin,
    artifacts,
    blocks,
    claims,
    concurrency,
    deployments,
    events,
    fixed,
    flow_runs,
    flows,
    logs,
    states,
    task_runs,
    variables,
    work_pools,
    x,
)
THREADS = 16
"""Requests that are in the store at once; more wait their turn."""
ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "What was wrong, in `detail`."},
    "5XX": {"description": "What the server lacks."},
}


def create_app(settings: Settings, backend: Backend) -> FastAPI:
    """The application; all that it keeps is in its ``state``."""
    app = FastAPI(
        title="Orchestration",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        responses=ERRORS,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    state = app.state
    state.settings, state.metrics = settings, Metrics()
    state.events, state.logs = Feed(backend, "events"), Feed(backend, "logs")
    state.backend = AnnouncingBackend(backend, state.events.wake, state.logs.wake)
    add_error_answers(app)
    for module in RESOURCES:
        app.include_router(module.router, prefix="/api")
    app.include_router(admin.metrics)
    app.include_router(docs.router)
    app.add_middleware(Limits)
    app.add_middleware(Auth, settings=settings, backend=backend)
    app.add_middleware(Counting, metrics=state.metrics)
    return app


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    yield
