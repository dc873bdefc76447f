"""The pages of ``pages.toml``: what each asks of the backend, and the template that shows it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qs

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.schemas.filters import PAGE, Query
from orchestration.domain.schemas.wire import moment_text
from orchestration.server.models import HANDLERS, STATUS
from orchestration.server.ui import answers, live, views
from orchestration.server.ui.session import COOKIE, LIFE, PageAccess


def add_pages(app: FastAPI, access: PageAccess) -> None:
    """Add all pages to an application, and let people see as a page what went wrong."""
    app.state.access = access
    for path, row in tomllib.loads((answers.HERE / "pages.toml").read_text(encoding="utf-8")).items():
        app.add_route(path, partial(_show, row))
    for path, endpoint in _OTHERS.items():
        methods = ["GET", "POST"] if path == "/login" else ["GET"]
        app.add_api_route(path, endpoint, methods=methods, include_in_schema=False, response_model=None)
    for kind in HANDLERS.keys() - {RequestValidationError}:
        app.add_exception_handler(kind, partial(_failed, HANDLERS[kind]))


def _show(row: Mapping[str, Any], request: Request) -> Response:
    """Gather what a page's row asks for, step by step, and show it."""
    backend, given = request.app.state.backend, request.query_params
    values: views.Values = {name: given.get(name) or None for name in row.get("takes", ())}
    values |= {name: [each for each in given.getlist(name) if each] for name in row.get("lists", ())}
    values |= {name: str(value) for name, value in request.path_params.items()}
    values |= {"settings": request.app.state.settings, "now": moment_text(utc_now())}
    try:
        for name in row.get("first", ()):
            values |= getattr(views, name)(backend, values)
        for name, ask in row.get("ask", {}).items():
            values[name] = _asked(backend, ask, values)
        for name in row.get("then", ()):
            values |= getattr(views, name)(backend, values)
    except ValueError as error:
        raise HTTPException(422, f"The address says what cannot be: {error}.") from error
    return answers.page(request, row["template"], values)


def _asked(backend: Backend, ask: Mapping[str, Any], values: views.Values) -> Any:
    """The answer to one question; a document that nothing names, or that is gone where it ``may`` be, is ``None``."""
    wanted = _filled(ask, values)
    if "read" in ask:
        with suppress(*[ObjectNotFound][: ask.get("may", 0)]):
            return backend.read(ask["read"], **wanted["by"]) if "by" in wanted else None
        return None
    if "count" in ask:
        return backend.count(ask["count"], wanted.get("where", {}))
    return backend.find(ask["find"], Query(wanted.get("where", {}), ask.get("sort"), ask.get("limit", PAGE)))


def _filled(said: Any, values: views.Values) -> Any:
    """What a table says, with values in place of ``$names``; what has no value is left out."""
    if isinstance(said, str) and said.startswith("$"):
        found: Any = values
        for name in said[1:].split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        return found
    if isinstance(said, Mapping):
        parts = {name: _filled(each, values) for name, each in said.items()}
        return {name: part for name, part in parts.items() if part not in (None, {}, [])}
    if isinstance(said, list):
        filled = [_filled(each, values) for each in said]
        return [part for each in filled for part in (each if isinstance(each, list) else [each]) if part is not None]
    return said


# -- who looks, and what went wrong ------------------------------------------------------------------------------------


async def _login(request: Request) -> Response:
    """The form to log in with, and what becomes of it; who sends it empty leaves."""
    form, following = parse_qs((await request.body()).decode()), request.query_params.get("next", "/")
    key = form.get("key", [""])[0]
    here = following if re.fullmatch(r"(/[\w.%?=&:+,-]+)+", following, re.ASCII) else "/"
    session = await run_in_threadpool(request.app.state.access.cookie, key)
    answer = answers.page(request, "login.html", {"next": here, "wrong": key}, 401 if key else 200)
    if session is not None:
        answer = RedirectResponse(here, 303)
    elif request.method == "GET":
        return answer
    age, is_secure = int(LIFE.total_seconds()) if session else 0, request.url.scheme == "https"
    answer.set_cookie(COOKIE, session or "", age, httponly=True, samesite="strict", secure=is_secure)
    return answer


async def _failed(handler: Callable[[Request, Exception], Any], request: Request, error: Exception) -> Response:
    """A page for who asked for one, and for all others what programs get."""
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        return cast(Response, await handler(request, error))
    kinds: dict[type[Exception], int] = {HTTPException: getattr(error, "status_code", 500), **STATUS}
    status = next((code for kind, code in kinds.items() if isinstance(error, kind)), None)
    said = "" if status is None or getattr(error, "detail", "") == "Not Found" else str(getattr(error, "detail", error))
    return answers.page(request, "error.html", {"status": status or 500, "said": said}, status or 500)


_OTHERS: Mapping[str, Callable[..., Any]] = {
    "/ui/app.css": answers.send_static, "/ui/app.js": answers.send_static, "/login": _login,
    "/runs/flow-run/{id:uuid}/live": live.stream, "/runs/flow-run/{id:uuid}/news": live.news,
    "/runs/flow-run/{id:uuid}/logs.txt": live.download,
}  # fmt: skip
