"""What the rest of the package asks of a database, whichever it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

Row = Mapping[str, Any]
Params = Mapping[str, Any]
NO_PARAMS: Params = {}
STANDS = "What was being written stands: the interruption came when it was committed."
"""The note on an exception that ended a transaction too late to undo it, such as a Ctrl-C during the commit."""


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


class Schema(Protocol):
    """What a migration needs of a database."""

    place: str
    """Which database it is, in words that may be shown: never with a password."""
    way_out: str
    """What a person can do who wants to use another database."""

    def version(self) -> int:
        """The number of the newest migration that the database has seen; 0 for an empty one."""

    def turn(self) -> AbstractContextManager[None]:
        """The right to change the schema: of many processes that start at once, one has it and the rest wait."""

    def apply(self, number: int, sql: str) -> None:
        """Run a migration and note its number, both or nothing."""

    def clear(self, tables: Sequence[str]) -> None:
        """Remove these tables, those that are there, and go back to version 0."""

    def back_up(self, name: str) -> None:
        """Keep a copy under that name, where a copy is this package's business."""


@runtime_checkable
class Database(Protocol):
    """A store of rows; times are whole microseconds since the epoch (UTC), documents JSON text."""

    dialect: str

    def transaction(self) -> AbstractContextManager[Transaction]:
        """A write transaction; waits for its turn, never fails because somebody else is writing."""

    def read(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """The rows of one SELECT with ``:name`` parameters."""

    def schema(self) -> AbstractContextManager[Schema]:
        """The schema, for those who bring it up to date or make it anew."""

    def close(self) -> None:
        """Release all connections."""


def storable(values: Iterable[Any], nul: str = "\0") -> tuple[Any, ...]:
    """The values with what a database cannot hold written out in a form that can be read.

    A file name in a log line may have lone surrogates, which UTF-8 cannot hold; ``nul`` stands for NUL where the
    database takes none.
    """
    return tuple(
        value.encode("utf-8", "backslashreplace").decode().replace("\0", nul) if isinstance(value, str) else value
        for value in values
    )


def chunks(rows: Sequence[Sequence[Any]], sizes: Iterable[int]) -> Iterable[Sequence[Sequence[Any]]]:
    """The rows in slices of the given sizes, each as often as it fits, largest first."""
    start = 0
    for size in sizes:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size
