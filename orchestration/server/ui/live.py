"""What happens in a run as it happens: its state, its task runs and its log lines, by a stream or one by one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from logging import getLevelName
from typing import Annotated
from urllib.parse import quote

from fastapi import Query as InAddress
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document, moment_text
from orchestration.server.ui import answers, views

# Between two looks, lines or task runs of one message, and what may have been written while one looked before.
SECONDS, MOST, OVERLAP = 0.5, 1_000, timedelta(seconds=2)
Number = Annotated[int, InAddress(ge=0, lt=2**62)]
ENDED, LINE = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"), "{timestamp} {level:8} {name}: {message}\n"


def news(request: Request, after: Number = 0, since: datetime | None = None, offset: Number = 0) -> Response:
    """What a page that has seen so much does not know yet, as JSON."""
    body = json.dumps(_news(request, after, moment_text(since), offset)).encode()
    return answers.packed(request, body, "application/json", headers=answers.FRESH)


async def stream(request: Request, after: Number = 0, since: datetime | None = None) -> Response:
    """The same as server-sent events, until the run has ended."""
    await run_in_threadpool(request.app.state.backend.read, "flow_runs", id=str(request.path_params["id"]))
    told = _events(request, after, moment_text(since))
    return StreamingResponse(told, headers=answers.FRESH, media_type="text/event-stream")


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
    lines = {"logs": {"flow_run_id": of_run, "sequence": {"ge_": after + 1}}}
    logs = backend.find("logs", Query(lines, "SEQUENCE_ASC", MOST))
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
    said = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(run['name'], safe='')}.log", **answers.SAFETY}
    return StreamingResponse(_lines(request.app.state.backend, run["id"]), headers=said, media_type="text/plain")


def _lines(backend: Backend, run_id: str) -> Iterator[str]:
    found, after = [Document()], 0
    while found:
        where = {"logs": {"flow_run_id": {"any_": [run_id]}, "sequence": {"ge_": after + 1}}}
        found = backend.find("logs", Query(where, "SEQUENCE_ASC", MOST))
        yield from (LINE.format(**{**each, "level": getLevelName(each["level"])}) for each in found)
        after = found[-1]["sequence"] if found else after
