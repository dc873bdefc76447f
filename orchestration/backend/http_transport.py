"""Requests to a server: which are sent again, and when, and what its refusals mean."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any
from weakref import WeakSet

from orchestration.backend.clock import DICE, new_id
from orchestration.backend.spool import Entry, Spool
from orchestration.domain import errors
from orchestration.domain.settings import Settings
from orchestration.persistence.database import STANDS

# Click and rich, which httpx loads for its own command line where they are there, take 80 ms.
if "httpx" not in sys.modules:
    sys.modules["httpx._main"] = None  # type: ignore[assignment]

import httpx as httpx  # noqa: PLC0414 - others have it from here, without its command line

if sys.modules.get("httpx._main", httpx) is None:
    del sys.modules["httpx._main"]

# How long a server is waited for while nothing depends on it yet.
REACH_SECONDS = 10.0
# How long a request that the server stumbles over (500) is sent again: an outage passes, a fault does not.
FAULT_SECONDS = 60.0
FIRST_SECONDS, MOST_SECONDS = 0.1, 5.0
# How long these are sent again before they go to the disk.
BRIEF_SECONDS = 0.25
# How long a process that ends waits for what is still on the disk.
LEAVE_SECONDS = 10.0
_FORBIDDEN, _NOT_FOUND, _LATE, _BUSY, _FAULT = 403, 404, 408, 429, 500
# What a refusal is to the caller; all others mean that the store cannot be used.
_KINDS: Mapping[int, type[errors.OrchestrationError]] = {
    **dict.fromkeys((400, 413, 422), errors.UsageError), **dict.fromkeys((401, 403), errors.ConfigurationError),
    **dict.fromkeys((404, 410), errors.ObjectNotFound), 409: errors.ObjectAlreadyExists,
}
_ADDRESS = re.compile(r"https?://(\[[\da-f:.]+\]|[^/:@\s]+)(:\d+)?(/\S*)?", re.IGNORECASE)
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
        self.wait, self.is_fault = wait, is_fault


class Transport:
    """One server: connections that are used again, and requests that are sent until they are answered."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None = None) -> None:
        self.url = (settings.api_url or "").rstrip("/")
        if not _ADDRESS.fullmatch(self.url):
            what = f"ORCHESTRATION_API_URL is {self.url!r}"
            raise errors.ConfigurationError(f"{what}; use an address such as http://127.0.0.1:4200/api.")
        self._timeout = settings.api_request_timeout
        key = {"Authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
        user, _, password = (settings.api_auth_string or "").partition(":")
        self._connected = partial(
            httpx.Client, base_url=self.url, headers={"Content-Type": "application/json", **key}, transport=transport,
            auth=httpx.BasicAuth(user, password) if user and not key else None,
            verify=self.url.startswith("https://"),  # reading the certificates takes 20 ms
        )
        self._away_since: float | None = None
        self.start_afresh()
        _known.add(self)
        self.closed = threading.Event()
        self.sleep: Callable[[float], object] = self.closed.wait

    def start_afresh(self) -> None:
        """Have no connection: at the start, and in a forked child, where the parent's are not to be used."""
        self._client = self._connected()

    def send(
        self, method: str, path: str, content: bytes | None = None, patience: float = REACH_SECONDS, **how: Any
    ) -> httpx.Response:
        """The answer to a request, sent again for up to ``patience`` seconds while the server is away.

        ``how`` may name ``params`` and ``headers``, and in ``allow`` a status that is an answer and no refusal.

        Raises:
            StoreError: the server cannot be reached; or, as the kind that it is, what it says against the request.
            ConfigurationError: it does not accept the credentials.
        """
        began, allowed = time.monotonic(), {how.pop("allow", None)}
        for attempt in count():
            try:
                response = self._attempt(method, path, content, began + patience - time.monotonic(), **how)
                break
            except Trouble as trouble:
                patience = min(patience, FAULT_SECONDS) if trouble.is_fault else patience
                seconds = trouble.wait or back_off(attempt, DICE.random())
                if self.closed.is_set() or time.monotonic() + seconds > began + patience:
                    raise self._unreachable(trouble, time.monotonic() - began) from None
                if attempt and self._away_since is None:
                    self._away_since = began
                    what = "The server at %s cannot be reached (%s); it is tried again, and nothing is lost."
                    _log.warning(what, self.url, trouble)
                self.sleep(seconds)
                allowed |= {_NOT_FOUND} if method == "DELETE" else set()  # the answer may have been lost
        since, self._away_since = self._away_since, None
        if since is not None:
            _log.warning("The server at %s is back after %.1f seconds.", self.url, time.monotonic() - since)
        if response.is_success or response.status_code in allowed:
            return response
        raise _refusal(response, self.url)

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

    def _unreachable(self, trouble: Trouble, seconds: float) -> errors.StoreError:
        waited = f"{seconds:.0f} seconds" if seconds < 2 * FAULT_SECONDS else f"{seconds / 3600:.3g} hours"
        remedy = "start it with `orchestrate server start`, or correct ORCHESTRATION_API_URL"
        return errors.StoreError(f"The server at {self.url} could not be reached for {waited} ({trouble}); {remedy}.")


def said(response: httpx.Response) -> str:
    """What a server says of a refusal."""
    try:
        document = response.json()
        told = document.get("detail") or document.get("exception_detail") or document.get("exception_message")
    except (ValueError, AttributeError):  # no JSON, or no object
        return response.reason_phrase
    return told if isinstance(told, str) else json.dumps(told)


def retry_after(response: httpx.Response) -> float:
    """The seconds that a server asks to wait; 0 when it says none, or a date, for which a back-off does as well."""
    seconds = response.headers.get("Retry-After", "")
    return float(seconds) if re.fullmatch(r"\d+(\.\d+)?", seconds) else 0.0


def _refusal(response: httpx.Response, url: str) -> errors.OrchestrationError:
    status, asked = response.status_code, f"{response.request.method} {response.request.url.path}"
    kind = _KINDS.get(status, errors.StoreError)
    if kind is errors.ConfigurationError:
        which = "ORCHESTRATION_API_KEY, or ORCHESTRATION_API_AUTH_STRING,"
        what = "does not know who asks" if status != _FORBIDDEN else "does not allow this"
        return kind(f"The server at {url} {what} ({status}: {said(response)}); set {which} to what it expects.")
    if kind in (errors.ObjectNotFound, errors.ObjectAlreadyExists):
        return kind(f"{said(response)} ({asked})")
    return kind(f"The server at {url} refused {asked} ({status}): {said(response)}")


# -- what is recorded -------------------------------------------------------------------------------------------------


class Shipper:
    """Sends what a process recorded; from the first request that fails, through the spool, until that is empty."""

    def __init__(self, transport: Transport, home: Path, limit_seconds: float) -> None:
        self._transport, self._limit = transport, limit_seconds
        self.spool = Spool(home / "spool" / sha256(transport.url.encode()).hexdigest()[:16])
        self.start_afresh()
        _known.add(self)

    def start_afresh(self) -> None:
        """Send nothing: at the start, and in a forked child, whose parent sends what it was about to send."""
        self._changed = threading.Condition()
        self._sender: threading.Thread | None = None  # as long as something waits on the disk

    def ship(self, entries: Iterable[Entry]) -> None:
        """Send requests; when this returns, the server has them, or they are on the disk.

        Raises:
            StoreError: the server is away and the disk is full.
        """
        with self._changed:
            left, interruption = deque(entries), None
            try:
                while left and self._sender is None:
                    self._post(left[0], BRIEF_SECONDS)
                    left.popleft()
            except errors.OrchestrationError:
                pass
            except BaseException as error:  # the server may have the first: only by its key it knows it again
                interruption = error
            self.spool.append(left)
            self._start(bool(left))
            if interruption is not None:
                interruption.add_note(STANDS)
                raise interruption

    def sweep(self) -> None:
        """Send, in the background, what processes that have ended left behind."""
        with self._changed:
            self._start(bool(self.spool))

    def settle(self, patience: float) -> None:
        """Wait until the server has all that was recorded.

        Raises:
            StoreError: it was away for too long.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._sender is None, patience):
                kept = "what was recorded waits on this disk, and the next run here will send it"
                raise errors.StoreError(f"The server at {self._transport.url} was away for too long; {kept}.")

    def close(self) -> None:
        """Give what is on the disk a last chance; what stays there is sent by the next process. All else ends."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._sender is None, LEAVE_SECONDS):
                _log.warning("What was recorded waits on this disk for %s; the next run sends it.", self._transport.url)
        self._transport.close()
        if sender := self._sender:
            sender.join(LEAVE_SECONDS)

    def _start(self, is_needed: bool) -> None:
        """Let the sender work if it does not; the lock is held."""
        if is_needed and self._sender is None:
            sender = threading.Thread(target=self._send_all, name="orchestration-sender", daemon=True)
            with suppress(RuntimeError):  # Python 3.12 starts none when it ends: then the next process sends it
                sender.start()
                self._sender = sender

    def _send_all(self) -> None:
        """The sender's thread: it sends what waits on the disk, and ends when nothing does any more."""
        while not self._transport.closed.is_set():
            try:
                self.spool.drain(self._is_taken)
            except (OSError, errors.OrchestrationError) as error:
                _say_once(str(error))
                self._transport.sleep(MOST_SECONDS)
            with self._changed:
                if not self.spool:
                    self._sender = None
                    self._changed.notify_all()
                    return

    def _is_taken(self, entry: Entry) -> bool:
        try:
            self._post(entry, self._limit)
            return True
        except (errors.UsageError, errors.ObjectNotFound, errors.ObjectAlreadyExists) as error:
            _say_once(f"A part of what was recorded is set aside in {self.spool.folder}: {error}")
            return False

    def _post(self, entry: Entry, patience: float) -> None:
        self._transport.send("POST", entry.path, entry.body, patience, headers={"Idempotency-Key": str(entry.key)})


@lru_cache
def _say_once(sentence: str) -> None:
    """Tell of something that stays as it is."""
    _log.error("%s", sentence)


_known: WeakSet[Transport | Shipper] = WeakSet()


def _leave_to_parent() -> None:
    for each in _known:
        each.start_afresh()


os.register_at_fork(after_in_child=_leave_to_parent)
