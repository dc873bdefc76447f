"""Statements on a connection to PostgreSQL: their parameters in its terms, and its refusals in ours."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import psycopg
from psycopg.pq import ExecStatus
from psycopg.rows import DictRow

from orchestration.domain.errors import ObjectAlreadyExists, StoreError
from orchestration.persistence.database import Params, Row, storable

Connection: TypeAlias = psycopg.Connection[DictRow]

NUL = "\\x00"
"""What stands in a text for the NUL that PostgreSQL refuses."""

_IN_SQL = re.compile(r"""(?P<verbatim>'(?:[^']|'')*'|"[^"]*"|::)|:(?P<name>[A-Za-z_]\w*)|%""")
_INSERT = re.compile(r"\s*INSERT INTO (\w+) \(([^)]*)\)\s*")
_SUSPICIOUS = re.compile(r"\\u(0000|d[89a-f])")
"""A NUL, or one half of a character that UTF-16 writes as two, in JSON."""


class ConnectionLost(StoreError):
    """The connection broke during a statement."""


def run(connection: Connection, sql: str, params: Params | None) -> list[Row]:
    """The rows of a statement; without parameters, ``sql`` may be several statements."""
    try:
        cursor = connection.execute(sql.encode() if params is None else _translated(sql), params)
        return list(cursor.fetchall()) if cursor.description else []
    except (UnicodeEncodeError, psycopg.Error) as error:
        if params and (safe := _storable(params)) != params:
            return run(connection, sql, safe)
        raise _refusal(connection, error) from error


def _storable(params: Params) -> Params:
    return dict(zip(params, storable(params.values(), NUL), strict=True))


@lru_cache(maxsize=1_000)
def _translated(sql: str) -> bytes:
    """The statement with ``:name`` as the driver wants it, except where it is no parameter."""

    def placeholder(found: re.Match[str]) -> str:
        if found["name"]:
            return f"%({found['name']})s"
        return found[0].replace("%", "%%")

    return _IN_SQL.sub(placeholder, sql).encode()


@lru_cache(maxsize=100)
def bulk(insert: str, conflict: str) -> tuple[str, list[str]]:
    """The statement that inserts the JSON documents ``:rows``, and their fields."""
    into = _INSERT.fullmatch(insert)
    assert into is not None, insert  # noqa: S101 - the caller's text, not a user's
    table, columns = into.groups()
    source = f"SELECT {columns} FROM json_populate_recordset(NULL::{table}, :rows::json)"  # noqa: S608 - fixed texts
    return f"{insert} {source} {conflict}", [column.strip() for column in columns.split(",")]


def document(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """The rows as JSON that PostgreSQL takes."""
    text = json.dumps([dict(zip(columns, row, strict=True)) for row in rows])
    if _SUSPICIOUS.search(text):
        text = json.dumps([dict(zip(columns, storable(row, NUL), strict=True)) for row in rows])
    return text


def commit(connection: Connection) -> None:
    """Commit by the driver's one blocking call: a Ctrl-C is seen before it or after it, never in doubt between."""
    result = connection.pgconn.exec_(b"COMMIT")
    if result.status == ExecStatus.COMMAND_OK:
        if result.command_status != b"COMMIT":
            raise StoreError("Nothing of what was being written is stored: one of its statements had failed.")
    elif connection.closed:
        raise ConnectionLost(
            "The connection to the database was lost during a commit; what was being written may stand or not."
        )
    else:
        raise _refusal(connection, psycopg.errors.error_from_result(result))


def _refusal(connection: Connection, error: Exception) -> StoreError:
    """What went wrong, in one sentence."""
    reason = one_line(error)
    if isinstance(error, psycopg.errors.FeatureNotSupported):  # a prepared statement's table was migrated meanwhile
        connection.close()
    if connection.closed:
        return ConnectionLost(f"The connection to the orchestration database was lost ({reason}); nothing was written.")
    if isinstance(error, psycopg.errors.UniqueViolation):
        return ObjectAlreadyExists(f"What was to be stored is there already ({reason}).")
    if isinstance(error, psycopg.errors.DiskFull):
        return StoreError(f"The disk of the orchestration database is full ({reason}); free some space and run again.")
    if isinstance(error, psycopg.errors.InsufficientPrivilege | psycopg.errors.ReadOnlySqlTransaction):
        return StoreError(f"The orchestration database cannot be written ({reason}); check the rights of its user.")
    return StoreError(f"The orchestration database refused a statement: {reason}.")


def one_line(error: Exception) -> str:
    """The driver's own words without its line breaks and full stop."""
    told = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return " ".join((told or str(error)).split()).rstrip(".")
