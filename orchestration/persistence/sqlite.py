"""The embedded database: one SQLite file in WAL mode, one connection a process, short transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from orchestration.domain.errors import StoreError
from orchestration.persistence import database
from orchestration.persistence.database import NO_PARAMS, Database, Params, Row

# How long a writer waits for its turn; turns last milliseconds, so only a stuck disk gets near it.
BUSY_SECONDS = 120.0

# Rows a statement. One statement is one release of the interpreter lock: row by row, a busy main thread makes each row
# wait for a thread switch (measured: 0.7 ms a row instead of 0.04).
BULK_ROWS = 100


class SqliteDatabase(Database):
    """A SQLite file, made and brought up to date when it is opened."""

    def __init__(self, path: Path, synchronous: str = "NORMAL") -> None:
        self._path = path
        self._synchronous = synchronous
        self._open = _opened(path, synchronous)
        super().__init__()

    @contextmanager
    def session(self) -> Iterator[SqliteSession]:
        """The connection; nobody else in this process uses the file meanwhile."""
        with self._lock:
            self._check_open()
            self._open = self._open or _opened(self._path, self._synchronous)
            yield SqliteSession(self._open, self._path)


class SqliteSession:
    """Statements on a connection; a schema's version is SQLite's own ``user_version``."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self.place = f"The database {path}"

    def execute(self, sql: str, params: Params | Sequence[Any] = NO_PARAMS) -> list[Row]:
        """Run one statement; all rows it returns are fetched before anything else happens."""
        try:
            return self._connection.execute(sql, params).fetchall()
        except sqlite3.Error as error:
            raise database.refusal(error, str(error)) from error
        except UnicodeEncodeError:
            return self.execute(sql, database.storable(params))

    def lock(self, *names: str) -> None:
        """Nothing: a write transaction of SQLite is alone."""

    def insert_many(self, insert: str, rows: Sequence[Sequence[Any]], conflict: str = "") -> None:
        """Insert rows, many in one statement."""
        for start in range(0, len(rows), BULK_ROWS):
            chunk = rows[start : start + BULK_ROWS]
            values = ",".join(["(" + ",".join("?" * len(rows[0])) + ")"] * len(chunk))
            self.execute(f"{insert} VALUES {values} {conflict}", tuple(chain.from_iterable(chunk)))

    def begin(self) -> None:
        """Become the only writer at once, so that two who read first never wait for each other."""
        self.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Write to the write-ahead log."""
        self.execute("COMMIT")

    def roll_back(self) -> bool:
        """Undo the transaction, if one is under way."""
        was_open = self._connection.in_transaction
        self._connection.rollback()
        return was_open

    def version(self) -> int:
        """The newest migration that the file has seen."""
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A lock on a file beside the database."""
        with database.only_one_process(self._path.with_name(f"{self._path.name}.lock")):
            if self.version() == 0:
                self._path.chmod(0o600)
                self._connection.execute("PRAGMA journal_mode = WAL")
            yield

    def script(self, sql: str, version: int) -> None:
        """Run statements in a transaction of their own."""
        text = sql.replace("{sequence}", "INTEGER PRIMARY KEY AUTOINCREMENT")
        try:
            self._connection.executescript(f"BEGIN IMMEDIATE; {text} PRAGMA user_version = {version}; COMMIT;")
        except sqlite3.Error as error:
            self.roll_back()
            raise database.refusal(error, str(error)) from error

    def back_up(self, name: str) -> None:
        """Keep a copy beside the file; like the file, for its owner's eyes only."""
        copy = self._path.with_name(f"{self._path.name}.{name}")
        copy.touch(0o600)
        with closing(sqlite3.connect(copy)) as target:
            self._connection.backup(target)


def _opened(path: Path, synchronous: str) -> sqlite3.Connection:
    """A connection to the file at ``path``, whose schema is the newest that this version knows."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ExitStack() as undo:
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            undo.callback(connection.close)
            connection.row_factory = sqlite3.Row
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            database.bring_up_to_date(SqliteSession(connection, path))
            undo.pop_all()
            return connection
    except (OSError, sqlite3.Error) as error:
        remedy = "set ORCHESTRATION_HOME to a folder that you may write to"
        raise StoreError(f"The orchestration database {path} cannot be opened ({error}); {remedy}.") from error
