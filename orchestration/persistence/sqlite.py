"""The embedded database: one SQLite file in WAL mode, one connection a process, short transactions."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from weakref import WeakSet

from orchestration.domain.errors import NewerSchemaError, StoreError
from orchestration.persistence.database import NO_PARAMS, STANDS, Params, Row, chunks
from orchestration.persistence.migrations import LATEST, migrations

BUSY_SECONDS = 120.0
"""How long a writer waits for its turn; turns last milliseconds, so only a stuck disk gets near it."""

CHUNK_SIZES = (100, 10, 1)
"""Rows a statement. One statement is one release of the interpreter lock: row by row, a busy main thread
makes each row wait for a thread switch (measured: 0.7 ms a row instead of 0.04)."""


class SqliteDatabase:
    """A SQLite file, made and brought up to date when it is opened."""

    dialect = "sqlite"

    def __init__(self, path: Path, synchronous: str = "NORMAL") -> None:
        self._path = path
        self._synchronous = synchronous
        self._lock = threading.RLock()
        self._closed = False
        self._connection: sqlite3.Connection | None = _open(path, synchronous)
        _databases.add(self)

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        """A write transaction, taken at its first statement (``BEGIN IMMEDIATE``), so it never deadlocks."""
        with self._lock:
            connection, committing = self._connected(), False
            try:  # a Ctrl-C during the wait for the turn arrives when the turn has come: it must be given back
                _run(connection, "BEGIN IMMEDIATE", NO_PARAMS)
                yield SqliteTransaction(connection)
                committing = True
                _run(connection, "COMMIT", NO_PARAMS)
            except BaseException as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                elif committing and not isinstance(error, StoreError):
                    error.add_note(STANDS)
                raise

    def read(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """The rows of one SELECT."""
        with self._lock:
            return _run(self._connected(), sql, params)

    def close(self) -> None:
        """Close the file; the last process to do so folds the write-ahead log into it."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def before_fork(self) -> None:
        """Close the file until it is needed again: SQLite's locks do not survive in a child of an open connection."""
        self._lock.acquire()
        self._disconnect()

    def after_fork(self, is_child: bool) -> None:
        """Go on; the child with a lock of its own, since only the forking thread lives on in it."""
        if is_child:
            self._lock = threading.RLock()
        else:
            self._lock.release()

    def _connected(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreError("The orchestration database was closed, and nothing can be read or written any more.")
        if self._connection is None:
            self._connection = _open(self._path, self._synchronous)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class SqliteTransaction:
    """Statements of one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """Run one statement; all rows it returns are fetched before anything else happens."""
        return _run(self._connection, sql, params)

    def insert_many(self, insert: str, rows: Sequence[Sequence[Any]], conflict: str = "") -> None:
        """Insert rows, many in one statement."""
        if not rows:
            return
        one = "(" + ",".join("?" * len(rows[0])) + ")"
        for chunk in chunks(rows, CHUNK_SIZES):
            values = ",".join([one] * len(chunk))
            _run(self._connection, f"{insert} VALUES {values} {conflict}", tuple(chain.from_iterable(chunk)))


def _run(connection: sqlite3.Connection, sql: str, params: Params | Sequence[Any]) -> list[Row]:
    try:
        return connection.execute(sql, params).fetchall()
    except sqlite3.Error as error:
        raise StoreError(_explain(error)) from error
    except UnicodeEncodeError:
        return _run(connection, sql, _storable(params))


def _storable(params: Params | Sequence[Any]) -> Params | Sequence[Any]:
    """The parameters with what UTF-8 cannot hold written out: a file name in a log may have lone surrogates."""
    if isinstance(params, Mapping):
        return dict(zip(params, _storable(tuple(params.values())), strict=True))
    return tuple(
        value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value for value in params
    )


def _explain(error: sqlite3.Error) -> str:
    text = str(error)
    if "disk is full" in text or "disk I/O error" in text:
        return f"The disk of the orchestration database is full or failing ({text}); free some space and run again."
    if "readonly" in text or "unable to open" in text:
        return f"The orchestration database cannot be written ({text}); check the rights on ORCHESTRATION_HOME."
    return f"The orchestration database refused a statement: {text}."


def _open(path: Path, synchronous: str) -> sqlite3.Connection:
    """A connection to the file at ``path``, whose schema is the newest that this version knows."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = _connect(path, synchronous)
        try:
            _bring_up_to_date(connection, path)
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"The orchestration database {path} cannot be opened ({error}); "
            "set ORCHESTRATION_HOME to a folder that you may write to."
        ) from error
    return connection


def _bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) < LATEST:
        _migrate(connection, path)
    version = _version(connection)
    if version > LATEST:
        raise NewerSchemaError(
            f"The database {path} has schema {version}, and this version knows {LATEST}; "
            "install the newer version of the package, or set ORCHESTRATION_HOME to another folder."
        )


def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to date; of many processes that start at once, one does it and the rest wait."""
    with _only_one_process(path.with_name(path.name + ".lock")):
        before = _version(connection)
        if before >= LATEST:
            return
        if before == 0:
            path.chmod(0o600)
            connection.execute("PRAGMA journal_mode = WAL")
        else:
            _back_up(connection, path, before)
        for number, sql in migrations():
            if number > before:
                text = sql.replace("{sequence}", "INTEGER PRIMARY KEY AUTOINCREMENT")
                connection.executescript(f"BEGIN IMMEDIATE; {text} PRAGMA user_version = {number}; COMMIT;")


def _back_up(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Keep a copy of the database as it was; like the database, for its owner's eyes only."""
    copy = path.with_name(f"{path.name}.before-{version + 1:04d}")
    copy.touch(0o600)
    with closing(sqlite3.connect(copy)) as target:
        connection.backup(target)


@contextmanager
def _only_one_process(lock_path: Path) -> Iterator[None]:
    descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


_databases: WeakSet[SqliteDatabase] = WeakSet()
_held: list[SqliteDatabase] = []
"""The databases that a fork under way concerns."""


def _before_fork() -> None:
    _held[:] = _databases
    for database in _held:
        database.before_fork()


def _after_fork(is_child: bool) -> None:
    for database in _held:
        database.after_fork(is_child)
    _held.clear()


os.register_at_fork(
    before=_before_fork, after_in_parent=partial(_after_fork, False), after_in_child=partial(_after_fork, True)
)
