"""Transactions: results are written together or not at all, and undone by hooks when something fails.

Locks on result keys, for transactions that are SERIALIZABLE: between threads, or between processes by files.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from orchestration.domain.errors import ConfigurationError
from orchestration.sdk.awaiting import in_thread
from orchestration.sdk.logs import get_logger
from orchestration.sdk.results import ResultStore, StoredValue

Hook = Callable[["Transaction"], None]

_MISSING = object()


class IsolationLevel(StrEnum):
    """Whether two transactions may work on one key at once."""

    READ_COMMITTED = "READ_COMMITTED"
    SERIALIZABLE = "SERIALIZABLE"


class CommitMode(StrEnum):
    """When a transaction commits: with its parent (lazy), at its own end (eager), or never (off)."""

    EAGER = "EAGER"
    LAZY = "LAZY"
    OFF = "OFF"


class TransactionState(StrEnum):
    """How far a transaction has come."""

    ACTIVE = "ACTIVE"
    COMMITTED = "COMMITTED"
    ROLLED_BACK = "ROLLED_BACK"


# What gives the transaction around the running code: that of a task run is made when it is asked for, which most never are.
Opener = Callable[[], "Transaction"]
ACTIVE: ContextVar[Opener | None] = ContextVar("ACTIVE_TRANSACTION", default=None)


@dataclass(eq=False)
class Transaction:
    """A ``with`` block whose task runs are rolled back when it fails; or one task run, within such a block or alone.

    Args:
        key: where a staged value is written; with a result there already, the block can ask ``is_committed()``.
        store: what writes it; the storage of the settings unless given.
        commit_mode: when to commit; by default with the transaction around it, or at the block's end.
        isolation_level: whether two blocks may work on the key at once.
        overwrite: write even if there is a result already.
        write_on_commit: whether the staged value is written at all.
        logger: where to tell of hooks.
    """

    key: str | None = None
    store: ResultStore | None = None
    commit_mode: CommitMode | None = None
    isolation_level: IsolationLevel | None = None
    overwrite: bool = False
    write_on_commit: bool = True
    logger: Any = field(default_factory=lambda: get_logger("transactions"))
    around: Opener | None = field(default_factory=ACTIVE.get, repr=False)
    expiration: datetime | None = None
    state: TransactionState = field(default=TransactionState.ACTIVE, init=False)
    stored: StoredValue | None = field(default=None, init=False)
    # What the engine does when the transaction is undone, after the user's hooks.
    on_rolled_back: Callable[[], None] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.parent = parent = self.around() if self.around is not None else None
        self.commit_mode = self.commit_mode or (parent.commit_mode if parent else CommitMode.LAZY)
        inherited = parent.isolation_level if parent else IsolationLevel.READ_COMMITTED
        self.isolation_level = self.isolation_level or inherited
        if self.key is not None and self.store is None:
            self.store = ResultStore()
        self.children: list[Transaction] = []
        self._locks = ExitStack()
        self._values: dict[str, Any] = {}
        self._staged: Any = _MISSING
        self._on_rollback: list[Hook] = []
        self._on_commit: list[Hook] = []

    def set(self, name: str, value: Any) -> None:
        """Keep a value for hooks and child transactions."""
        self._values[name] = value

    def get(self, name: str, default: Any = _MISSING) -> Any:
        """A value that was set here or in a transaction around this one.

        Raises:
            ValueError: there is none, and no default was given.
        """
        if name in self._values:
            return self._values[name]
        if self.parent is not None:
            return self.parent.get(name, default)
        if default is _MISSING:
            raise ValueError(f"The transaction has no value {name!r}; set it first, or give a default.")
        return default

    def is_committed(self) -> bool:
        """Whether its results are written."""
        return self.state is TransactionState.COMMITTED

    def is_rolled_back(self) -> bool:
        """Whether it was undone."""
        return self.state is TransactionState.ROLLED_BACK

    def begin(self) -> None:
        """Start; with a key whose result is there already, the transaction is committed from the start.

        Raises:
            ConfigurationError: SERIALIZABLE was asked for without a lock manager.
        """
        if self.isolation_level is IsolationLevel.SERIALIZABLE and self.key is not None:
            locks, holder = self.store.lock_manager if self.store is not None else None, uuid4().hex
            if locks is None:
                remedy = "give it one with store=ResultStore(lock_manager=...)"
                raise ConfigurationError(f"Isolation level SERIALIZABLE needs a lock manager; {remedy}.")
            locks.acquire_lock(self.key, holder)
            self._locks.callback(locks.release_lock, self.key, holder)
        if not self.overwrite and self.read() is not None:
            self.state = TransactionState.COMMITTED

    def read(self) -> StoredValue | None:
        """The stored result of the transaction's key, if there is one."""
        return self.store.find(self.key) if self.store is not None and self.key is not None else None

    def stage(self, value: Any, on_rollback_hooks: Sequence[Hook] = (), on_commit_hooks: Sequence[Hook] = ()) -> None:
        """Have a value and hooks ready for the commit."""
        if not self.is_committed():
            self._staged = value
            self._on_rollback += on_rollback_hooks
            self._on_commit += on_commit_hooks

    def conclude(self, error: BaseException | None = None) -> None:
        """End: commit now, or leave that to the parent; what failed, or what nobody committed, is undone."""
        if error is None and self.parent is not None and self.commit_mode is not CommitMode.EAGER:
            self.parent.children.append(self)
        elif error is not None or self.commit_mode is CommitMode.OFF:
            self.rollback()
        else:
            self.commit()

    def commit(self) -> bool:
        """Write the staged results of this transaction and those inside it; all are undone if one cannot be written."""
        with self._locks:
            if self.state is not TransactionState.ACTIVE:
                return self.is_committed()
            try:
                for child in self.children:
                    child.commit()
                for hook in self._on_commit:
                    self._run_hook(hook, "commit")
                if self.store and self.key is not None and self.write_on_commit and self._staged is not _MISSING:
                    self.stored = self.store.write(self.key, self._staged, self.expiration)
                self.state = TransactionState.COMMITTED
            except Exception:
                self.logger.exception("An error was encountered while committing; the transaction is rolled back.")
                self.rollback()
            return self.is_committed()

    def rollback(self) -> bool:
        """Undo: hooks of this transaction, then those inside it, last first; then the one around it."""
        with self._locks:
            if self.state is not TransactionState.ACTIVE:
                return False
            self.state = TransactionState.ROLLED_BACK
            try:
                for hook in reversed(self._on_rollback):
                    self._run_hook(hook, "rollback")
                if self.on_rolled_back is not None:
                    self.on_rolled_back()
                for child in reversed(self.children):
                    child.rollback()
            except Exception:
                self.logger.exception("An error was encountered while rolling back.")
                return False
            return True

    def __enter__(self) -> Transaction:
        self.begin()
        self._token = ACTIVE.set(lambda: self)
        return self

    def __exit__(self, _kind: Any, error: BaseException | None, _traceback: Any) -> None:
        ACTIVE.reset(self._token)
        self.conclude(error)

    async def __aenter__(self) -> Transaction:
        await in_thread(self.begin)
        self._token = ACTIVE.set(lambda: self)
        return self

    async def __aexit__(self, _kind: Any, error: BaseException | None, _traceback: Any) -> None:
        ACTIVE.reset(self._token)
        await in_thread(self.conclude, error)

    def _run_hook(self, hook: Hook, kind: str) -> None:
        name = getattr(hook, "__name__", repr(hook))
        self.logger.info("Running %s hook %r", kind, name)
        hook(self)
        self.logger.info("%s hook %r finished running successfully", kind.capitalize(), name)


# How a flow opens one: ``with transaction(key="report") as own: ...``.
transaction = Transaction


def get_transaction() -> Transaction | None:
    """The transaction around the running code, if there is one; a task is a transaction of its own."""
    around = ACTIVE.get()
    return around() if around is not None else None


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
