"""The routes of ``routes.toml``: each parses, lets a handler make its call to the backend, and answers in JSON."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, partial
from inspect import Parameter, Signature, getdoc
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Request, Response

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.domain.schemas.wire import moment_of
from orchestration.server.answers import Json
from orchestration.server.api import admin, blocks, claims, concurrency, documents, events, flow_runs, task_runs, work
from orchestration.server.api.documents import Keys
from orchestration.server.models import field_of, kind_of, listing_model

MODULES = {
    "admin": admin, "blocks": blocks, "claims": claims, "concurrency": concurrency, "events": events,
    "flow_runs": flow_runs, "task_runs": task_runs, "work": work,
}  # fmt: skip
# Names in paths that say what something is part of: the resource that they name, and the field that has its id.
WITHIN = {"pool": ("work_pools", "work_pool_id"), "flow_name": ("flows", "flow_id")}


async def _backend(request: Request) -> Backend:
    found: Backend = request.app.state.backend
    return found


@cache
def router() -> APIRouter:
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

    def endpoint(backend: Backend, body: Any = None, **keys: Any) -> Response:
        began = utc_now()
        answer = handler(backend, _located(backend, keys), body)
        if isinstance(answer, Response):
            return answer
        if status == 204:  # noqa: PLR2004
            return Response(status_code=status)
        return Json(answer, 200 if status == 201 and _was_made_before(answer, began) else status)  # noqa: PLR2004

    arguments: list[tuple[str, Any, Any]] = [("backend", Annotated[Backend, Depends(_backend)], ...)]
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
    """Whether what a request was to make was there when it came."""
    created = moment_of(answer["created"]) if isinstance(answer, dict) else None
    return created is not None and created < began
