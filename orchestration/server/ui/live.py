"""What happens in a run as it happens: its state, its task runs and its log lines, by a stream or one by one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from logging import getLevelName
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document, moment_of, moment_text
from orchestration.server.ui import answers, views

# Between two looks, and lines or task runs of one message.
SECONDS, MOST = 0.5, 1_000
# What may have been written while one looked before.
OVERLAP = timedelta(seconds=2)
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def news(request: Request) -> Response:
    """What a page that has seen so much does not know yet, as JSON."""
    told = _news(request.app.state.backend, str(request.path_params["id"]), _seen(request))
    return answers.packed(request, json.dumps(told).encode(), "application/json", headers={"Cache-Control": "no-store"})


async def stream(request: Request) -> Response:
    """The same as server-sent events, until the run has ended."""
    await run_in_threadpool(request.app.state.backend.read, "flow_runs", id=str(request.path_params["id"]))
    return StreamingResponse(_events(request), headers={"Cache-Control": "no-store"}, media_type="text/event-stream")


async def _events(request: Request) -> AsyncIterator[str]:
    seen, before = _seen(request), Document()
    while not await request.is_disconnected():
        told = await run_in_threadpool(_news, request.app.state.backend, str(request.path_params["id"]), seen)
        new = {**told, "since": None}
        yield ": still here\n\n" if new == before else f"data: {json.dumps(told)}\n\n"
        if told["ended"] and not told["more"]:
            return
        seen, before = {**seen, "after": told["last"], "since": told["since"]}, new
        await asyncio.sleep(0 if told["more"] else SECONDS)


def _seen(request: Request) -> dict[str, Any]:
    """How far a page, or a stream that broke off, has come: a log line's number, and a moment or a number of nodes."""
    given = request.query_params
    return {"after": int(given.get("after") or 0), "since": given.get("since"), "offset": int(given.get("offset") or 0)}


def _news(backend: Backend, run_id: str, seen: dict[str, Any]) -> Document:
    begun, run, of_run = utc_now(), backend.read("flow_runs", id=run_id), {"any_": [run_id]}
    lines = {"logs": {"flow_run_id": of_run, "sequence": {"ge_": seen["after"] + 1}}}
    logs = backend.find("logs", Query(lines, "SEQUENCE_ASC", MOST))
    late = {"end_time": {"is_null_": True, "after_": seen["since"], "operator": "or_"}} if seen["since"] else {}
    tasks = backend.find("task_runs", Query({"task_runs": {"flow_run_id": of_run, **late}}, "ID_ASC", MOST, seen["offset"]))
    return {
        "state": run["state"], "ended": run["state_type"] in ENDED, "more": len(logs) == MOST,
        "start": run["start_time"], "end": run["end_time"], "nodes": views.nodes(backend, tasks),
        "more_nodes": len(tasks) == MOST, "logs": [views.line(each) for each in logs],
        "last": logs[-1]["sequence"] if logs else seen["after"], "since": moment_text(begun - OVERLAP),
    }  # fmt: skip


def download(request: Request) -> Response:
    """All lines of a run as text."""
    backend, run_id = request.app.state.backend, str(request.path_params["id"])
    name = backend.read("flow_runs", id=run_id)["name"]
    said = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}.log", **answers.SAFETY}
    return StreamingResponse(_lines(backend, run_id), headers=said, media_type="text/plain; charset=utf-8")


def _lines(backend: Backend, run_id: str) -> Iterator[str]:
    after = 0
    while True:
        where = {"logs": {"flow_run_id": {"any_": [run_id]}, "sequence": {"ge_": after + 1}}}
        found = backend.find("logs", Query(where, "SEQUENCE_ASC", MOST))
        for each in found:
            moment = moment_of(each["timestamp"])
            yield f"{moment:%Y-%m-%d %H:%M:%S.%f}Z {getLevelName(each['level']):8} {each['name']}: {each['message']}\n"
        if len(found) < MOST:
            return
        after = found[-1]["sequence"]
