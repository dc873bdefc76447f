"""PostgreSQL, where several servers share one store: a small pool of connections and short transactions.

Transactions are READ COMMITTED. What is read to be written back is guarded by the statement itself, or by
``Transaction.lock``. Statements are not prepared, since a migration by another server would break those that are.
"""

from __future__ import annotations

import json
import logging
import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
from psycopg import errors, pq
from psycopg.adapt import AdaptersMap
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg.types.numeric import FloatLoader
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from orchestration.domain.errors import ConfigurationError, StoreError
from orchestration.persistence import database
from orchestration.persistence.database import NO_PARAMS, Database, Params, Row

Connection: TypeAlias = psycopg.Connection[DictRow]

# Connections a process; a statement takes well under a millisecond of each, and a server has about a hundred.
POOL_SIZE = 8
# How long a connection is waited for, be it that the server is away or that all are in use.
WAIT_SECONDS = 10.0
# Rows a statement: enough that its round trip no longer shows, and small enough to be one message.
BULK_ROWS = 1_000
_TOLD = tomllib.loads(Path(__file__).with_name("postgres.toml").read_text(encoding="ascii"))
_ADAPTERS = AdaptersMap(psycopg.adapters)
_ADAPTERS.register_loader("numeric", FloatLoader)  # a sum of integers is a plain number on SQLite as well
_HOW: dict[str, Any] = {"autocommit": True, "row_factory": dict_row, "context": _ADAPTERS, "prepare_threshold": None}

_TYPE = re.compile(r"(?<!AS )\b(TEXT|INTEGER)\b|{sequence}")

_IN_SQL = re.compile(r"""(?P<verbatim>'(?:[^']|'')*'|"[^"]*"|::)|:(?P<name>[A-Za-z_]\w*)|%""")
# A NUL, or one half of a character that UTF-16 writes as two, in JSON.
_SUSPICIOUS = re.compile(r"\\u(0000|d[89a-f])")
# What stands in a text for the NUL that PostgreSQL refuses.
NUL = "\\x00"

logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())  # it tells of what our errors tell as well


class PostgresDatabase(Database):
    """A PostgreSQL database, brought up to date when it is opened.

    Raises:
        ConfigurationError: the URL is not one of PostgreSQL's.
        StoreError: the server cannot be reached, or refuses the connection.
    """

    def __init__(self, url: str) -> None:
        self._conninfo = _conninfo(url)
        self._place = re.sub(r"//([^:@/]*):[^@/]*@", r"//\1@", url.partition("?")[0])  # without a password
        super().__init__()
        try:  # the pool would not say why
            psycopg.connect(self._conninfo).close()
        except psycopg.OperationalError as error:
            told = f"The PostgreSQL database {self._place} cannot be reached ({_one_line(error)})"
            remedy = "see whether its server runs and whether ORCHESTRATION_DATABASE_URL is right"
            raise StoreError(f"{told}; {remedy}.") from error
        with self.session() as session:
            database.bring_up_to_date(session)

    @contextmanager
    def session(self) -> Iterator[PostgresSession]:
        """A connection that has just answered."""
        connection = None
        while connection is None:
            with self._lock:
                self._check_open()
                pool = self._open = self._open or ConnectionPool(
                    self._conninfo, kwargs=_HOW, min_size=0, max_size=POOL_SIZE, timeout=WAIT_SECONDS,
                    reconnect_timeout=WAIT_SECONDS, num_workers=1, open=True, configure=_configure,
                    check=ConnectionPool.check_connection,
                )  # fmt: skip
            try:
                with suppress(PoolClosed):  # by a fork in the meantime
                    connection = pool.getconn()
            except PoolTimeout:
                told = f"The PostgreSQL database {self._place} gave no connection within {WAIT_SECONDS:.0f} seconds"
                remedy = "see whether its server runs, and whether others hold all of its connections"
                raise StoreError(f"{told}; {remedy}.") from None
        try:
            yield PostgresSession(connection, f"The database {self._place}")
        finally:
            pool.putconn(connection)


class PostgresSession:
    """Statements on a connection; a schema's version is the highest number in the table ``schema_version``."""

    def __init__(self, connection: Connection, place: str) -> None:
        self._connection = connection
        self.place = place

    def execute(self, sql: str, params: Params | None = NO_PARAMS) -> list[Row]:
        """Run one statement; without parameters, ``None``, it may be several."""
        try:
            cursor = self._connection.execute(sql.encode() if params is None else _translated(sql), params)
            return list(cursor.fetchall()) if cursor.description else []
        except (UnicodeEncodeError, psycopg.Error) as error:
            if params and (safe := database.storable(params, NUL)) != params:
                return self.execute(sql, safe)
            raise _refusal(self._connection, error) from error

    def lock(self, *names: str) -> None:
        """Wait for the names, always in the same order, so that two who want the same ones do not wait for each other.

        They are advisory locks of the transaction, told apart by 64 bits of a hash.
        """
        sql = "SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(:names::text[]) AS name"
        if names:
            self.execute(sql, {"names": sorted(set(names))})

    def insert_many(self, insert: str, rows: Sequence[Sequence[Any]], conflict: str = "") -> None:
        """Insert rows, a thousand in one statement, as one JSON document: a third of the time of as many parameters.

        With a ``conflict`` clause that updates, no two of the rows may be the same one.
        """
        table, columns = insert.split()[2], insert[insert.index("(") + 1 : insert.rindex(")")]
        names = columns.replace(",", " ").split()
        source = f"SELECT {columns} FROM json_populate_recordset(NULL::{table}, :rows::json)"  # noqa: S608 - fixed texts
        for start in range(0, len(rows), BULK_ROWS):
            chunk = [dict(zip(names, row, strict=True)) for row in rows[start : start + BULK_ROWS]]
            document = json.dumps(chunk)
            if _SUSPICIOUS.search(document):
                document = json.dumps(database.storable(chunk, NUL))
            self.execute(f"{insert} {source} {conflict}", {"rows": document})

    def begin(self) -> None:
        """Begin a transaction, which is READ COMMITTED."""
        self.execute("BEGIN")

    def commit(self) -> None:
        """Commit by the driver's one blocking call: a Ctrl-C is seen before it or after it, never in doubt between."""
        result = self._connection.pgconn.exec_(b"COMMIT")
        if self._connection.closed:
            told = "The connection to the database was lost during a commit"
            raise StoreError(f"{told}; what was being written may stand or not.")
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise _refusal(self._connection, errors.error_from_result(result))
        if result.command_status != b"COMMIT":
            raise StoreError("Nothing of what was being written is stored: one of its statements had failed.")

    def roll_back(self) -> bool:
        """Undo the transaction, if one is under way."""
        status = self._connection.info.transaction_status
        was_open = status not in (pq.TransactionStatus.IDLE, pq.TransactionStatus.UNKNOWN)
        if was_open:
            self._connection.pgconn.exec_(b"ROLLBACK")
        return was_open

    def version(self) -> int:
        """The newest migration that the database has seen."""
        if self.execute("SELECT to_regclass('schema_version') AS name")[0]["name"] is None:
            return 0
        return int(self.execute("SELECT COALESCE(MAX(number), 0) AS number FROM schema_version")[0]["number"])

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A transaction around all migrations that are due, with a lock that ends with it."""
        with self._connection.transaction():
            self.lock("schema")
            self.execute("CREATE TABLE IF NOT EXISTS schema_version (number INTEGER PRIMARY KEY, applied TIMESTAMPTZ)")
            yield

    def script(self, sql: str, version: int) -> None:
        """Run statements, within the turn's transaction."""
        self.execute(_TYPE.sub(lambda match: _TOLD["types"][match[0]], sql), None)
        self.execute("DELETE FROM schema_version WHERE number > :version", {"version": version})
        self.execute("INSERT INTO schema_version VALUES (:version, now()) ON CONFLICT DO NOTHING", {"version": version})

    def back_up(self, name: str) -> None:
        """Nothing: copies of a server's databases are its administrator's (``pg_dump``)."""


@lru_cache(maxsize=1_000)
def _translated(sql: str) -> bytes:
    """The statement with ``:name`` as the driver wants it, except where it is no parameter."""
    return _IN_SQL.sub(lambda part: f"%({part['name']})s" if part["name"] else part[0].replace("%", "%%"), sql).encode()


def _refusal(connection: Connection, error: Exception) -> StoreError:
    """What went wrong, in one sentence."""
    reason = _one_line(error)
    if connection.closed:
        return StoreError(f"The connection to the orchestration database was lost ({reason}); nothing was written.")
    return database.refusal(error, reason)


def _one_line(error: Exception) -> str:
    """The driver's own words without its line breaks and full stop."""
    told = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return " ".join((told or str(error)).split()).rstrip(".")


def _configure(connection: Connection) -> None:
    """Let the server end a transaction whose process hangs, since others wait for what it holds."""
    connection.execute("SET idle_in_transaction_session_timeout = '60s'")


def _conninfo(url: str) -> str:
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # its text holds the URL, and the URL may hold a password
        form = "postgresql://user:password@host:5432/database, with %-escapes for what is special in a URL"
        raise ConfigurationError(
            f"ORCHESTRATION_DATABASE_URL is not a valid PostgreSQL URL; it looks like {form}."
        ) from None
    return make_conninfo("", **{**_TOLD["connection"], **given})
