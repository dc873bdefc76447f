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

    def insert_many(self, insert: str, rows: Sequence[Sequence[Any]], conflict: str = "") -> None:
        """Insert rows; ``insert`` is ``INSERT INTO t (a, b)``, ``conflict`` an ``ON CONFLICT`` clause."""


@runtime_checkable
class Database(Protocol):
    """A store of rows; times are whole microseconds since the epoch (UTC), documents JSON text."""

    dialect: str

    def transaction(self) -> AbstractContextManager[Transaction]:
        """A write transaction; waits for its turn, never fails because somebody else is writing."""

    def read(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """The rows of one SELECT with ``:name`` parameters."""

    def close(self) -> None:
        """Release all connections."""


def chunks(rows: Sequence[Sequence[Any]], sizes: Iterable[int]) -> Iterable[Sequence[Sequence[Any]]]:
    """The rows in slices of the given sizes, each as often as it fits, largest first."""
    start = 0
    for size in sizes:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size
