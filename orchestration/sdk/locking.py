"""Locks on result keys, for transactions that are SERIALIZABLE: between threads, or between processes by files."""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import time
from pathlib import Path
from typing import Any

_POLL_SECONDS = 0.01


class MemoryLockManager:
    """Locks between the threads of this process: by key, each with one holder at a time."""

    def __init__(self) -> None:
        self._holders: dict[str, str] = {}

    def acquire_lock(self, key: str, holder: str, acquire_timeout: float | None = None) -> bool:
        """Take the lock of a key, waiting for it ``acquire_timeout`` seconds; whether it is this holder's now."""
        deadline = math.inf if acquire_timeout is None else time.monotonic() + acquire_timeout
        while not self._take(key, holder):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def release_lock(self, key: str, holder: str) -> None:
        """Give back the lock of a key, if it is this holder's."""
        if self._holders.get(key) == holder:
            del self._holders[key]

    def is_locked(self, key: str) -> bool:
        """Whether anybody here holds the lock."""
        return key in self._holders

    def _take(self, key: str, holder: str) -> bool:
        return self._holders.setdefault(key, holder) == holder


class FileSystemLockManager(MemoryLockManager):
    """Locks between processes that share a folder: a locked file a key, which the system frees when its holder dies."""

    def __init__(self, lock_files_directory: Path) -> None:
        super().__init__()
        self._folder = Path(lock_files_directory).expanduser().absolute()
        self._files: dict[str, int] = {}

    def release_lock(self, key: str, holder: str) -> None:
        """Give back the lock of a key, if it is this holder's."""
        if self._holders.get(key) == holder:
            file = self._files.pop(key)
            fcntl.flock(file, fcntl.LOCK_UN)  # closing it would not do, since forked processes have it open as well
            os.close(file)
        super().release_lock(key, holder)

    def _take(self, key: str, holder: str) -> bool:
        if not super()._take(key, holder):
            return False
        if key in self._files:
            return True
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{hashlib.sha256(key.encode()).hexdigest()}.lock"
        file = os.open(self._folder / name, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            del self._holders[key]
            return False
        self._files[key] = file
        return True

    def __reduce__(self) -> Any:
        """Tasks take their lock manager to other processes, but none of the locks."""
        return FileSystemLockManager, (self._folder,)
