"""The one middleware, over every request and every stream: who asks, what they send, and what came of it.

Who may do what is asked by nobody as long as there is neither an auth string nor an API key;
``domain.settings.check_exposure`` then lets the server be reached from its own machine alone. A basic auth string
stands for an admin, as with Prefect; keys have roles.
"""

import asyncio
import base64
import binascii
import hmac
import json
import re
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, QueryParams
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.schemas.wire import Document, moment_text
from orchestration.domain.settings import Role, Settings, digest
from orchestration.server.api.admin import Metrics
from orchestration.server.models import refusal_of

# Paths, compared whole, that tell everybody whether the server lives, and nothing else.
OPEN = frozenset({"/api/health", "/api/ready"})

ADMINS_OWN = ("/api/admin/storage", "/api/x/keys", "/api/x/audit")
SAFE = ("GET", "HEAD", "OPTIONS")
# How the paths end that are asked with POST and change nothing.
READING = ("/filter", "/count", "/paginate", "/history")
# And those by which workers tell again and again that they are there.
POLLING = ("/claim", "/claims/renew", "/get_scheduled_flow_runs", "/workers/heartbeat")

REFUSED = "Unauthorized"
# Of a token against forged requests.
LIFE = timedelta(hours=1)
# For how long it is taken for granted that there is still no key.
KEYS_LIFE = timedelta(seconds=2)


class Caller(NamedTuple):
    """Whom a request came from."""

    name: str
    role: Role


def may(role: Role, scope: Scope) -> bool:
    """Whether a role suffices: viewers read all but secrets, operators do all but what only admins may."""
    method, path, query = scope["method"], scope["path"], QueryParams(scope["query_string"])
    reads = method in SAFE or (method == "POST" and path.rstrip("/").endswith(READING))
    asks_for_secrets = query.get("include_secrets", "").lower() in ("1", "true", "yes", "on")
    if role is Role.ADMIN:
        return True
    if path.startswith(ADMINS_OWN) and not (reads and path.startswith("/api/admin")):
        return False
    return role is Role.OPERATOR or (reads and not asks_for_secrets)


class Access:
    """Tells who a caller is, and refuses who is not known or may not."""

    def __init__(self, settings: Settings, backend: Backend) -> None:
        self.csrf = CsrfTokens(backend) if settings.server_csrf_protection else None
        self._string = settings.server_api_auth_string
        self._backend = backend
        self._none_until = utc_now()

    def caller_of(self, scope: Scope) -> Caller | None:
        """Whom a request came from; ``None`` where nobody is asked.

        Raises:
            HTTPException: the caller is not known, may not do this, or lacks a token that no foreign page can know.
        """
        headers, caller = Headers(scope=scope), None
        if scope["path"] not in OPEN and self.is_on():
            caller = self._known(headers)
            if caller is None:
                raise HTTPException(401, REFUSED, {"WWW-Authenticate": "Basic, Bearer"})
            if not may(caller.role, scope):
                raise HTTPException(403, f"The key {caller.name!r} is a {caller.role}'s, who may not do this.")
        if self.csrf is not None and scope["method"] not in SAFE:
            client, token = headers.get("prefect-csrf-client"), headers.get("prefect-csrf-token")
            if fault := self.csrf.fault(client, token, utc_now()):
                raise HTTPException(403, fault)
        return caller

    def note(self, caller: Caller, scope: Scope, status: int) -> None:
        """Note in the audit log what a holder of a key changed."""
        if not (may(Role.VIEWER, scope) or scope["path"].endswith(POLLING)):
            told = {"key_name": caller.name, "method": scope["method"], "path": scope["path"][:1000], "status": status}
            self._backend.create("audit", told)

    def may_stream(self, scope: Scope, hello: Message) -> bool:
        """Whether the first message of a stream, ``{"type": "auth", "token": ...}``, is of somebody who may use it."""
        caller = self._holder(_token(hello))
        return caller is not None and (caller.role is not Role.VIEWER or scope["path"].endswith("/out"))

    def is_on(self) -> bool:
        """Whether anybody is asked who they are."""
        if self._string is not None:
            return True
        now = utc_now()
        if now >= self._none_until:
            if any(key["revoked"] is None for key in self._backend.find("api_keys")):
                return True
            self._none_until = now + KEYS_LIFE
        return False

    def _known(self, headers: Headers) -> Caller | None:
        """Whom an ``Authorization`` header names."""
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                return self._holder(base64.b64decode(credentials, validate=True).decode())
            except (binascii.Error, UnicodeDecodeError):
                return None
        return self._holder(credentials.strip()) if scheme.lower() == "bearer" else None

    def _holder(self, token: str) -> Caller | None:
        """Whose auth string or key a token is; compared in a time that tells nothing of what is right."""
        return self._of_digest(digest(token))

    def _of_digest(self, known: str) -> Caller | None:
        """Whose auth string or key has this digest."""
        if self._string is not None and hmac.compare_digest(known, digest(self._string)):
            return Caller("auth string", Role.ADMIN)
        try:
            key = self._backend.read("api_keys", digest=known)
        except ObjectNotFound:
            return None
        return Caller(key["name"], Role(key["role"])) if key["revoked"] is None else None


def _token(message: Message) -> str:
    try:
        said: Any = json.loads(message.get("text") or message.get("bytes") or "null")
    except ValueError:
        return ""
    hello = isinstance(said, dict) and said.get("type") == "auth"
    return str(said.get("token") or "") if hello else ""


class CsrfTokens:
    """Tokens that only a client which can read our answers knows; the protocol is that of Prefect's client.

    It signs who a token is for and until when, with a secret that all servers of a database share.
    """

    def __init__(self, backend: Backend) -> None:
        with suppress(ObjectAlreadyExists):  # the first server of a database makes it
            backend.create("settings", {"name": "csrf-secret", "value": secrets.token_urlsafe(32)})
        self._secret = str(backend.read("settings", name="csrf-secret")["value"]).encode()

    def token(self, client: str, now: datetime, life: timedelta = LIFE) -> Document:
        """The document of a token for a client."""
        until = now + life
        born, expires = moment_text(now), moment_text(until)
        about = {"id": str(new_id()), "created": born, "updated": born, "client": client, "expiration": expires}
        return {**about, "token": self._signed(client, int(until.timestamp()))}

    def fault(self, client: str | None, token: str | None, now: datetime) -> str | None:
        """What is wrong with a token, if anything; the words are those that Prefect's client looks for."""
        if not client or not token:
            return "Missing CSRF token."
        until = token.partition(".")[0]
        lives = until.isdecimal() and now < datetime.fromtimestamp(int(until[:11]), UTC)
        if not lives or not hmac.compare_digest(token.encode(), self._signed(client, int(until)).encode()):
            return "Invalid CSRF token or client identifier."
        return None

    def _signed(self, client: str, until: int) -> str:
        return f"{until}.{hmac.digest(self._secret, f'{client} {until}'.encode(), 'sha256').hex()}"


# -- bodies ------------------------------------------------------------------------------------------------------------

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


# -- the gate ----------------------------------------------------------------------------------------------------------

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
