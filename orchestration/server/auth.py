"""Who may do what, and whether a change was asked for by who seems to ask: answers for the gate.

Off, as long as there is neither an auth string nor an API key; ``domain.addresses.check_exposure`` then lets the
server be reached from its own machine alone. A basic auth string stands for an admin, as with Prefect; keys have roles.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from starlette.datastructures import Headers, QueryParams
from starlette.exceptions import HTTPException
from starlette.types import Message, Scope

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.keys import Role, digest
from orchestration.domain.schemas.wire import Document, moment_text
from orchestration.domain.settings import Settings

# Paths, compared whole, that tell everybody whether the server lives, and nothing else.
OPEN = frozenset({"/api/health", "/api/ready"})

ADMINS_OWN = ("/api/admin/storage", "/api/x/keys", "/api/x/audit")
SAFE = ("GET", "HEAD", "OPTIONS")
# How the paths end that are asked with POST and change nothing.
READING = ("/filter", "/count", "/paginate", "/history")

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
        if not may(Role.VIEWER, scope):
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
        self._secret = _shared_secret(backend).encode()

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


def _shared_secret(backend: Backend) -> str:
    try:
        return str(backend.read("settings", name="csrf-secret")["value"])
    except ObjectNotFound:
        with suppress(ObjectAlreadyExists):  # another server was quicker
            backend.create("settings", {"name": "csrf-secret", "value": secrets.token_urlsafe(32)})
        return str(backend.read("settings", name="csrf-secret")["value"])
