"""The one middleware, over every request and every stream: who asks, what they send, and what came of it."""

from __future__ import annotations

import time
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestration.server.answers import refusal_of
from orchestration.server.auth import REFUSED, Access
from orchestration.server.limits import body_of
from orchestration.server.metrics import Metrics

POLICY_VIOLATION = 1008


class Gate:
    """Lets through who may, with a body that the server can take; counts requests, and notes what keys changed."""

    def __init__(self, app: ASGIApp, access: Access, metrics: Metrics) -> None:
        self._app, self._access, self._metrics = app, access, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or stream."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket" and await run_in_threadpool(self._access.is_on):
            await self._app(scope, self._after_hello(scope, receive, send), send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status, caller = time.perf_counter(), 500, None

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            caller = scope["caller"] = await run_in_threadpool(self._access.caller_of, scope)
            await self._app(scope, _once(scope, await body_of(scope, receive), receive), noting)
        except HTTPException as error:
            await refusal_of(error)(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.count(scope["method"], route, status, time.perf_counter() - began)
        if caller is not None:
            await run_in_threadpool(self._access.note, caller, scope, status)

    def _after_hello(self, scope: Scope, receive: Receive, send: Send) -> Receive:
        """The messages of a stream, of which the first must tell who is there."""
        is_known = False

        async def next_message() -> Message:
            nonlocal is_known
            message = await receive()
            if is_known or message["type"] != "websocket.receive":
                return message
            is_known = await run_in_threadpool(self._access.may_stream, scope, message)
            if is_known:
                return message
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": REFUSED})
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}

        return next_message


def _once(scope: Scope, body: bytes, receive: Receive) -> Receive:
    """The body, and from then on what else there is to receive, such as that the client has gone."""
    if body and all(name != b"content-type" for name, _ in scope["headers"]):  # as with older clients of Prefect
        scope["headers"] = [*scope["headers"], (b"content-type", b"application/json")]
    given: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return given.pop() if given else await receive()

    return next_message
