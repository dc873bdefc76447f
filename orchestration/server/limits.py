"""What every request is held to before a handler sees it: the size, the time and the form of its body."""

from __future__ import annotations

import asyncio
import re

from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope

# Of a body.
MOST_BYTES = 32 * 2**20
# Seconds that a client may take to send its body.
PATIENCE = 30.0
# Levels of JSON within one another.
DEEPEST = 200

_BEGINS = (rb"\u0000", rb"\ud", rb"\uD")
# Pairs that stand for one letter, to be kept, and what no database takes: NUL and halves of pairs.
_ESCAPES = re.compile(
    rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})"
)


async def body_of(scope: Scope, receive: Receive) -> bytes:
    """The whole body of a request, mended of what no store can hold.

    Raises:
        HTTPException: it is too large, too slow or too deep.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            body = await _read(scope, receive)
    except TimeoutError:
        raise HTTPException(408, f"The request did not arrive within {PATIENCE:.0f} seconds.") from None
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        raise HTTPException(400, "The address has a NUL character.")
    _check_depth(body)
    if body.strip() == b"null":
        return b""
    if any(begin in body for begin in _BEGINS):
        return _ESCAPES.sub(lambda found: found[1] or b"\\ufffd", body)
    return body


async def _read(scope: Scope, receive: Receive) -> bytes:
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    size, chunks, more = int(announced) if announced.isdigit() else 0, [], True
    while more and size <= MOST_BYTES:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
        size = sum(map(len, chunks))
    if size > MOST_BYTES:
        raise HTTPException(413, f"The body of the request is larger than {MOST_BYTES:,} bytes; send it in parts.")
    return b"".join(chunks)


def _check_depth(body: bytes) -> None:
    if body.count(b"[") + body.count(b"{") > DEEPEST:
        try:
            from_json(body, cache_strings="none")
        except ValueError as error:
            if "recursion limit" in str(error):
                said = f"body: the JSON has more than {DEEPEST} levels within one another."
                raise HTTPException(422, said) from None
