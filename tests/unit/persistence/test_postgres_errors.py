"""The database of a server: a sentence for each server, connection and statement that is not as it must be."""

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from orchestration.domain.errors import ConfigurationError, StoreError
from orchestration.persistence import postgres
from orchestration.persistence.database import Transaction
from orchestration.persistence.postgres import PostgresDatabase
from tests.support.postgres import new_database, url_of

INSERT = "INSERT INTO variable (id, name, value, created, updated)"
ROW = [("1", "name", "1", 0, 0)]
COUNT = "SELECT COUNT(*) AS count FROM variable"
ALL_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "


@pytest.fixture
def url() -> Iterator[str]:
    with new_database() as made:
        yield made


@pytest.fixture
def database(url: str) -> Iterator[PostgresDatabase]:
    with closing(PostgresDatabase(url)) as opened:
        yield opened


def _kill_connections(url: str) -> int:
    """End all connections to a database as its administrator would; how many there were."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        return connection.execute(ALL_OTHERS + "current_database()").rowcount


def _refused(url: str, kind: type[Exception] = StoreError) -> str:
    with pytest.raises(kind) as refused:
        PostgresDatabase(url)
    assert "secret" not in f"{refused.value!r} {refused.value.__cause__!r}"
    return str(refused.value)


# -- servers that are not there -------------------------------------------------------------------


def test_a_server_that_does_not_answer_is_told_in_one_sentence() -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        told = _refused(f"postgresql://me:secret@127.0.0.1:{port}/runs")
    assert told.startswith(f"The PostgreSQL database postgresql://me@127.0.0.1:{port}/runs cannot be reached (")
    assert told.endswith("; see whether its server runs and whether ORCHESTRATION_DATABASE_URL is right.")
    assert "\n" not in told


def test_a_database_that_is_not_there_is_named(url: str) -> None:
    assert 'database "absent" does not exist' in _refused(url_of("absent").replace("postgres@", "postgres:secret@"))


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:secret@[host/runs", "postgresql://me:secret@host/runs?x=1", "postgresql://me:%zz@host/runs"],
)
def test_a_url_that_is_none_is_refused_without_showing_it(url: str) -> None:
    assert _refused(url, ConfigurationError).startswith("ORCHESTRATION_DATABASE_URL is not a valid PostgreSQL URL; it ")


# -- connections that break -----------------------------------------------------------------------


def test_a_read_on_lost_connections_is_asked_again(url: str, database: PostgresDatabase) -> None:
    with database.transaction(), database.transaction():
        pass  # two connections now wait for their next use
    assert _kill_connections(url) == 2
    assert database.read(COUNT)[0]["count"] == 0


def test_a_transaction_does_not_begin_on_a_lost_connection(url: str, database: PostgresDatabase) -> None:
    database.read(COUNT)
    assert _kill_connections(url) == 1
    with database.transaction() as tx:
        tx.insert_many(INSERT, ROW)
    assert database.read(COUNT)[0]["count"] == 1


def test_a_transaction_whose_connection_breaks_is_not_written(url: str, database: PostgresDatabase) -> None:
    def write(tx: Transaction) -> None:
        tx.insert_many(INSERT, ROW)
        assert _kill_connections(url) == 1
        tx.execute(COUNT)

    with pytest.raises(StoreError) as lost, database.transaction() as tx:
        write(tx)
    assert str(lost.value) == (
        "The connection to the orchestration database was lost (terminating connection due to administrator command); "
        "nothing was written."
    )
    assert database.read(COUNT)[0]["count"] == 0


def test_a_commit_whose_connection_breaks_says_that_it_does_not_know(url: str, database: PostgresDatabase) -> None:
    with pytest.raises(StoreError) as lost, database.transaction() as tx:
        tx.insert_many(INSERT, ROW)
        _kill_connections(url)
    assert str(lost.value) == (
        "The connection to the database was lost during a commit; what was being written may stand or not."
    )
    assert getattr(lost.value, "__notes__", None) is None
    assert database.read(COUNT)[0]["count"] == 0


def test_a_server_that_went_away_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "WAIT_SECONDS", 0.2)
    with new_database() as url, closing(PostgresDatabase(url)) as database:
        database.read(COUNT)
        with closing(psycopg.connect(url_of("postgres"), autocommit=True)) as administrator:
            name = url.partition("@/")[2].partition("?")[0]
            administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
            _kill(administrator, name)
            with pytest.raises(StoreError, match=r"gave no connection within 0 seconds; see whether its server runs"):
                database.read(COUNT)
            administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())


def _kill(administrator: psycopg.Connection[Any], name: str) -> None:
    administrator.execute((ALL_OTHERS + "%s").encode(), [name])


def test_a_statement_that_was_prepared_before_a_migration_is_asked_again(url: str, database: PostgresDatabase) -> None:
    for _ in range(8):
        database.read("SELECT * FROM variable")
    with closing(psycopg.connect(url, autocommit=True)) as migrating:
        migrating.execute("ALTER TABLE variable ADD COLUMN note TEXT")
        assert database.read("SELECT * FROM variable") == []
        migrating.execute("ALTER TABLE variable DROP COLUMN note")


# -- statements that are refused ------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["SELECT nothing FROM nowhere", "SELEC 1", "SELECT 1 / 0"])
def test_a_wrong_statement_is_told_in_one_sentence(database: PostgresDatabase, statement: str) -> None:
    with pytest.raises(StoreError) as refused:
        database.read(statement)
    assert str(refused.value).startswith("The orchestration database refused a statement: ")
    assert "\n" not in str(refused.value)


def test_a_right_that_is_missing_is_told_in_one_sentence(url: str) -> None:
    with closing(PostgresDatabase(url + "&options=-c%20default_transaction_read_only%3Don")) as database:
        with pytest.raises(StoreError) as refused, database.transaction() as tx:
            tx.insert_many(INSERT, ROW)
        assert str(refused.value) == (
            "The orchestration database cannot be written (cannot execute INSERT in a read-only transaction); "
            "check the rights of its user."
        )


def test_a_closed_database_says_so(database: PostgresDatabase) -> None:
    database.close()
    database.close()
    with pytest.raises(StoreError, match="The orchestration database was closed"):
        database.read(COUNT)
    with pytest.raises(StoreError, match="The orchestration database was closed"), database.transaction():
        pass
