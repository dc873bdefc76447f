"""Who may do what: one middleware over every request and every stream.

Off, as long as there is neither an auth string nor an API key; ``domain.addresses.check_exposure`` then lets the
server be reached from its own machine alone. A basic auth string stands for an admin, as with Prefect; keys have roles.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.keys import Role, digest
from orchestration.domain.settings import Settings
from orchestration.server.answers import refusal
from orchestration.server.csrf import CsrfTokens

OPEN = frozenset({"/api/health", "/api/ready"})
"""Paths, compared whole, that tell everybody whether the server lives, and nothing else."""

ADMINS_OWN = ("/api/admin/storage", "/api/x/keys", "/api/x/audit")
READING = ("/filter", "/count", "/paginate", "/history", "/lateness")
"""How the paths end that are asked with POST and change nothing."""

POLICY_VIOLATION = 1008
REFUSED = "Unauthorized"
KEYS_LIFE = timedelta(seconds=2)
"""For how long it is taken for granted that there is still no key."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request came from."""

    name: str
    role: Role


def may(role: Role, method: str, path: str, secrets: bool) -> bool:
    """Whether a role suffices: viewers read all but secrets, operators do all but what only admins may."""
    reads = method in ("GET", "HEAD", "OPTIONS") or (method == "POST" and path.rstrip("/").endswith(READING))
    if role is Role.ADMIN:
        return True
    if path.startswith(ADMINS_OWN) and not (reads and path.startswith("/api/admin")):
        return False
    return role is Role.OPERATOR or (reads and not secrets)


class Auth:
    """Lets through who is known and may; notes in the audit log what holders of keys changed."""

    def __init__(self, app: ASGIApp, settings: Settings, backend: Backend) -> None:
        self._app = app
        self._string = settings.server_api_auth_string
        self._backend = backend
        self._csrf = CsrfTokens(backend) if settings.server_csrf_protection else None
        self._none_until = utc_now()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or stream."""
        if scope["type"] == "lifespan" or scope["path"] in OPEN or not await run_in_threadpool(self._is_on):
            await self._guarded(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._app(scope, self._after_hello(scope, receive, send), send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        caller = await run_in_threadpool(self._caller, Headers(scope=scope).get("authorization", ""))
        if caller is None:
            answer = refusal(401, REFUSED)
            answer.headers["WWW-Authenticate"] = "Basic, Bearer"
            await answer(scope, receive, send)
            return
        secrets = QueryParams(scope["query_string"]).get("include_secrets", "").lower() in ("1", "true", "yes", "on")
        if not may(caller.role, method, path, secrets):
            await refusal(403, f"The key {caller.name!r} is a {caller.role}'s, who may not do this.")(
                scope, receive, send
            )
            return
        status: list[int] = []

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])
            await send(message)

        scope["caller"] = caller
        await self._guarded(scope, receive, noting)
        if not may(Role.VIEWER, method, path, secrets):
            told = {"key_name": caller.name, "method": method, "path": path[:1000], "status": (status or [500])[0]}
            await run_in_threadpool(self._backend.create, "audit", told)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that, where that is asked for, brings a token that no foreign page can know."""
        if self._csrf is not None and scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            headers = Headers(scope=scope)
            fault = await run_in_threadpool(
                self._csrf.fault, headers.get("prefect-csrf-client"), headers.get("prefect-csrf-token"), utc_now()
            )
            if fault is not None:
                await refusal(403, fault)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _after_hello(self, scope: Scope, receive: Receive, send: Send) -> Receive:
        """The messages of a stream, of which the first must tell who is there: ``{"type": "auth", "token": ...}``."""
        known: list[Caller] = []

        async def next_message() -> Message:
            message = await receive()
            if known or message["type"] != "websocket.receive":
                return message
            caller = await run_in_threadpool(self._holder, _token(message))
            if caller is None or (caller.role is Role.VIEWER and not scope["path"].endswith("/out")):
                await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": REFUSED})
                return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
            known.append(caller)
            return message

        return next_message

    def _is_on(self) -> bool:
        if self._string is not None:
            return True
        now = utc_now()
        if now >= self._none_until:
            if any(key["revoked"] is None for key in self._backend.find("api_keys")):
                return True
            self._none_until = now + KEYS_LIFE
        return False

    def _caller(self, header: str) -> Caller | None:
        """Whom an ``Authorization`` header names."""
        scheme, _, credentials = header.partition(" ")
        if scheme.lower() == "basic":
            try:
                return self._holder(base64.b64decode(credentials, validate=True).decode())
            except (binascii.Error, UnicodeDecodeError):
                return None
        return self._holder(credentials.strip()) if scheme.lower() == "bearer" else None

    def _holder(self, token: str) -> Caller | None:
        """Whose auth string or key a token is; compared in a time that tells nothing of what is right."""
        if self._string is not None and hmac.compare_digest(token.encode(), self._string.encode()):
            return Caller("auth string", Role.ADMIN)
        try:
            key = self._backend.read("api_keys", digest=digest(token))
        except ObjectNotFound:
            return None
        same = hmac.compare_digest(key["digest"], digest(token))
        return Caller(key["name"], Role(key["role"])) if same and key["revoked"] is None else None


def _token(message: Message) -> str:
    try:
        said: Any = json.loads(message.get("text") or message.get("bytes") or "null")
    except ValueError:
        return ""
    hello = isinstance(said, dict) and said.get("type") == "auth"
    return str(said.get("token") or "") if hello else ""
