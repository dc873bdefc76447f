"""The one middleware, over every request and every stream: who asks, what they send, and what came of it.

Who may do what is asked by nobody as long as there is neither an auth string nor an API key;
``domain.settings.check_exposure`` then lets the server be reached from its own machine alone. A basic auth string
stands for an admin, as with Prefect; keys have roles.
"""

import asyncio
import hmac
import json
import re
import secrets
import time
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote

from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.schemas.wire import Document, moment_text
from orchestration.domain.settings import Role, Settings, digest
from orchestration.server.api.admin import Metrics
from orchestration.server.models import refusal_of

# Paths, compared whole, that everybody may ask for: whether the server lives, and the page to log in on.
OPEN = frozenset({"/api/health", "/api/ready", "/login", "/ui/app.css", "/ui/app.js"})
ADMINS_OWN = ("/api/admin/storage", "/api/x/keys", "/api/x/audit")
SAFE = ("GET", "HEAD", "OPTIONS")
# How the paths end that are asked with POST and change nothing.
READING = ("/filter", "/count", "/paginate", "/history")
# And those by which workers tell again and again that they are there.
POLLING = ("/claim", "/claims/renew", "/get_scheduled_flow_runs", "/workers/heartbeat")

REFUSED = "Unauthorized"
# Of a token against forged requests, and of a session.
LIFE, SESSION_LIFE = timedelta(hours=1), timedelta(hours=12)
COOKIE = "orchestration-session"
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
    asks_for_secrets = query.get("include_secrets", "no").lower() not in ("0", "f", "false", "n", "no", "off")
    if role is Role.ADMIN:
        return True
    if path.startswith(ADMINS_OWN) and not (reads and path.startswith("/api/admin")):
        return False
    return role is Role.OPERATOR or (reads and not asks_for_secrets)


def forbidden(caller: Caller) -> HTTPException:
    """What is raised when a role does not suffice."""
    return HTTPException(403, f"The key {caller.name!r} is a {caller.role}'s, who may not do this.")


class Access:
    """Tells who a caller is, and refuses who is not known or may not.

    A person's browser has a session: a cookie that names the digest of a key, signed and for half a day.
    """

    def __init__(self, settings: Settings, backend: Backend) -> None:
        self.tokens, self.wants_tokens = CsrfTokens(backend), settings.server_csrf_protection
        self.sessions = CsrfTokens(backend, "session")
        self._string = settings.server_api_auth_string
        self._backend = backend
        self._none_until = utc_now()

    def caller_of(self, scope: Scope) -> Caller | None:
        """Whom a request came from; ``None`` where nobody is asked.

        Raises:
            HTTPException: the caller is not known (a person is sent to the page to log in on), may not do this, or
                lacks a token that no foreign page can know.
        """
        headers, caller, changes = Headers(scope=scope), None, scope["method"] not in SAFE
        session = "" if "authorization" in headers else self._session(headers)
        if changes and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise HTTPException(403, "The request was made by a page of another site.")
        if scope["path"] in OPEN:
            return None
        if self.is_on():
            caller = self._of_digest(session) if session else self._known(headers)
            if caller is None and not changes and "text/html" in headers.get("accept", ""):
                wanted = scope["path"] + (f"?{asked}" if (asked := scope["query_string"].decode("latin-1")) else "")
                raise HTTPException(303, REFUSED, {"Location": f"/login?next={quote(wanted)}"})
            if caller is None:
                raise HTTPException(401, REFUSED, {"WWW-Authenticate": "Basic, Bearer"})
            if not may(caller.role, scope):
                raise forbidden(caller)
        if changes:
            self._check_token(headers, session if caller else "")
        return caller

    def _check_token(self, headers: Headers, session: str) -> None:
        """Refuse a change without a token, where one is asked for; that of a session's pages is bound to it."""
        client, token = headers.get("prefect-csrf-client"), headers.get("prefect-csrf-token")
        fault = self.tokens.fault(client, token, utc_now()) if session or self.wants_tokens else None
        if fault or (session and client != _client(session)):
            raise HTTPException(403, fault or INVALID)

    def note(self, caller: Caller, scope: Scope, status: int) -> None:
        """Note in the audit log what a holder of a key changed."""
        if not (may(Role.VIEWER, scope) or scope["path"].endswith(POLLING)):
            told = {"key_name": caller.name, "method": scope["method"], "path": scope["path"][:1000], "status": status}
            self._backend.create("audit", told)

    def may_stream(self, scope: Scope, hello: Message) -> bool:
        """Whether the first message of a stream, ``{"type": "auth", "token": ...}``, is of somebody who may use it."""
        try:
            said = json.loads(hello.get("text") or hello.get("bytes") or "null")
            caller = self._of_digest(digest(said["token"])) if said["type"] == "auth" else None
        except (ValueError, TypeError, KeyError, AttributeError):  # it is none
            return False
        return caller is not None and (caller.role is not Role.VIEWER or scope["path"].endswith("/out"))

    def is_on(self) -> bool:
        """Whether anybody is asked who they are."""
        if self._string is None and utc_now() >= self._none_until:
            if any(key["revoked"] is None for key in self._backend.find("api_keys")):
                return True
            self._none_until = utc_now() + KEYS_LIFE
        return self._string is not None

    def cookie(self, key: str) -> str | None:
        """The session of who holds this key or auth string; ``None`` when nobody does."""
        known = digest(key)
        token = self.sessions.token(known, utc_now(), SESSION_LIFE)["token"]
        return f"{known}:{token}" if self._of_digest(known) else None

    def form_token(self, scope: Scope) -> str:
        """What a page's requests carry, as "client token"; empty where nobody asks for it."""
        client = _client(session := self._session(Headers(scope=scope)))
        wanted = session or self.wants_tokens
        return f"{client} {self.tokens.token(client, utc_now(), SESSION_LIFE)['token']}" if wanted else ""

    def _session(self, headers: Headers) -> str:
        """The digest of the key that a valid session names, or nothing."""
        known, _, token = cookie_parser(headers.get("cookie", "")).get(COOKIE, "").partition(":")
        return known if token and self.sessions.fault(known, token, utc_now()) is None else ""

    def _known(self, headers: Headers) -> Caller | None:
        """Whom an ``Authorization`` header names."""
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        ways = {"basic": lambda: b64decode(credentials, validate=True).decode(), "bearer": credentials.strip}
        try:
            token = ways[scheme.lower()]()
        except (KeyError, ValueError):  # there is no such way, or this is not base64 of text
            return None
        return self._of_digest(digest(token))

    def _of_digest(self, known: str) -> Caller | None:
        """Whose auth string or key has this digest; compared in a time that tells nothing of what is right."""
        if self._string is not None and hmac.compare_digest(known, digest(self._string)):
            return Caller("auth string", Role.ADMIN)
        try:
            key = self._backend.read("api_keys", digest=known)
        except ObjectNotFound:
            return None
        return Caller(key["name"], Role(key["role"])) if key["revoked"] is None else None


def _client(session: str) -> str:
    """To whom the token of a session's pages is bound."""
    return f"page-{session[:16]}"


INVALID = "Invalid CSRF token or client identifier."


class CsrfTokens:
    """Tokens that only a client which can read our answers knows; the protocol is that of Prefect's client.

    It signs what a token is for, for whom and until when, with a secret that all servers of a database share.
    """

    def __init__(self, backend: Backend, purpose: str = "csrf") -> None:
        self._backend, self._purpose = backend, purpose

    @cached_property
    def _secret(self) -> bytes:
        with suppress(ObjectAlreadyExists):  # the first server of a database makes it
            self._backend.create("settings", {"name": "csrf-secret", "value": secrets.token_urlsafe(32)})
        return str(self._backend.read("settings", name="csrf-secret")["value"]).encode()

    def token(self, client: str, now: datetime, life: timedelta = LIFE) -> Document:
        """The document of a token for a client."""
        born, until, token = moment_text(now), now + life, self._signed(client, int((now + life).timestamp()))
        about = {"id": str(new_id()), "created": born, "updated": born, "client": client}
        return {**about, "expiration": moment_text(until), "token": token}

    def fault(self, client: str | None, token: str | None, now: datetime) -> str | None:
        """What is wrong with a token, if anything; the words are those that Prefect's client looks for."""
        if not client or not token:
            return "Missing CSRF token."
        until = token.partition(".")[0][:11]
        lives = until.isdecimal() and now < datetime.fromtimestamp(int(until), UTC)
        if not lives or not hmac.compare_digest(token.encode(), self._signed(client, int(until)).encode()):
            return INVALID
        return None

    def _signed(self, client: str, until: int) -> str:
        return f"{until}.{hmac.digest(self._secret, f'{self._purpose} {client} {until}'.encode(), 'sha256').hex()}"


# -- bodies ------------------------------------------------------------------------------------------------------------

# Of a body.
MOST_BYTES = 32 * 2**20
# Seconds that a client may take to send its body.
PATIENCE = 30.0
# Levels of JSON within one another.
DEEPEST = 200

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
    return _ESCAPES.sub(lambda found: found[1] or b"\\ufffd", body) if rb"\u" in body else body


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
            return await self._serve(scope, receive, send)
        if scope["type"] == "websocket" and await run_in_threadpool(self._access.is_on):
            receive = self._messages(scope, receive, send).__anext__
        await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status, caller = time.perf_counter(), 500, None

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            caller = scope["caller"] = await run_in_threadpool(self._access.caller_of, scope)
            await self._app(scope, _once(await body_of(scope, receive), receive), noting)
        except HTTPException as error:
            await refusal_of(error)(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.count(scope["method"], route, status, time.perf_counter() - began)
        if caller is not None:
            await run_in_threadpool(self._access.note, caller, scope, status)

    async def _messages(self, scope: Scope, receive: Receive, send: Send) -> AsyncIterator[Message]:
        """The messages of a stream: that there is one, then who is there; who may not use it is sent away."""
        yield await receive()
        hello = await receive()
        if hello["type"] == "websocket.receive" and not await run_in_threadpool(self._access.may_stream, scope, hello):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": REFUSED})
            hello = {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
        yield hello
        while True:
            yield await receive()


def _once(body: bytes, receive: Receive) -> Receive:
    """The body, and from then on what else there is to receive, such as that the client has gone."""
    given: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return given.pop() if given else await receive()

    return next_message
