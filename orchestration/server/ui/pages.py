"""The pages of ``pages.toml``: what each asks of the backend, and the template that shows it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import moment_text
from orchestration.server.answers import HANDLERS, STATUS
from orchestration.server.ui import answers, live, views, words
from orchestration.server.ui.session import COOKIE, LIFE, PageAccess

Values = dict[str, Any]


def add_pages(app: FastAPI, access: PageAccess) -> None:
    """Add all pages to an application, and let people see as a page what went wrong."""
    app.state.access = access
    rows = tomllib.loads((answers.HERE / "pages.toml").read_text(encoding="utf-8"))
    for path, row in rows.items():
        app.add_route(path, partial(_show, row))
    for path in ("/ui/app.css", "/ui/app.js"):
        app.add_route(path, answers.send_static)
    app.add_route("/runs/flow-run/{id:uuid}/live", live.stream)
    app.add_route("/runs/flow-run/{id:uuid}/news", live.news)
    app.add_route("/runs/flow-run/{id:uuid}/logs.txt", live.download)
    app.add_route("/login", _login, methods=["GET", "POST"])
    app.add_route("/logout", _logout, methods=["POST"])
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, partial(_failed, handler))


def _show(row: Mapping[str, Any], request: Request) -> Response:
    """Gather what a page's row asks for, step by step, and show it."""
    backend: Backend = request.app.state.backend
    given = request.query_params
    values: Values = {name: value for name, value in given.items() if value}
    values |= {name: given.getlist(name) for name in row.get("lists", ())}
    values |= {name: str(value) for name, value in request.path_params.items()}
    values |= {"settings": request.app.state.settings, "now": moment_text(words.utc_now())}
    for name in row.get("first", ()):
        values |= _view(name)(backend, values)
    for name, ask in row.get("ask", {}).items():
        values[name] = _asked(backend, ask, values)
    for name in row.get("then", ()):
        values |= _view(name)(backend, values)
    return answers.page(request, row["template"], values)


def _view(name: str) -> Callable[[Backend, Values], Values]:
    found: Callable[[Backend, Values], Values] = getattr(views, name)
    return found


def _asked(backend: Backend, ask: Mapping[str, Any], values: Values) -> Any:
    """The answer to one question; a document that nothing names, or that is gone where it ``may`` be, is ``None``."""
    wanted = _filled(ask, values) or {}
    if "read" in ask:
        keys = {name: wanted.get("by", {}).get(name) for name in ask["by"]}
        try:
            return None if None in keys.values() else backend.read(ask["read"], **keys)
        except ObjectNotFound:
            if ask.get("may"):
                return None
            raise
    where = wanted.get("where", {})
    if "count" in ask:
        return backend.count(ask["count"], where)
    return backend.find(ask["find"], Query(where, ask.get("sort"), ask.get("limit", 200), int(wanted.get("offset", 0))))


def _filled(said: Any, values: Values) -> Any:
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
    """The form to log in with, and what becomes of it."""
    access: PageAccess = request.app.state.access
    following = request.query_params.get("next", "/")
    safe = following if following.startswith("/") and not following.startswith(("//", "/\\")) else "/"
    if request.method == "GET":
        return answers.page(request, "login.html", {"next": safe})
    form = {name: given[0] for name, given in parse_qs((await request.body()).decode()).items()}
    session = access.cookie(form.get("key", ""))
    if session is None:
        return answers.page(request, "login.html", {"next": safe, "wrong": True}, 401)
    answer = RedirectResponse(safe, 303)
    is_secure = request.url.scheme == "https"
    answer.set_cookie(
        COOKIE, session, int(LIFE.total_seconds()), httponly=True, samesite="strict", secure=is_secure
    )
    return answer


async def _logout(_request: Request) -> Response:
    """Forget the session."""
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE)
    return answer


async def _failed(handler: Callable[[Request, Exception], Any], request: Request, error: Exception) -> Response:
    """A page for who asked for one, and for all others what programs get."""
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        answer: Response = await handler(request, error)
        return answer
    status = error.status_code if isinstance(error, HTTPException) else 500
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), status)
    said = "" if status in (404, 405) and isinstance(error, HTTPException) else str(getattr(error, "detail", error))
    told = said if status != 500 or isinstance(error, tuple(STATUS)) else ""  # noqa: PLR2004
    return answers.page(request, "error.html", {"status": status, "said": told}, status)
