"""What the rest of the package asks of a database, whichever it is, and what all databases do alike.

A connection that two processes share is broken in both, so none is open while a process forks. The schema's changes lie
in ``migrations``, numbered and forward only; what brings a store up to date takes the same steps in every database.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakSet

from orchestration.domain.errors import NewerSchemaError, ObjectAlreadyExists, StoreError

Row = Mapping[str, Any]
Params = Mapping[str, Any]
NO_PARAMS: Params = {}
# The number of the newest migration; a test holds it to the files.
LATEST = 4
# The note on an exception that ended a transaction too late to undo it, such as a Ctrl-C during the commit.
STANDS = "What was being written stands: the interruption came when it was committed."


def _named_statements(text: str) -> Mapping[str, str]:
    """The statements of a file, each below a line with its name; ``{name}`` stands for one that is written above it."""
    found: dict[str, str] = {}
    for name, sql in re.findall(r"^-- name: (\w+)\n(.*?)(?=\n--|\Z)", text, re.DOTALL | re.MULTILINE):
        found[name] = re.sub(r"\{(\w+)\}", lambda part: found.get(part[1], part[0]), sql.strip())
    return found


# The statements that never change, by name, with ``:name`` parameters; written out for both databases.
STATEMENTS = _named_statements(Path(__file__).with_name("statements.sql").read_text(encoding="utf-8"))


class Transaction(Protocol):
    """One unit of work: all of it is written, or nothing."""

    def execute(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """Run one statement with ``:name`` parameters; the rows it returns, if any."""

    def lock(self, *names: str) -> None:
        """Wait until no other transaction holds any of these names, and hold them until the end of this one.

        For what is read to be written back: on SQLite a write transaction is alone anyway; on PostgreSQL others
        would change it between the two.
        """

    def insert_many(self, insert: str, rows: Sequence[Sequence[Any]], conflict: str = "") -> None:
        """Insert rows; ``insert`` is ``INSERT INTO t (a, b)``, ``conflict`` an ``ON CONFLICT`` clause."""


class Session(Transaction, Protocol):
    """A connection in use: what a transaction and a migration need of one."""

    # Which database it is, in words that may be shown: never with a password.
    place: str

    def begin(self) -> None:
        """Wait for the turn to write, and begin a transaction."""

    def commit(self) -> None:
        """End the transaction; what was written stands."""

    def roll_back(self) -> bool:
        """Undo the transaction, if one is under way; whether one was."""

    def version(self) -> int:
        """The number of the newest migration that the database has seen; 0 for an empty one."""

    def turn(self) -> AbstractContextManager[None]:
        """The right to change the schema: of many processes that start at once, one has it and the rest wait."""

    def script(self, sql: str, version: int) -> None:
        """Run statements and note the version that they lead to, both or nothing."""

    def back_up(self, name: str) -> None:
        """Keep a copy under that name, where a copy is this package's business."""


class Database(ABC):
    """A store of rows; times are whole microseconds since the epoch (UTC), documents JSON text."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._closed = False
        _known.add(self)

    # The connection, or the pool of them; none while nobody needs one.
    _open: Any = None

    @abstractmethod
    def session(self) -> AbstractContextManager[Session]:
        """A connection, for those who bring the schema up to date or make it anew."""

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A write transaction; waits for its turn, never fails because somebody else is writing."""
        with self.session() as session:
            committing = False
            try:  # a Ctrl-C during the wait for the turn arrives when the turn has come: it must be given back
                session.begin()
                yield session
                committing = True
                session.commit()
            except BaseException as error:
                if not session.roll_back() and committing and not isinstance(error, StoreError):
                    error.add_note(STANDS)
                raise

    def read(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """The rows of one SELECT with ``:name`` parameters."""
        with self.session() as session:
            return session.execute(sql, params)

    def close(self) -> None:
        """Release all connections, for good."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def _disconnect(self) -> None:
        """Close what is open, but no connection that a thread uses; it is opened again when it is needed."""
        if self._open is not None:
            self._open.close()
        self._open = None

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("The orchestration database was closed, and nothing can be read or written any more.")


_known: WeakSet[Database] = WeakSet()
# Those that a fork under way concerns.
_held: list[Database] = []


def _before_fork() -> None:
    """Close what is open, and let nobody open it again until the fork is over."""
    _held.extend(_known)
    for database in _held:
        database._lock.acquire()
        database._disconnect()


def _after_fork() -> None:
    """Go on; the thread that forked, and that holds the locks, is there in the child as well."""
    while _held:
        _held.pop()._lock.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


@contextmanager
def only_one_process(path: Path) -> Iterator[None]:
    """Hold the lock on a file, which a process cannot keep beyond its end; it is made, for its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing it would not do: forked processes have it open as well
        os.close(descriptor)


# By what a driver calls an error, or says of it: what went wrong, in one sentence around the driver's words.
_FAULTS = {
    "UniqueViolation|UNIQUE constraint": "What was to be stored is there already ({}).",
    "DiskFull|disk is full|disk I/O error":
        "The disk of the orchestration database is full or failing ({}); free some space and run again.",
    "Privilege|ReadOnlySql": "The orchestration database cannot be written ({}); check the rights of its user.",
    "readonly|unable to": "The orchestration database cannot be written ({}); check the rights on ORCHESTRATION_HOME.",
    "": "The orchestration database refused a statement: {}.",
}


def refusal(error: Exception, reason: str) -> StoreError:
    """The error that tells of a driver's, whose ``reason`` are its own words."""
    told = f"{type(error).__name__}: {reason}"
    sentence = next(sentence for fault, sentence in _FAULTS.items() if re.search(fault, told))
    return (ObjectAlreadyExists if "there already" in sentence else StoreError)(sentence.format(reason))


def storable(value: Any, nul: str = "\0") -> Any:
    """A parameter, or many, with what a database cannot hold written out in a form that can be read.

    A file name in a log line may have lone surrogates, which UTF-8 cannot hold; ``nul`` stands for NUL where the
    database takes none.
    """
    if isinstance(value, Mapping):
        return {name: storable(each, nul) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable(each, nul) for each in value]
    return value.encode("utf-8", "backslashreplace").decode().replace("\0", nul) if isinstance(value, str) else value


def migrations() -> list[tuple[int, str]]:
    """All migrations as (number, SQL), lowest first; ``{sequence}`` stands for the dialect's counting key."""
    paths = sorted((Path(__file__).parent / "migrations").glob("*.sql"))
    return [(int(path.name[:4]), path.read_text(encoding="utf-8")) for path in paths]


def reset(database: Database, now: datetime) -> None:
    """Remove everything that a database holds and make its tables anew; a SQLite file is copied first."""
    with database.session() as schema, schema.turn():
        schema.back_up(f"before-reset-{now:%Y%m%d-%H%M%S}")
        tables = re.findall(r"CREATE TABLE (\w+)", "".join(sql for _, sql in migrations()))
        schema.script("".join(f"DROP TABLE IF EXISTS {table}; " for table in tables), 0)
        _migrate(schema)


def bring_up_to_date(schema: Session) -> int:
    """Run the migrations that a database has not seen; the version it had.

    Raises:
        NewerSchemaError: it has seen some that this version does not know.
    """
    found = schema.version()
    if found < LATEST:
        with schema.turn():
            _migrate(schema)
    if (version := schema.version()) > LATEST:
        found_here = f"{schema.place} has schema {version}, and this version knows {LATEST}"
        remedy = "or name another store by ORCHESTRATION_HOME or by ORCHESTRATION_DATABASE_URL"
        raise NewerSchemaError(f"{found_here}; install the newer version of the package, {remedy}.")
    return found


def _migrate(schema: Session) -> None:
    version = schema.version()
    if 0 < version < LATEST:
        schema.back_up(f"before-{version + 1:04d}")
    for number, sql in migrations():
        if number > version:
            schema.script(sql, number)
