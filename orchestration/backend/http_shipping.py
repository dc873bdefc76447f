"""Task runs and log lines on their way to a server: sent in batches, and kept on disk while it is away."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from orchestration.backend.clock import new_id
from orchestration.backend.http_transport import MOST_SECONDS, Transport, encoded
from orchestration.domain import errors
from orchestration.domain.schemas.runs import Batch, LogRow
from orchestration.domain.schemas.wire import events_of
from orchestration.persistence.database import only_one_process

# The most that a request holds, besides a line that is longer.
BODY_BYTES = 1_000_000
# Requests that may be on their way while a run goes on; what they hold is what ``kill -9`` can lose.
MOST_AHEAD = 4
# How long these are sent again before they go to the disk.
BRIEF_SECONDS = 0.25
# How long a process that ends waits for what is still on the disk.
LEAVE_SECONDS = 10.0
_LOG_FIELDS = ("name", "level", "message", "timestamp", "flow_run_id", "task_run_id")
_log = logging.getLogger("orchestration")


class Entry(NamedTuple):
    """A request that records something; ``key`` is the same each time it is sent."""

    key: UUID
    path: str
    body: bytes


class Spool:
    """A folder of requests that wait for a server, a file each, which all processes of a home share.

    Files sort as the requests came. One has its name from when it is whole until the server has answered it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __bool__(self) -> bool:
        return any(self.folder.glob("*.waiting"))

    def append(self, entries: Collection[Entry]) -> None:
        """Keep requests, all or none; when this returns they are on the disk.

        Raises:
            StoreError: they cannot be written.
        """
        if not entries:
            return
        files = {self.folder / f"{new_id()}.new": entry for entry in entries}
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path, entry in files.items():
                with path.open("xb") as file:
                    file.write(b"%s %s %s" % (str(entry.key).encode(), entry.path.encode(), entry.body))
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            for path in files:
                with suppress(OSError):
                    path.unlink()
            raise errors.StoreError(f"What waits for the server cannot be kept in {self.folder}: {error}.") from error
        for path in files:
            path.rename(path.with_suffix(".waiting"))

    def drain(self, send: Callable[[Entry], bool]) -> None:
        """Send what waits, in order, and forget it; what ``send`` gives false for is set aside.

        One process does so at a time. What ``send`` raises ends this; what was not answered goes on waiting.
        """
        if not self:
            return
        with only_one_process(self.folder.with_name(f"{self.folder.name}-lock")):
            while waiting := sorted(self.folder.glob("*.waiting")):
                for file in waiting:
                    key, path, body = file.read_bytes().split(b" ", 2)
                    if send(Entry(UUID(key.decode()), path.decode(), body)):
                        file.unlink()
                    else:
                        file.rename(file.with_suffix(".refused"))


class Shipper:
    """Sends what a process recorded, in order, beside the run; from the first request that fails, through the spool."""

    def __init__(self, transport: Transport, home: Path, limit_seconds: float) -> None:
        self._transport, self._limit = transport, limit_seconds
        self._ahead: deque[Entry] = deque()
        self._is_spooling = False
        self._changed = threading.Condition()
        self._sender: threading.Thread | None = None
        self.spool = Spool(home / "spool" / sha256(transport.url.encode()).hexdigest()[:16])

    def ship(self, batch: Batch) -> None:
        """Hand over a batch; it is sent before anything else is asked of the server.

        Raises:
            StoreError: a row is not of its kind, or the server is away and the disk is full.
        """
        entries = list(entries_of(batch))
        with self._changed:
            self._changed.wait_for(lambda: len(self._ahead) < MOST_AHEAD)
            if self._is_spooling:
                self.spool.append(entries)
            else:
                self._ahead.extend(entries)
            self._start()

    def sweep(self) -> None:
        """Send, in the background, what processes that have ended left behind."""
        if self.spool:
            with self._changed:
                self._changed.wait_for(lambda: not self._ahead)
                self._is_spooling = True
                self._start()

    def settle(self, patience: float) -> None:
        """Wait until the server has all that was handed over.

        Raises:
            StoreError: it was away for too long.
        """
        if self._is_done():
            return
        with self._changed:
            if not self._changed.wait_for(self._is_done, patience):
                kept = "what was recorded waits on this disk, and the next run here will send it"
                raise errors.StoreError(f"The server at {self._transport.url} was away for too long; {kept}.")

    def close(self) -> None:
        """Give what is on the disk a last chance; what stays there is sent by the next process. All else ends."""
        with self._changed:
            if not self._changed.wait_for(self._is_done, LEAVE_SECONDS):
                _log.warning("What was recorded waits on this disk for %s; the next run sends it.", self._transport.url)
            self._transport.close()
            self._changed.notify_all()
        if self._sender is not None:
            self._sender.join(LEAVE_SECONDS)
        self._keep()

    def _is_done(self) -> bool:
        return not self._ahead and not self._is_spooling

    def _start(self) -> None:
        """Wake the sender; the lock is held."""
        if self._sender is None:
            self._sender = threading.Thread(target=self._send_all, name="orchestration-sender", daemon=True)
            self._sender.start()
        self._changed.notify_all()

    def _send_all(self) -> None:
        """The sender's thread: it sends what waits on the disk, or else what is handed over, as it comes."""
        while not self._transport.closed.is_set():
            try:
                if self._is_spooling:
                    self.spool.drain(self._is_taken)
                elif self._ahead:
                    self._send_next()
            except (OSError, errors.OrchestrationError) as error:
                _say_once(str(error))
                self._transport.sleep(MOST_SECONDS)
            with self._changed:
                self._is_spooling = self._is_spooling and bool(self.spool)
                self._changed.notify_all()
                self._changed.wait_for(lambda: not self._is_done() or self._transport.closed.is_set())

    def _send_next(self) -> None:
        """Send the oldest request; if it cannot be, all that follow it wait with it on the disk."""
        try:
            sent = self._ahead[0]
            self._post(sent, BRIEF_SECONDS)
            with suppress(ValueError):  # when it was kept meanwhile, by who closes
                self._ahead.remove(sent)
        except errors.OrchestrationError:
            self._keep()

    def _keep(self) -> None:
        with self._changed:
            self.spool.append(self._ahead)
            self._ahead.clear()
            self._is_spooling = True

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
        raise errors.StoreError(f"A row to be recorded is not of its kind: {error}.") from error
    for path, items in (("/events", events), ("/logs/", lines)):
        for number, body in enumerate(_bodies(items)):
            yield Entry(uuid5(batch_id, f"{path} {number}"), path, body)


def _bodies(items: Sequence[bytes]) -> Iterator[bytes]:
    """JSON lists of the items, none much longer than it has to be."""
    parts = (size // BODY_BYTES for size in accumulate(map(len, items)))
    for _, part in groupby(zip(parts, items, strict=True), itemgetter(0)):
        yield b"[%s]" % b",".join(item for _, item in part)


def _log_document(row: LogRow) -> dict[str, Any]:
    document: dict[str, Any] = dict(zip(_LOG_FIELDS, row, strict=True))
    if not isinstance(document["message"], str):
        raise TypeError(f"{document['message']!r} is no text")
    return {**document, "timestamp": datetime.fromtimestamp(document["timestamp"] / 1e6, UTC).isoformat()}
