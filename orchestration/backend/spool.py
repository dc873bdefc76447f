"""Requests that wait on the disk for a server, which any process of a home may send."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from orchestration.backend.clock import new_id
from orchestration.domain import errors
from orchestration.persistence.database import only_one_process


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
