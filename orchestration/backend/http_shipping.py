"""Task runs and log lines on their way to a server: sent in batches, and kept on disk while it is away."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from time import monotonic
from uuid import uuid5

from orchestration.backend.clock import new_id
from orchestration.backend.http_transport import MOST_SECONDS, Transport, encoded
from orchestration.backend.spool import Entry, Spool
from orchestration.domain.errors import (
    ConfigurationError,
    ObjectAlreadyExists,
    ObjectNotFound,
    OrchestrationError,
    StoreError,
    UsageError,
)
from orchestration.domain.schemas.events import events_of
from orchestration.domain.schemas.recording import Batch, LogRow

BODY_BYTES = 1_000_000
"""The most that a request holds, unless a single line is longer."""
MOST_AHEAD = 4
"""Requests that may be on their way while a run goes on; what they hold is what ``kill -9`` can lose."""
LEAVE_SECONDS = 10.0
"""How long a process that ends waits for what is still on the disk."""
_log = logging.getLogger("orchestration")


class Shipper:
    """Sends what a process recorded, in order, beside the run; from the first request that fails, through the spool."""

    def __init__(self, transport: Transport, home: Path, limit_seconds: float) -> None:
        self._transport = transport
        self._limit = limit_seconds
        self._ahead: deque[Entry] = deque()
        self._changed = threading.Condition()
        self._sender: threading.Thread | None = None
        self._said = ""
        self.spool = Spool(home / "spool" / sha256(transport.url.encode()).hexdigest()[:16])
        self.notes: list[LogRow] = []
        """Lines of the backend's own, which go with the next batch."""

    def ship(self, batch: Batch) -> None:
        """Hand over a batch; it is sent before anything else is asked of the server.

        Raises:
            StoreError: a row is not of its kind, or the server is away and the disk is full.
        """
        notes, self.notes = self.notes, []
        entries = list(entries_of(Batch(batch.task_runs, [*notes, *batch.logs], batch.id)))
        with self._changed:
            self._changed.wait_for(lambda: len(self._ahead) < MOST_AHEAD)
            if self.spool:
                self.spool.append(entries)
            else:
                self._ahead.extend(entries)
            self._start()
            self._changed.notify_all()

    def secure(self) -> None:
        """Wait until all that was handed over is on the server, or on the disk."""
        with self._changed:
            self._changed.wait_for(lambda: not self._ahead)

    def settle(self, patience: float) -> None:
        """Wait until the server has all that was handed over.

        Raises:
            StoreError: it was away for too long.
        """
        if self.notes:
            self.ship(Batch((), ()))
        if self._is_done():
            return
        with self._changed:
            if not self._changed.wait_for(self._is_done, patience):
                raise StoreError(
                    f"The server at {self._transport.url} was away for too long; what was recorded waits on this disk, "
                    "and the next run here will send it."
                )

    def sweep(self) -> None:
        """Send, in the background, what processes that have ended left behind."""
        if any(self.spool.others()):
            with self._changed:
                self._start()

    def close(self) -> None:
        """Give what is on the disk a last chance; what stays there is sent by the next process. All else ends."""
        with self._changed:
            if self._sender is not None and not self._changed.wait_for(self._is_done, LEAVE_SECONDS):
                _log.warning("What was recorded waits on this disk for %s; the next run sends it.", self._transport.url)
            self._transport.close()
            self._changed.notify_all()
        if self._sender is not None:
            self._sender.join(LEAVE_SECONDS)
        if self._ahead:
            self.spool.append(list(self._ahead))
        self.spool.close()

    def _is_done(self) -> bool:
        return not self._ahead and not self.spool

    def _start(self) -> None:
        if self._sender is None:
            self._sender = threading.Thread(target=self._send_all, name="orchestration-sender", daemon=True)
            self._sender.start()

    def _send_all(self) -> None:
        """The sender's thread: what is left of others first, then what is handed over, as it comes."""
        for spool in self.spool.left_behind():
            self._drain(spool)
        while True:
            with self._changed:
                self._changed.notify_all()
                self._changed.wait_for(lambda: not self._is_done() or self._transport.closed.is_set())
                if self._transport.closed.is_set():
                    return
            if self.spool:
                self._drain(self.spool)
            else:
                self._send_next()

    def _send_next(self) -> None:
        """Send the oldest request; if it cannot be, all that follow it wait with it on the disk."""
        try:
            self._post(self._ahead[0], 0.0)
            self._ahead.popleft()
        except OrchestrationError:
            with self._changed:
                self.spool.append(list(self._ahead))
                self._ahead.clear()

    def _drain(self, spool: Spool) -> None:
        """Send all that waits; while the server is away, for as long as an outage may last."""
        end = monotonic() + self._limit
        while spool and not self._transport.closed.is_set() and monotonic() < end:
            try:
                spool.drain(self._is_taken)
            except (StoreError, ConfigurationError) as error:
                self._say(str(error))
                self._transport.sleep(MOST_SECONDS)

    def _is_taken(self, entry: Entry) -> bool:
        try:
            self._post(entry, self._limit)
            return True
        except (UsageError, ObjectNotFound, ObjectAlreadyExists) as error:
            self._say(f"A part of what was recorded is set aside beside {self.spool.folder}: {error}")
            return False

    def _say(self, sentence: str) -> None:
        """Tell of something that stays as it is only once."""
        if sentence != self._said:
            _log.error("%s", sentence)
        self._said = sentence

    def _post(self, entry: Entry, patience: float) -> None:
        self._transport.send("POST", entry.path, entry.body, patience, headers={"Idempotency-Key": str(entry.key)})


def entries_of(batch: Batch) -> Iterator[Entry]:
    """The requests of a batch: events of task runs, then log lines.

    Raises:
        StoreError: a row is not of its kind.
    """
    batch_id = batch.id or new_id()
    try:
        events = [encoded(event) for change in batch.task_runs for event in events_of(change)]
        lines = [encoded(_log_document(row)) for row in batch.logs]
    except (TypeError, ValueError) as error:
        raise StoreError(f"A row to be recorded is not of its kind: {error}.") from error
    for path, items in (("/events", events), ("/logs/", lines)):
        for number, body in enumerate(_bodies(items)):
            yield Entry(uuid5(batch_id, f"{path} {number}"), path, body)


def _bodies(items: Iterable[bytes]) -> Iterator[bytes]:
    """JSON lists of the items, none much longer than it has to be."""
    found: list[bytes] = []
    size = 0
    for item in items:
        if found and size + len(item) > BODY_BYTES:
            yield b"[%s]" % b",".join(found)
            found, size = [], 0
        found.append(item)
        size += len(item)
    if found:
        yield b"[%s]" % b",".join(found)


def _log_document(row: LogRow) -> dict[str, object]:
    name, level, message, microseconds, flow_run_id, task_run_id = row
    if not isinstance(message, str):
        raise TypeError(f"{message!r} is no text")
    return {
        "name": name,
        "level": level,
        "message": message,
        "timestamp": datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(),
        "flow_run_id": flow_run_id,
        "task_run_id": task_run_id,
    }
