"""What the routes of flow runs and task runs have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import create_model

from orchestration.backend.port import Backend
from orchestration.domain.schemas.wire import Document, moment_of
from orchestration.server.answers import Json
from orchestration.server.bodies import History
from orchestration.server.routes import RUN_FILTERS, add, filters_model, where_of

MOST_SPANS = 500


def add_history(router: APIRouter, resource: str) -> None:
    """Add the count of runs by span of time and state."""
    model = create_model(f"{resource} history", __base__=(History, filters_model(f"{RUN_FILTERS} work_queues")))

    def history(backend: Backend, _keys: Mapping[str, Any], body: Any) -> list[Document]:
        seconds = body.history_interval_seconds
        number = math.ceil((body.history_end - body.history_start).total_seconds() / seconds)
        number = max(0, min(number, MOST_SPANS))
        return backend.history(resource, where_of(body), body.history_start, seconds, number) if number else []

    add(router, "POST", "/history", history, body=model, name=f"history of {resource}")


def answer_of(decision: Document, began: datetime) -> Json:
    """The answer that tells a decision: 201 when a new state came of it."""
    state = decision["state"]
    entered = moment_of(state["timestamp"]) if state else None
    return Json(decision, 201 if entered is not None and entered >= began else 200)
