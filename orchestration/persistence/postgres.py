"""PostgreSQL, where several servers share one store: a small pool of connections and short transactions.

Transactions are READ COMMITTED. What is read to be written back is guarded by the statement itself, or by
``Transaction.lock``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any, TypeAlias

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row
from psycopg.types.numeric import FloatLoader
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from orchestration.domain.errors import ConfigurationError, StoreError
from orchestration.persistence.database import NO_PARAMS, STANDS, Params, Row
from orchestration.persistence.forks import Connected
from orchestration.persistence.postgres_statements import (
    Connection,
    ConnectionLost,
    bulk,
    commit,
    document,
    one_line,
    run,
)
from orchestration.persistence.schema import bring_up_to_date

Pool: TypeAlias = ConnectionPool[Connection]

POOL_SIZE = 8
"""Connections a process; a statement takes well under a millisecond of each, and a server has about a hundred."""
WAIT_SECONDS = 10.0
"""How long a connection is waited for, be it that the server is away or that all are in use."""
BULK_ROWS = 1_000
"""Rows a statement: enough that its round trip no longer shows, and small enough to be one message."""
_SURE = {
    "connect_timeout": "5", "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3",
    "tcp_user_timeout": "30000", "application_name": "orchestration",
}
"""The time-out to connect is of each address, and a name has two at most, as a rule; the others let a network that
swallows everything end a statement, not the patience."""
_ADAPTERS = AdaptersMap(psycopg.adapters)
_ADAPTERS.register_loader("numeric", FloatLoader)  # a sum of integers is a plain number on SQLite as well
_HOW: dict[str, Any] = {"autocommit": True, "row_factory": dict_row, "context": _ADAPTERS}

_APPLIED = "INSERT INTO schema_version (number, applied) VALUES (:number, now())"
_TYPE = re.compile(r"(?<!AS )\b(TEXT|INTEGER)\b")
_TYPES = {"TEXT": 'TEXT COLLATE "C"', "INTEGER": "BIGINT"}
"""What SQLite means by these: texts are compared by their bytes, and integers have 64 bits."""

logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())  # it tells of what our errors tell as well


class PostgresDatabase(Connected):
    """A PostgreSQL database, brought up to date when it is opened.

    Raises:
        ConfigurationError: the URL is not one of PostgreSQL's.
        StoreError: the server cannot be reached, or refuses the connection.
    """

    dialect = "postgresql"

    def __init__(self, url: str) -> None:
        self._conninfo = _conninfo(url)
        self._pool: Pool | None = None
        with self.schema() as schema:
            bring_up_to_date(schema)
        super().__init__()

    @contextmanager
    def transaction(self) -> Iterator[PostgresTransaction]:
        """A write transaction; a connection that had died by then is replaced, one that dies in it ends it."""
        pool, connection, _ = self._first("BEGIN", NO_PARAMS)
        committing = False
        try:
            yield PostgresTransaction(connection)
            committing = True
            commit(connection)
        except BaseException as error:
            if connection.info.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN):
                connection.pgconn.exec_(b"ROLLBACK")
            elif committing and not isinstance(error, StoreError):
                error.add_note(STANDS)
            raise
        finally:
            pool.putconn(connection)

    def read(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """The rows of one SELECT; asked again on a fresh connection when the first is lost."""
        pool, connection, rows = self._first(sql, params)
        pool.putconn(connection)
        return rows

    @contextmanager
    def schema(self) -> Iterator[PostgresSchema]:
        """The schema, on a connection of its own."""
        with closing(_connect(self._conninfo)) as connection:
            yield PostgresSchema(connection, self._conninfo)

    def _first(self, sql: str, params: Params, again: bool = True) -> tuple[Pool, Connection, list[Row]]:
        """A connection, with its pool, on which a statement that changes nothing went through, and its rows."""
        pool, connection = self._connection()
        try:
            return pool, connection, run(connection, sql, params)
        except BaseException as error:
            pool.putconn(connection)
            if not (again and isinstance(error, ConnectionLost)):
                raise
        pool.check()  # a connection is rarely lost alone
        return self._first(sql, params, again=False)

    def _connection(self) -> tuple[Pool, Connection]:
        while True:
            pool = self._opened()
            try:
                return pool, pool.getconn()
            except PoolTimeout:
                raise StoreError(
                    f"The PostgreSQL database {_place(self._conninfo)} gave no connection within {WAIT_SECONDS:.0f} "
                    "seconds; see whether its server runs, and whether others hold all of its connections."
                ) from None
            except PoolClosed:  # by a fork in the meantime
                continue

    def _opened(self) -> Pool:
        with self._lock:
            self._check_open()
            if self._pool is None:
                self._pool = ConnectionPool(
                    self._conninfo, kwargs=_HOW, min_size=0, max_size=POOL_SIZE, timeout=WAIT_SECONDS,
                    reconnect_timeout=WAIT_SECONDS, num_workers=1, open=True, configure=_configure,
                )  # fmt: skip
            return self._pool

    def _disconnect(self) -> None:
        """Close what is idle; a connection in use stays with the thread that uses it."""
        if self._pool is not None:
            self._pool.close()
        self._pool = None


class PostgresTransaction:
    """Statements of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """Run one statement."""
        return run(self._connection, sql, params)

    def lock(self, *names: str) -> None:
        """Wait for the names, always in the same order, so that two who want the same ones do not wait for each other.

        They are advisory locks of the transaction, told apart by 64 bits of a hash.
        """
        sql = "SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(:names::text[]) AS name"
        if names:
            run(self._connection, sql, {"names": sorted(set(names))})

    def insert_many(self, insert: str, rows: Sequence[Sequence[Any]], conflict: str = "") -> None:
        """Insert rows, a thousand in one statement, as one JSON document: a third of the time of as many parameters.

        With a ``conflict`` clause that updates, no two of the rows may be the same one.
        """
        sql, columns = bulk(insert, conflict)
        remaining = iter(rows)
        while chunk := list(islice(remaining, BULK_ROWS)):
            run(self._connection, sql, {"rows": document(columns, chunk)})


class PostgresSchema:
    """The schema of a database; its version is the highest number in the table ``schema_version``."""

    way_out = "set ORCHESTRATION_DATABASE_URL to another database"

    def __init__(self, connection: Connection, conninfo: str) -> None:
        self._connection = connection
        self.place = f"The database {_place(conninfo)}"

    def version(self) -> int:
        """The newest migration that the database has seen."""
        if self._run("SELECT to_regclass('schema_version') AS name")[0]["name"] is None:
            return 0
        return int(self._run("SELECT COALESCE(MAX(number), 0) AS number FROM schema_version")[0]["number"])

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A transaction around all migrations that are due, with a lock that ends with it."""
        with self._connection.transaction():
            PostgresTransaction(self._connection).lock("schema")
            self._run("CREATE TABLE IF NOT EXISTS schema_version (number INTEGER PRIMARY KEY, applied TIMESTAMPTZ)")
            yield

    def apply(self, number: int, sql: str) -> None:
        """Run a migration."""
        text = sql.replace("{sequence}", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY")
        self._run(_TYPE.sub(lambda match: _TYPES[match[0]], text))
        PostgresTransaction(self._connection).execute(_APPLIED, {"number": number})

    def clear(self, tables: Sequence[str]) -> None:
        """Remove tables."""
        for table in tables:
            self._run(f"DROP TABLE IF EXISTS {table}")
        self._run("DELETE FROM schema_version")

    def back_up(self, name: str) -> None:
        """Nothing: copies of a server's databases are its administrator's (``pg_dump``)."""

    def _run(self, sql: str) -> list[Row]:
        return run(self._connection, sql, None)


def _connect(conninfo: str) -> Connection:
    try:
        return psycopg.connect(conninfo, **_HOW)
    except psycopg.OperationalError as error:
        raise StoreError(
            f"The PostgreSQL database {_place(conninfo)} cannot be reached ({one_line(error)}); "
            "see whether its server runs and whether ORCHESTRATION_DATABASE_URL is right."
        ) from error


def _configure(connection: Connection) -> None:
    """Let the server end a transaction whose process hangs, since others wait for what it holds."""
    connection.execute("SET idle_in_transaction_session_timeout = '60s'")


def _conninfo(url: str) -> str:
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # its text holds the URL, and the URL may hold a password
        raise ConfigurationError(
            "ORCHESTRATION_DATABASE_URL is not a valid PostgreSQL URL; it looks like "
            "postgresql://user:password@host:5432/database, with %-escapes for what is special in a URL."
        ) from None
    return make_conninfo("", **{**_SURE, **given})


def _place(conninfo: str) -> str:
    """The database as a URL without its password."""
    given: Mapping[str, Any] = conninfo_to_dict(conninfo)
    port = f":{given['port']}" if given.get("port") else ""
    user = f"{given['user']}@" if given.get("user") else ""
    return f"postgresql://{user}{given.get('host', '')}{port}/{given.get('dbname', '')}"
