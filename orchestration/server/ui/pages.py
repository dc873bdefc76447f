"""The pages of ``pages.toml``: what each asks of the backend, the template that shows it, and how it travels.

What happens in a run is also told as it happens, by a stream or one by one.
"""

import asyncio
import gzip
import hashlib
import json
import re
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache, partial
from logging import getLevelName
from pathlib import Path
from platform import python_version
from typing import Annotated, Any
from urllib.parse import parse_qs, quote

from fastapi import FastAPI, Query as InAddress
from jinja2 import Environment, FileSystemLoader
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound, OrchestrationError
from orchestration.domain.schemas.filters import PAGE, Query
from orchestration.domain.schemas.wire import Document, moment_text
from orchestration.server.api.admin import own_version
from orchestration.server.auth import COOKIE, SESSION_LIFE
from orchestration.server.models import fault_of, refusal_of
from orchestration.server.ui import views

HERE = Path(__file__).parent
# Nothing from another host, no script or style but those two files, and no frame around a page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFETY = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
FRESH = {"Cache-Control": "no-store"}
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
# Bytes below which compressing costs more than it saves.
SMALL = 1_000
_FILES = {"app.css": ("text/css", "*.css"), "app.js": ("text/javascript", "*.js")}


@cache
def static(name: str) -> tuple[bytes, str]:
    """One of the two files that all pages share, made of its parts in the order of their names, and its version."""
    body = b"\n".join(path.read_bytes() for path in sorted((HERE / "static").glob(_FILES[name][1])))
    return body, hashlib.sha256(body).hexdigest()[:12]


@cache
def templates() -> Environment:
    """The templates; all that they show is escaped."""
    loader = FileSystemLoader(HERE / "templates")
    made = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.finalize = lambda value: "" if value is None else value
    made.filters.update(views.FILTERS)
    made.globals.update(is_picture=views.is_picture, file_version=lambda name: static(name)[1])
    made.globals.update(version=own_version(), python=python_version())
    return made


def send_static(request: Request) -> Response:
    """One of the two files."""
    name = Path(request.url.path).name
    return packed(request, static(name)[0], _FILES[name][0], FOREVER)


def page(request: Request, template: str, context: dict[str, Any], status: int = 200) -> Response:
    """A page; who looks at it, and what its requests carry, is put in."""
    access, caller = request.app.state.access, request.scope.get("caller")
    around = {
        "path": request.url.path, "query": request.query_params, "api_url": f"{request.base_url}api", "caller": caller,
        "token": access.form_token(request.scope), "may_change": caller is None or caller.role != "viewer",
    }  # fmt: skip
    html = templates().get_template(template).render({**around, **context})
    return packed(request, html.encode(), "text/html", FRESH, status)


def packed(request: Request, body: bytes, media_type: str, headers: dict[str, str], status: int = 200) -> Response:
    """An answer, compressed where the browser takes that."""
    more = {**SAFETY, **headers, "Vary": "Accept-Encoding"}
    if len(body) > SMALL and "gzip" in request.headers.get("accept-encoding", ""):
        body, more["Content-Encoding"] = gzip.compress(body, 5), "gzip"
    return Response(body, status, more, media_type)


# -- what a page asks for ----------------------------------------------------------------------------------------------


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
    except (ValueError, OverflowError) as error:
        raise HTTPException(422, f"The address says what cannot be: {error}.") from error
    return page(request, row["template"], values)


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


# -- what happens in a run ---------------------------------------------------------------------------------------------

# Between two looks, lines or task runs of one message, and what may have been written while one looked before.
SECONDS, MOST, OVERLAP = 0.5, 1_000, timedelta(seconds=2)
Number = Annotated[int, InAddress(ge=0, lt=2**62)]
ENDED, LINE = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"), "{timestamp} {level:8} {name}: {message}\n"


def news(request: Request, after: Number = 0, since: datetime | None = None, offset: Number = 0) -> Response:
    """What a page that has seen so much does not know yet, as JSON."""
    body = json.dumps(_news(request, after, moment_text(since), offset)).encode()
    return packed(request, body, "application/json", FRESH)


async def stream(request: Request, after: Number = 0, since: datetime | None = None) -> Response:
    """The same as server-sent events, until the run has ended."""
    await run_in_threadpool(request.app.state.backend.read, "flow_runs", id=str(request.path_params["id"]))
    told = _events(request, after, moment_text(since))
    return StreamingResponse(told, headers=FRESH, media_type="text/event-stream")


async def _events(request: Request, after: int, since: str | None) -> AsyncIterator[str]:
    before, told = Document(), Document()
    with suppress(ObjectNotFound):  # somebody deleted the run
        while not (told.get("ended") and not told["more"]) and not await request.is_disconnected():
            told = await run_in_threadpool(_news, request, after, since)
            new, after, since = {**told, "since": None}, told["last"], told["since"]
            yield ": still here\n\n" if new == before else f"data: {json.dumps(told)}\n\n"
            before = new
            await asyncio.sleep(0 if told["more"] else SECONDS)


def _news(request: Request, after: int, since: str | None, offset: int = 0) -> Document:
    """How far a page has come is told by a log line's number, and by a moment or a number of nodes."""
    backend, run_id, begun = request.app.state.backend, str(request.path_params["id"]), utc_now()
    run, of_run = backend.read("flow_runs", id=run_id), {"any_": [run_id]}
    logs = _logs(backend, run_id, after)
    late = {"end_time": {"is_null_": True, "after_": since, "operator": "or_"}} if since else {}
    where = {"task_runs": {"flow_run_id": of_run, **late}}
    tasks = backend.find("task_runs", Query(where, "EXPECTED_START_TIME_ASC", MOST, offset))
    return {
        "state": run["state"], "ended": run["state_type"] in ENDED, "more": len(logs) == MOST,
        "start": run["start_time"], "end": run["end_time"], "nodes": views.nodes(backend, tasks),
        "logs": [views.line(each) for each in logs],
        "last": logs[-1]["sequence"] if logs else after, "since": moment_text(begun - OVERLAP),
    }  # fmt: skip


def download(request: Request) -> Response:
    """All lines of a run as text."""
    run = request.app.state.backend.read("flow_runs", id=str(request.path_params["id"]))
    said = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(run['name'], safe='')}.log", **SAFETY}
    return StreamingResponse(_lines(request.app.state.backend, run["id"]), headers=said, media_type="text/plain")


def _lines(backend: Backend, run_id: str) -> Iterator[str]:
    after = 0
    while found := _logs(backend, run_id, after):
        yield from (LINE.format(**{**each, "level": getLevelName(each["level"])}) for each in found)
        after = found[-1]["sequence"]


def _logs(backend: Backend, run_id: str, after: int) -> list[Document]:
    """The lines of a run that follow the one of that number."""
    where = {"logs": {"flow_run_id": {"any_": [run_id]}, "sequence": {"ge_": after + 1}}}
    return backend.find("logs", Query(where, "SEQUENCE_ASC", MOST))


# -- who looks, and what went wrong ------------------------------------------------------------------------------------


async def _login(request: Request) -> Response:
    """The form to log in with, and what becomes of it; who sends it empty leaves."""
    form, following = parse_qs((await request.body()).decode(errors="replace")), request.query_params.get("next", "/")
    key = form.get("key", [""])[0]
    here = following if re.fullmatch(r"(/[\w.%?=&:+,-]+)+", following, re.ASCII) else "/"
    session = await run_in_threadpool(request.app.state.access.cookie, key)
    answer = page(request, "login.html", {"next": here, "wrong": key}, 401 if key else 200)
    if session is not None:
        answer = RedirectResponse(here, 303)
    elif request.method == "GET":
        return answer
    age, is_secure = int(SESSION_LIFE.total_seconds()) if session else 0, request.url.scheme == "https"
    answer.set_cookie(COOKIE, session or "", age, httponly=True, samesite="strict", secure=is_secure)
    return answer


async def _failed(request: Request, error: Exception) -> Response:
    """A page for who asked for one, and for all others what programs get."""
    fault = fault_of(request, error)
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        return refusal_of(fault)
    return page(request, "error.html", {"status": fault.status_code, "said": fault.detail}, fault.status_code)


_OTHERS: Mapping[str, Callable[..., Any]] = {
    "/ui/app.css": send_static, "/ui/app.js": send_static, "/login": _login,
    "/runs/flow-run/{id:uuid}/live": stream, "/runs/flow-run/{id:uuid}/news": news,
    "/runs/flow-run/{id:uuid}/logs.txt": download,
}  # fmt: skip


def add_pages(app: FastAPI) -> None:
    """Add all pages to an application, and let people see as a page what went wrong."""
    for path, row in tomllib.loads((HERE / "pages.toml").read_text(encoding="utf-8")).items():
        app.add_route(path, partial(_show, row))
    for path, endpoint in _OTHERS.items():
        methods = ["GET", "POST"] if path == "/login" else ["GET"]
        app.add_api_route(path, endpoint, methods=methods, include_in_schema=False, response_model=None)
    for kind in (OrchestrationError, HTTPException, Exception):
        app.add_exception_handler(kind, _failed)
