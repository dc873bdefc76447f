"""Task runs and log lines on their way to a server: sent in batches, and kept on disk while it is away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from time import monotonic
from uuid import uuid5

from orchestration.backend.clock import new_id
from orchestration.backend.http_transport import MOST_SECONDS, Transport, encoded
from orchestration.backend.spool import Entry, Spool
from orchestration.domain.errors import ConfigurationError, ObjectAlreadyExists, ObjectNotFound, StoreError, UsageError
from orchestration.domain.schemas.events import events_of
from orchestration.domain.schemas.recording import Batch, LogRow
from orchestration.persistence.database import STANDS

BODY_BYTES = 1_000_000
"""The most that a request holds, unless a single line is longer."""
BRIEFLY_SECONDS = 0.5
"""How long a batch is tried before it goes to the disk: enough for a connection that was closed meanwhile."""
LEAVE_SECONDS = 10.0
"""How long a process that ends waits for what is still on the disk."""
_REFUSALS = (UsageError, ObjectNotFound, ObjectAlreadyExists)
_log = logging.getLogger("orchestration")


class Shipper:
    """Sends what a process recorded, in order; from the first request that finds no server, through the spool."""

    def __init__(self, transport: Transport, home: Path, limit_seconds: float) -> None:
        self._transport = transport
        self._limit = limit_seconds
        self.spool = Spool(home / "spool" / sha256(transport.url.encode()).hexdigest()[:16])
        self._lock = threading.Lock()
        self._drained = threading.Event()
        self._drained.set()
        self._drainer: threading.Thread | None = None
        self._sweeper: threading.Thread | None = None
        self.notes: list[LogRow] = []
        """Lines of the backend's own, which go with the next batch."""

    def ship(self, batch: Batch) -> None:
        """Send a batch, or keep it on the disk; afterwards it is safe.

        Raises:
            StoreError: a row is not of its kind, or the disk is full.
            UsageError: the server does not take it.
        """
        notes, self.notes = self.notes, []
        entries = list(entries_of(Batch(batch.task_runs, [*notes, *batch.logs], batch.id)))
        with self._lock:
            waits = not self._drained.is_set()
            try:
                while entries and not waits:
                    self._post(entries[0], BRIEFLY_SECONDS)
                    entries.pop(0)
            except (*_REFUSALS, ConfigurationError):
                raise
            except StoreError:
                waits = True
            except BaseException as error:  # the server may have it already, so that it must keep its key
                self._keep(entries)
                error.add_note(STANDS)
                raise
            if waits:
                self._keep(entries)

    def settle(self, patience: float) -> None:
        """Wait until nothing is on the disk any more.

        Raises:
            StoreError: the server was away for too long.
        """
        if not self._drained.wait(patience):
            raise StoreError(
                f"The server at {self._transport.url} was away for too long; what was recorded waits on this disk, "
                "and the next run here will send it."
            )
        if self.notes:
            self.ship(Batch((), ()))

    def sweep(self) -> None:
        """Send, in the background, what processes that have ended left behind."""
        left = list(self.spool.left_behind())
        if left:
            self._sweeper = self._draining(left)

    def close(self) -> None:
        """Give what is on the disk a last chance; what stays there is sent by the next process. All else ends."""
        end = monotonic() + LEAVE_SECONDS
        for thread in filter(None, (self._sweeper, self._drainer)):
            thread.join(max(0.0, end - monotonic()))
            if thread.is_alive():
                _log.warning("What was recorded waits on this disk for %s; the next run sends it.", self._transport.url)
        self._transport.close()
        self.spool.close()

    def _keep(self, entries: Sequence[Entry]) -> None:
        """Put requests on the disk, and see to it that somebody sends them; the lock is held."""
        self.spool.append(entries)
        self._drained.clear()
        if self._drainer is None or not self._drainer.is_alive():
            self._drainer = self._draining([self.spool])

    def _draining(self, spools: Sequence[Spool]) -> threading.Thread:
        thread = threading.Thread(target=self._drain, args=(spools,), name="orchestration-spool", daemon=True)
        thread.start()
        return thread

    def _drain(self, spools: Sequence[Spool]) -> None:
        """Send all that waits; while the server is away, for as long as an outage may last."""
        end = monotonic() + self._limit
        for spool in spools:
            while not self._is_empty(spool) and not self._transport.closed.is_set() and monotonic() < end:
                try:
                    spool.drain(self._is_taken)
                except (StoreError, ConfigurationError):
                    self._transport.sleep(MOST_SECONDS)

    def _is_empty(self, spool: Spool) -> bool:
        """Whether nothing waits, so that the next batch may be sent at once."""
        with self._lock:  # nobody appends now
            if not spool and spool is self.spool:
                self._drainer = None
                self._drained.set()
            return not spool

    def _is_taken(self, entry: Entry) -> bool:
        try:
            self._post(entry, self._limit)
            return True
        except _REFUSALS as error:
            _log.error("A part of what was recorded is set aside: %s", error)
            return False

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
