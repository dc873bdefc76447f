"""Requests to a server: which are sent again, and when, and what its refusals mean."""

from __future__ import annotations

import json
import logging
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import Any

from orchestration.backend.clock import DICE, new_id
from orchestration.backend.http_client import httpx
from orchestration.domain.errors import (
    ConfigurationError,
    ObjectAlreadyExists,
    ObjectNotFound,
    OrchestrationError,
    StoreError,
    UsageError,
)
from orchestration.domain.settings import Settings

REACH_SECONDS = 10.0
"""How long a server is waited for while nothing depends on it yet."""
FAULT_SECONDS = 60.0
"""How long a request that the server stumbles over (500) is sent again: an outage passes, a fault does not."""
FIRST_SECONDS, MOST_SECONDS = 0.1, 5.0
_FORBIDDEN, _NOT_FOUND, _LATE, _BUSY, _FAULT = 403, 404, 408, 429, 500
_KINDS: Mapping[int, type[OrchestrationError]] = {
    400: UsageError,
    401: ConfigurationError,
    403: ConfigurationError,
    404: ObjectNotFound,
    409: ObjectAlreadyExists,
    410: ObjectNotFound,
    413: UsageError,
    422: UsageError,
}
"""What a refusal is to the caller; all others mean that the store cannot be used."""

Json = Any
_log = logging.getLogger("orchestration")


def back_off(attempt: int, unit_random: float) -> float:
    """Seconds until the next try: exponential with full jitter, so that many who wait do not return together."""
    return min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(attempt, 16)) * unit_random


def encoded(document: Any) -> bytes:
    """JSON as it is sent; on one line."""
    return json.dumps(document, separators=(",", ":")).encode()


class Trouble(Exception):
    """An attempt that may succeed later; ``wait`` are the seconds that the server asks for."""

    def __init__(self, reason: str, wait: float = 0.0, is_fault: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.is_fault = is_fault


class Transport:
    """One server: connections that are used again, and requests that are sent until they are answered."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None = None) -> None:
        self.url = (settings.api_url or "").rstrip("/")
        if not _is_address(self.url):
            raise ConfigurationError(
                f"ORCHESTRATION_API_URL is {self.url!r}; use an address such as http://127.0.0.1:4200/api."
            )
        self._timeout = settings.api_request_timeout
        self._client = httpx.Client(
            base_url=self.url,
            headers={"Content-Type": "application/json", **_credentials(settings)},
            verify=self.url.startswith("https://"),  # reading the certificates takes 20 ms
            transport=transport,
        )
        self._told_since: float | None = None
        self._lock = threading.Lock()
        self.closed = threading.Event()
        self.sleep: Callable[[float], object] = self.closed.wait
        self.tell: Callable[[str], None] = _log.warning
        """Hears of the beginning and the end of an outage."""

    def send(
        self, method: str, path: str, content: bytes | None = None, patience: float = REACH_SECONDS, **how: Any
    ) -> httpx.Response:
        """The answer to a request, sent again for up to ``patience`` seconds while the server is away.

        ``how`` may name ``params`` and ``headers``, and in ``allow`` a status that is an answer and no refusal.

        Raises:
            StoreError: the server cannot be reached; or, as the kind that it is, what it says against the request.
            ConfigurationError: it does not accept the credentials.
        """
        began, allow = time.monotonic(), how.pop("allow", None)
        for attempt in count():
            left = began + patience - time.monotonic()
            try:
                response = self._attempt(method, path, content, left, **how)
            except Trouble as trouble:
                patience = min(patience, FAULT_SECONDS) if trouble.is_fault else patience
                seconds = trouble.wait or back_off(attempt, DICE.random())
                if self.closed.is_set() or time.monotonic() + seconds > began + patience:
                    raise StoreError(self._unreachable(trouble, time.monotonic() - began)) from None
                if attempt:
                    self._tell_of(trouble)
                self.sleep(seconds)
                continue
            self._tell_of_return()
            if (
                response.status_code == allow
                or response.is_success
                or (attempt and method == "DELETE" and response.status_code == _NOT_FOUND)
            ):
                return response
            raise _refusal(response, self.url)
        raise AssertionError  # pragma: no cover - there are always more attempts

    def close(self) -> None:
        """Release the connections; who waits for the server is told that it cannot be reached."""
        self.closed.set()
        self._client.close()

    def _attempt(self, method: str, path: str, content: bytes | None, left: float, **how: Any) -> httpx.Response:
        briefly = max(1.0, min(left, self._timeout))  # what changes something is better answered late than sent twice
        timeout = httpx.Timeout(self._timeout if content else briefly, connect=min(briefly, REACH_SECONDS / 2))
        try:
            response = self._client.request(method, path, content=content, timeout=timeout, **how)
            if response.status_code == _FORBIDDEN and "CSRF" in response.text and self._fetch_csrf_token():
                response = self._client.request(method, path, content=content, timeout=timeout, **how)
        except (httpx.TransportError, RuntimeError) as error:  # the latter, when it was closed meanwhile
            raise Trouble(str(error) or type(error).__name__) from error
        if response.status_code in (_LATE, _BUSY) or response.status_code >= _FAULT:
            reason = f"it answers {response.status_code} {response.reason_phrase}"
            raise Trouble(reason, min(retry_after(response), FAULT_SECONDS), response.status_code == _FAULT)
        return response

    def _fetch_csrf_token(self) -> bool:
        """Get the token that a server wants with every change; whether it gave one."""
        client = str(new_id())
        answer = self._client.get("/csrf-token", params={"client": client})
        if answer.is_success:
            self._client.headers.update({"Prefect-Csrf-Token": answer.json()["token"], "Prefect-Csrf-Client": client})
        return answer.is_success

    def _tell_of(self, trouble: Trouble) -> None:
        with self._lock:
            is_new, self._told_since = self._told_since is None, self._told_since or time.monotonic()
        if is_new:
            self.tell(
                f"The server at {self.url} cannot be reached ({trouble}); it is tried again, and nothing is lost."
            )

    def _tell_of_return(self) -> None:
        if self._told_since is not None:
            with self._lock:
                since, self._told_since = self._told_since, None
            if since is not None:
                self.tell(f"The server at {self.url} is back after {time.monotonic() - since:.1f} seconds.")

    def _unreachable(self, trouble: Trouble, seconds: float) -> str:
        return (
            f"The server at {self.url} could not be reached for {_readable(seconds)} ({trouble}); "
            "start it with `orchestrate server start`, or correct ORCHESTRATION_API_URL."
        )


def said(response: httpx.Response) -> str:
    """What a server says of a refusal."""
    with suppress(ValueError):
        document = response.json()
        if isinstance(document, Mapping):
            told = document.get("detail") or document.get("exception_detail") or document.get("exception_message")
            return told if isinstance(told, str) else json.dumps(told)
    return response.reason_phrase


def _refusal(response: httpx.Response, url: str) -> OrchestrationError:
    status, request = response.status_code, response.request
    kind = _KINDS.get(status, StoreError)
    if kind is ConfigurationError:
        which = "ORCHESTRATION_API_KEY, or ORCHESTRATION_API_AUTH_STRING,"
        what = "does not know who asks" if status != _FORBIDDEN else "does not allow this"
        return kind(f"The server at {url} {what} ({status}: {said(response)}); set {which} to what it expects.")
    if kind in (ObjectNotFound, ObjectAlreadyExists):
        return kind(f"{said(response)} ({request.method} {request.url.path})")
    return kind(f"The server at {url} refused {request.method} {request.url.path} ({status}): {said(response)}")


def _is_address(url: str) -> bool:
    try:
        return url.startswith(("http://", "https://")) and bool(httpx.URL(url).host)
    except httpx.InvalidURL:
        return False


def _credentials(settings: Settings) -> dict[str, str]:
    if settings.api_key:
        return {"Authorization": f"Bearer {settings.api_key}"}
    if settings.api_auth_string:
        return {"Authorization": f"Basic {b64encode(settings.api_auth_string.encode()).decode()}"}
    return {}


def retry_after(response: httpx.Response) -> float:
    """The seconds that a server asks to wait; 0 when it does not say."""
    try:
        return max(0.0, float(response.headers.get("Retry-After", 0)))
    except ValueError:  # a date; a back-off does as well
        return 0.0


def _readable(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 2 * FAULT_SECONDS else f"{seconds / 3600:.3g} hours"
