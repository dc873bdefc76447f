"""What every request is held to before a handler sees it: the size, the time and the form of its body."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

from pydantic_core import from_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestration.server.answers import Json, refusal

MOST_BYTES = 32 * 2**20
"""Of a body."""
PATIENCE = 30.0
"""Seconds that a client may take to send its body."""
DEEPEST = 200
"""Levels of JSON within one another."""

_ESCAPES = re.compile(
    rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""Pairs that stand for one letter, to be kept, and what no database takes: NUL and halves of pairs."""


class Limits:
    """Reads the body whole, refuses what is too large, too slow or too deep, and mends what no store can hold."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(PATIENCE):
                body, refused = await _read(scope, receive)
        except TimeoutError:
            body, refused = b"", refusal(408, f"The request did not arrive within {PATIENCE:.0f} seconds.")
        refused = refused or _fault(scope, body)
        if refused is not None:
            await refused(scope, receive, send)
            return
        scope["headers"] = list(_headers(scope, body))
        await self._app(scope, _once(_mended(body), receive), send)


async def _read(scope: Scope, receive: Receive) -> tuple[bytes, Json | None]:
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    size, chunks, more = int(announced) if announced.isdigit() else 0, [], True
    while more and size <= MOST_BYTES:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
        size = sum(map(len, chunks))
    if size > MOST_BYTES:
        return b"", refusal(413, f"The body of the request is larger than {MOST_BYTES:,} bytes; send it in parts.")
    return b"".join(chunks), None


def _fault(scope: Scope, body: bytes) -> Json | None:
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        return refusal(400, "The address has a NUL character.")
    if body.count(b"[") + body.count(b"{") > DEEPEST:
        try:
            from_json(body, cache_strings="none")
        except ValueError as error:
            if "recursion limit" in str(error):
                return refusal(422, f"body: the JSON has more than {DEEPEST} levels within one another.")
    return None


def _mended(body: bytes) -> bytes:
    if body.strip() == b"null":
        return b""
    if b"\\u0000" in body or b"\\ud" in body or b"\\uD" in body:
        return _ESCAPES.sub(lambda found: found[1] or b"\\ufffd", body)
    return body


def _headers(scope: Scope, body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Those of the request; older clients of Prefect do not say that what they send is JSON."""
    yield from scope["headers"]
    if body and all(name != b"content-type" for name, _ in scope["headers"]):
        yield b"content-type", b"application/json"


def _once(body: bytes, receive: Receive) -> Receive:
    """The body, and from then on what else there is to receive, such as that the client has gone."""
    given: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return given.pop() if given else await receive()

    return next_message
