"""Tokens that only a client which can read our answers knows; the protocol is that of Prefect's client."""

from __future__ import annotations

import hmac
import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from orchestration.backend.clock import new_id
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.schemas.wire import Document, moment_text

LIFE = timedelta(hours=1)


class CsrfTokens:
    """Signs who a token is for and until when, with a secret that all servers of a database share."""

    def __init__(self, backend: Backend) -> None:
        self._secret = _shared_secret(backend).encode()

    def token(self, client: str, now: datetime) -> Document:
        """The document of a token for a client."""
        until = now + LIFE
        born, expires = moment_text(now), moment_text(until)
        about = {"id": str(new_id()), "created": born, "updated": born, "client": client, "expiration": expires}
        return {**about, "token": self._signed(client, int(until.timestamp()))}

    def fault(self, client: str | None, token: str | None, now: datetime) -> str | None:
        """What is wrong with a token, if anything; the words are those that Prefect's client looks for."""
        if not client or not token:
            return "Missing CSRF token."
        until = token.partition(".")[0]
        lives = until.isdecimal() and now < datetime.fromtimestamp(int(until[:11]), UTC)
        if not lives or not hmac.compare_digest(token, self._signed(client, int(until))):
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
