"""From settings and a backend to the application that serves them."""

from __future__ import annotations

from fastapi import FastAPI

from orchestration.backend.port import Backend
from orchestration.domain.settings import Settings
from orchestration.server.answers import add_error_answers
from orchestration.server.api import flows, variables

ROUTERS = (flows, variables)


def create_app(settings: Settings, backend: Backend) -> FastAPI:
    """The application; it holds no state but what is given here."""
    app = FastAPI(title="orchestration", docs_url=None, redoc_url=None)
    app.state.settings, app.state.backend = settings, backend
    add_error_answers(app)
    for module in ROUTERS:
        app.include_router(module.router, prefix="/api")
    return app
