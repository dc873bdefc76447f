"""Requests that wait on disk for a server that is away: kept in order, sent once it is back, by whoever comes next.

Each process appends to a file of its own, which it holds locked; one whose lock is free belongs to a process that has
ended, and is sent by the next. A line is a request: a mark, its key, its path and its body. The mark is turned
in place when the request was answered. A line without an end was being written when its process was killed.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple
from uuid import UUID

from orchestration.backend.clock import new_id
from orchestration.domain.errors import StoreError

WAITS, SENT, REFUSED = b"-", b"+", b"!"


class Entry(NamedTuple):
    """A request that records something; ``key`` is the same each time it is sent."""

    key: UUID
    path: str
    body: bytes


class Spool:
    """One file of waiting requests; there is none while nothing waits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._path = folder / f"{new_id()}.spool"
        self._start = self._end = 0
        self._was_refused = False

    def __bool__(self) -> bool:
        return self._start < self._end

    def append(self, entries: Sequence[Entry]) -> None:
        """Keep requests; when this returns they are on the disk.

        Raises:
            StoreError: they cannot be written.
        """
        lines = b"".join(b"%s%s %s %s\n" % (WAITS, str(e.key).encode(), e.path.encode(), e.body) for e in entries)
        with self._lock:
            try:
                file = self._file or self._created()
                file.seek(self._end)
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                with suppress(OSError):
                    os.truncate(self._path, self._end)
                raise StoreError(f"What waits for the server cannot be kept in {self._path}: {error}.") from error
            self._end += len(lines)

    def drain(self, send: Callable[[Entry], bool]) -> None:
        """Send what waits, in order, and forget it; ``send`` gives false for what the server will never take.

        What ``send`` raises ends this; what was not answered goes on waiting.
        """
        while True:
            with self._lock:
                if self._file is None or self._start >= self._end:
                    return self._forget()
                self._file.seek(self._start)
                line = self._file.readline()
            mark = line[:1]
            if mark == WAITS:
                entry = _entry(line)
                mark = SENT if entry is not None and send(entry) else REFUSED
                with self._lock:
                    if self._file is None:
                        return None  # closed meanwhile
                    os.pwrite(self._file.fileno(), mark, self._start)
            self._was_refused |= mark == REFUSED
            self._start += len(line)

    def close(self) -> None:
        """Leave what waits to the next process."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file, self._start, self._end = None, 0, 0

    def left_behind(self) -> Iterator[Spool]:
        """The files of processes that have ended, oldest first."""
        for path in self.others():
            spool = Spool(self.folder)
            spool._path = path
            with suppress(OSError):
                if spool._adopt():
                    yield spool

    def others(self) -> list[Path]:
        """The files of other processes, oldest first."""
        return [path for path in sorted(self.folder.glob("*.spool")) if path != self._path]

    def _created(self) -> BinaryIO:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        unborn = self._path.with_suffix(".new")  # a name that nobody adopts before the lock is held
        self._file = unborn.open("x+b")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        unborn.rename(self._path)
        return self._file

    def _adopt(self) -> bool:
        file = self._path.open("r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._file, self._end = file, file.seek(0, os.SEEK_END)
        file.seek(0)
        while (line := file.readline()) and line.endswith(b"\n"):
            pass
        self._end -= len(line)
        return True

    def _forget(self) -> None:
        """Remove the file, or set it aside when the server refused a part of it for good; the lock is held."""
        if self._file is not None:
            if self._was_refused:
                self._path.rename(self._path.with_suffix(".refused"))
            else:
                self._path.unlink(missing_ok=True)
            self._file.close()
            self._file, self._start, self._end, self._was_refused = None, 0, 0, False
            self._path = self._path.with_name(f"{new_id()}.spool")


def _entry(line: bytes) -> Entry | None:
    """The request of a line; ``None`` when the disk has garbled it."""
    try:
        key, path, body = line[1:-1].split(b" ", 2)
        return Entry(UUID(key.decode()), path.decode(), body)
    except ValueError:
        return None
