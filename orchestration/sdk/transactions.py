"""Transactions: results are written together or not at all, and undone by hooks when something fails.

Locks on result keys, for transactions that are SERIALIZABLE: between threads, or between processes by files.
"""

import fcntl
import hashlib
import threading
from collections import ChainMap, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

from orchestration.domain.errors import ConfigurationError
from orchestration.sdk import awaiting, logs, results

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


# Gives the transaction around the running code; that of a task run is made when it is asked for, which most never are.
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
    store: results.ResultStore | None = None
    commit_mode: CommitMode | None = None
    isolation_level: IsolationLevel | None = None
    overwrite: bool = False
    write_on_commit: bool = True
    logger: Any = field(default_factory=lambda: logs.get_logger("transactions"))
    around: Opener | None = field(default_factory=ACTIVE.get, repr=False)
    expiration: datetime | None = None
    state: Literal["ACTIVE", "COMMITTED", "ROLLED_BACK"] = field(default="ACTIVE", init=False)
    stored: results.StoredValue | None = field(default=None, init=False)
    # What the engine does when the transaction is undone, after the user's hooks.
    on_rolled_back: Callable[[], None] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.parent = parent = self.around() if self.around is not None else None
        self.commit_mode = self.commit_mode or (parent.commit_mode if parent else CommitMode.LAZY)
        self.isolation_level = self.isolation_level or (parent.isolation_level if parent else None)
        if self.key is not None and self.store is None:
            self.store = results.ResultStore()
        self.children: list[Transaction] = []
        self._locks = ExitStack()
        self._values: ChainMap[str, Any] = parent._values.new_child() if parent else ChainMap()
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
        if default is _MISSING and name not in self._values:
            raise ValueError(f"The transaction has no value {name!r}; set it first, or give a default.")
        return self._values.get(name, default)

    def is_committed(self) -> bool:
        """Whether its results are written."""
        return self.state == "COMMITTED"

    def is_rolled_back(self) -> bool:
        """Whether it was undone."""
        return self.state == "ROLLED_BACK"

    def begin(self) -> None:
        """Start; with a key whose result is there already, the transaction is committed from the start.

        Raises:
            ConfigurationError: SERIALIZABLE was asked for without a lock manager.
        """
        if self.isolation_level is IsolationLevel.SERIALIZABLE and self.key is not None:
            if self.store is None or self.store.lock_manager is None:
                raise ConfigurationError("SERIALIZABLE needs a lock manager; give store=ResultStore(lock_manager=...).")
            self._locks.enter_context(self.store.lock_manager.held(self.key))
        if not self.overwrite and self.read() is not None:
            self.state = "COMMITTED"

    def read(self) -> results.StoredValue | None:
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
            if self.state != "ACTIVE":
                return self.is_committed()
            try:
                for child in self.children:
                    child.commit()
                self._run(self._on_commit, "commit")
                if self.store and self.key is not None and self.write_on_commit and self._staged is not _MISSING:
                    self.stored = self.store.write(self.key, self._staged, self.expiration)
                self.state = "COMMITTED"
            except Exception:
                self.logger.exception("An error was encountered while committing; the transaction is rolled back.")
                self.rollback()
            return self.is_committed()

    def rollback(self) -> bool:
        """Undo: hooks of this transaction, then those inside it, last first; then the one around it."""
        with self._locks:
            if self.state != "ACTIVE":
                return False
            self.state = "ROLLED_BACK"
            try:
                self._run(reversed(self._on_rollback), "rollback")
                if self.on_rolled_back is not None:
                    self.on_rolled_back()
                for child in reversed(self.children):
                    child.rollback()
            except Exception:
                self.logger.exception("An error was encountered while rolling back.")
                return False
            return True

    def __enter__(self) -> Self:
        self.begin()
        self._token = ACTIVE.set(lambda: self)
        return self

    def __exit__(self, _kind: Any, error: BaseException | None, _traceback: Any) -> None:
        ACTIVE.reset(self._token)
        self.conclude(error)

    async def __aenter__(self) -> Self:
        await awaiting.in_thread(self.begin)
        self._token = ACTIVE.set(lambda: self)
        return self

    async def __aexit__(self, _kind: Any, error: BaseException | None, _traceback: Any) -> None:
        ACTIVE.reset(self._token)
        await awaiting.in_thread(self.conclude, error)

    def _run(self, hooks: Iterable[Hook], kind: str) -> None:
        for hook in hooks:
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


class MemoryLockManager:
    """Locks between the threads of this process, one for each key."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def held(self, key: str) -> AbstractContextManager[Any]:
        """A block that waits for the lock of a key, and has it until it ends."""
        return self._locks[key]


@dataclass(frozen=True)
class FileSystemLockManager:
    """Locks between processes that share a folder: a locked file a key, which the system frees when its holder dies."""

    lock_files_directory: Path | str

    @contextmanager
    def held(self, key: str) -> Iterator[None]:
        """A block that waits for the lock of a key, and has it until it ends."""
        folder = Path(self.lock_files_directory).expanduser().absolute()
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{hashlib.sha256(key.encode()).hexdigest()}.lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)  # closing it would not do: forked processes have it open as well
