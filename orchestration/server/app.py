"""From settings and a backend to the application that serves them.

Each route of ``routes.toml`` parses, lets a handler make its call to the backend, and answers in JSON.
"""

import re
import tomllib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache, partial
from inspect import Parameter, Signature, getdoc
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, Body, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.domain.schemas.wire import moment_of
from orchestration.domain.settings import Role, Settings
from orchestration.server.api import admin, documents, events, runs, work
from orchestration.server.api.admin import Metrics
from orchestration.server.api.documents import Keys
from orchestration.server.auth import Access, Caller, Gate, forbidden
from orchestration.server.feed import AnnouncingBackend, Feed
from orchestration.server.models import Json, field_of, invalid, kind_of, listing_model
from orchestration.server.ui.pages import add_pages

# Requests that are in the store at once; more wait their turn.
THREADS = 16


def create_app(settings: Settings, backend: Backend) -> FastAPI:
    """The application; all that it keeps is in its ``state``."""
    app = FastAPI(
        title="Orchestration", docs_url=None, redoc_url=None, lifespan=_lifespan, strict_content_type=False,
        responses={"4XX": {"description": "What was wrong, in `detail`."}, "5XX": {"description": "What is lacking."}},
        exception_handlers={RequestValidationError: invalid},
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )  # fmt: skip
    state = app.state
    state.settings, state.metrics, state.access = settings, Metrics(), Access(settings, backend)
    state.events = Feed(backend)
    state.backend = AnnouncingBackend(backend, state.events)
    for each in (admin.router, events.router, work.router, _table()):
        app.include_router(each)
    add_pages(app)
    app.add_middleware(Gate, access=state.access, metrics=state.metrics)
    return app


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    yield


MODULES = {"admin": admin, "events": events, "runs": runs, "work": work}
# Names in paths that say what something is part of: the resource that they name, and the field that has its id.
WITHIN = {"pool": ("work_pools", "work_pool_id"), "flow_name": ("flows", "flow_id")}


async def _backend(request: Request) -> Backend:
    found: Backend = request.app.state.backend
    return found


async def _caller(request: Request) -> Caller | None:
    found: Caller | None = request.scope.get("caller")
    return found


@cache
def _table() -> APIRouter:
    """All routes of the table; applications share them."""
    made = APIRouter(prefix="/api")
    tables = tomllib.loads(Path(__file__).with_name("routes.toml").read_text(encoding="utf-8"))
    filters = tables.pop("where")
    for tag, rows in tables.items():
        for address, row in rows.items():
            method, path = address.split()
            row["where"] = filters.get(row.get("where"), row.get("where"))
            _add(made, method, path, row, tag)
    return made


def _add(to: APIRouter, method: str, path: str, row: Mapping[str, Any], tag: str) -> None:
    """Add a route; its arguments become known at run time: those of the path, of the table, and the body."""
    handler, status = _handler(row), row.get("status", 200)

    def endpoint(backend: Backend, caller: Caller | None, body: Any = None, **keys: Any) -> Response:
        began, asks_for_secrets = utc_now(), keys.get("include_secrets") or getattr(body, "include_secrets", False)
        if asks_for_secrets and caller is not None and caller.role is Role.VIEWER:
            raise forbidden(caller)
        answer = handler(backend, _located(backend, keys), body)
        if isinstance(answer, Response):
            return answer
        if status == 204:  # noqa: PLR2004
            return Response(status_code=status)
        return Json(answer, 200 if status == 201 and _was_made_before(answer, began) else status)  # noqa: PLR2004

    given = {"backend": _backend, "caller": _caller}
    arguments: list[tuple[str, Any, Any]] = [(name, Annotated[Any, Depends(each)], ...) for name, each in given.items()]
    kinds = re.findall(r"{(\w+)(?::(\w+))?}", path)
    arguments += [(name, UUID if kind == "uuid" else str, ...) for name, kind in kinds]
    arguments += [(name, *field_of(said)) for name, said in row.get("also", {}).items()]
    if "body" in row or row["where"]:
        arguments.append(("body", *_body(row)))
    vars(endpoint)["__signature__"] = Signature([
        Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind, default=Parameter.empty if given is ... else given)
        for name, kind, given in arguments
    ])  # fmt: skip
    to.add_api_route(
        path, endpoint, methods=[method], status_code=status, response_model=None, tags=[tag], name=row["do"],
        description=getdoc(getattr(handler, "func", handler)),
    )  # fmt: skip


def _handler(row: Mapping[str, Any]) -> Callable[[Backend, Keys, Any], Any]:
    module, _, name = row["do"].rpartition(".")
    found: Callable[..., Any] = getattr(MODULES.get(module, documents), name)
    return partial(found, row["of"]) if "of" in row else found


def _body(row: Mapping[str, Any]) -> tuple[Any, Any]:
    """The type of a request's body, and what it is where there is none; ``...`` where there must be one."""
    if not row["where"]:
        kind = kind_of(row["body"])
    else:
        kind = listing_model(row["of"], row["where"], row.get("body", ""), row.get("sort", ""))
    fields = getattr(kind, "model_fields", None)
    may_be_empty = fields is not None and not any(field.is_required() for field in fields.values())
    return Annotated[kind, Body()], kind() if may_be_empty else ...


def _located(backend: Backend, keys: Keys) -> Keys:
    """The fields that a path's keys are about: the name of what something is part of becomes that one's id."""
    found = {}
    for name, value in keys.items():
        resource, field = WITHIN.get(name, ("", name))
        found[field] = backend.read(resource, name=value)["id"] if resource else value
    return found


def _was_made_before(answer: Any, began: datetime) -> bool:
    """Whether what a request was to make, which may be a run's new state, was there when it came."""
    if not isinstance(answer, dict):
        return False
    made = moment_of(answer["created"] if "created" in answer else (answer["state"] or {}).get("timestamp"))
    return made is None or made < began
