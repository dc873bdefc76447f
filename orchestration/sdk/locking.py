"""Locks on result keys, for transactions that are SERIALIZABLE: in memory, or as files for many processes."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from pathlib import Path

_POLL_SECONDS = 0.01
_CHANGED = threading.Condition()
"""Tells the threads of this process of each lock that is given back; those of others look again after a moment."""


class MemoryLockManager:
    """Locks between the threads of this process: by key, each with one holder at a time."""

    def __init__(self) -> None:
        self._holders: dict[str, str] = {}

    def acquire_lock(
        self, key: str, holder: str, acquire_timeout: float | None = None, hold_timeout: float | None = None
    ) -> bool:
        """Take the lock of a key, waiting for it ``acquire_timeout`` seconds; whether it was taken."""
        deadline = None if acquire_timeout is None else time.monotonic() + acquire_timeout
        with _CHANGED:
            while not self._take(key, holder, hold_timeout):
                if deadline is not None and time.monotonic() >= deadline:
                    return False
                _CHANGED.wait(_POLL_SECONDS)
        return True

    def release_lock(self, key: str, holder: str) -> None:
        """Give back the lock of a key, if it is this holder's."""
        with _CHANGED:
            if self._holder(key) == holder:
                self._drop(key)
                _CHANGED.notify_all()

    def is_locked(self, key: str) -> bool:
        """Whether anybody holds the lock."""
        return self._holder(key) is not None

    def _take(self, key: str, holder: str, hold_timeout: float | None) -> bool:
        """Take the lock if it is free, or this holder's already; whether it is now."""
        return self._holders.setdefault(key, holder) == holder

    def _holder(self, key: str) -> str | None:
        """Who holds the lock."""
        return self._holders.get(key)

    def _drop(self, key: str) -> None:
        """Free the lock."""
        del self._holders[key]


class FileSystemLockManager(MemoryLockManager):
    """Locks between processes that share a folder: a file a key, which names its holder and may run out."""

    def __init__(self, lock_files_directory: Path) -> None:
        self._folder = Path(lock_files_directory).expanduser().absolute()

    def _take(self, key: str, holder: str, hold_timeout: float | None) -> bool:
        current = self._holder(key)
        if current is not None:
            return current == holder
        expires = None if hold_timeout is None else time.time() + hold_timeout
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(self._path(key), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w") as stream:
            json.dump({"holder": holder, "expires": expires}, stream)
        return True

    def _holder(self, key: str) -> str | None:
        """Who holds the lock; a lock that has run out is removed."""
        try:
            content = json.loads(self._path(key).read_text() or "{}")
        except FileNotFoundError:
            return None
        except ValueError:
            return ""
        if content.get("expires") is not None and content["expires"] < time.time():
            self._drop(key)
            return None
        return str(content.get("holder", ""))

    def _drop(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.lock"
