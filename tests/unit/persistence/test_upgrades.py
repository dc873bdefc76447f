"""Bringing a store up to date and making it anew, on both databases; their schemas are the same."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestration.domain.errors import NewerSchemaError, StoreError
from orchestration.persistence import database as store
from orchestration.persistence.database import LATEST, Database, bring_up_to_date, migrations, reset
from orchestration.persistence.postgres import PostgresDatabase
from orchestration.persistence.sqlite import SqliteDatabase
from tests.support.postgres import bare_database

NOW = datetime(2024, 5, 17, 8, 30, tzinfo=UTC)
ROW = [("1", "name", "1", 0, 0)]
INSERT = "INSERT INTO variable (id, name, value, created, updated)"
Open = Callable[[], Database]


@contextmanager
def _sqlite(folder: Path) -> Iterator[Open]:
    yield lambda: SqliteDatabase(folder / "store.db")


@contextmanager
def _postgresql(folder: Path) -> Iterator[Open]:
    with bare_database() as url:
        yield lambda: PostgresDatabase(url)


DATABASES: dict[str, Callable[[Path], AbstractContextManager[Open]]] = {"postgresql": _postgresql, "sqlite": _sqlite}


@pytest.fixture(params=sorted(DATABASES))
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens a store that has no tables before the first time."""
    with DATABASES[request.param](tmp_path) as opener:
        yield opener


def _next(monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    """Let there be a migration more."""
    steps = [*migrations(), (LATEST + 1, sql)]
    monkeypatch.setattr(store, "LATEST", LATEST + 1)
    monkeypatch.setattr(store, "migrations", lambda: steps)


def _store(database: Database) -> None:
    with database.transaction() as tx:
        tx.insert_many(INSERT, ROW)


def _upgrade(database: Database) -> int:
    with database.session() as session:
        return bring_up_to_date(session)


def _names(database: Database) -> list[str]:
    return [row["name"] for row in database.read("SELECT name FROM variable")]


def test_a_store_is_made_when_it_is_opened(connect: Open) -> None:
    with closing(connect()) as database:
        assert _upgrade(database) == LATEST
        assert _names(database) == []


def test_a_store_that_is_behind_is_brought_up_to_date(connect: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(connect()) as database:
        _store(database)
        _next(monkeypatch, "ALTER TABLE variable ADD COLUMN note TEXT NOT NULL DEFAULT 'none';")
        assert [_upgrade(database), _upgrade(database)] == [LATEST, LATEST + 1]
        assert [dict(row) for row in database.read("SELECT name, note FROM variable")] == [
            {"name": "name", "note": "none"}
        ]


def test_a_newer_schema_is_refused_in_one_sentence(connect: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        _next(patched, "CREATE TABLE later (id TEXT PRIMARY KEY);")
        connect().close()
    with pytest.raises(NewerSchemaError) as refused:
        connect()
    told = str(refused.value)
    assert f" has schema {LATEST + 1}, and this version knows {LATEST}; install the newer version of the pack" in told
    assert told.count(". ") == 0


def test_a_migration_that_fails_leaves_the_store_as_it_was(connect: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(connect()) as database:
        _store(database)
    with monkeypatch.context() as patched:
        _next(patched, "CREATE TABLE half (id TEXT PRIMARY KEY); CREATE TABLE flow (id TEXT);")
        with pytest.raises(StoreError, match=r"flow.* already exists"):
            connect()
    with closing(connect()) as database:
        assert (_upgrade(database), _names(database)) == (LATEST, ["name"])
        with pytest.raises(StoreError, match="half"):
            database.read("SELECT * FROM half")


def test_a_reset_leaves_empty_tables(connect: Open) -> None:
    with closing(connect()) as database, closing(connect()) as other:
        _store(database)
        reset(database, NOW)
        assert (_upgrade(database), _names(database), _names(other)) == (LATEST, [], [])
        _store(other)
        assert _names(database) == ["name"]


def test_a_reset_that_fails_removes_nothing_on_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with bare_database() as url, closing(PostgresDatabase(url)) as database:
        _store(database)
        _next(monkeypatch, "SELECT nothing;")
        with pytest.raises(StoreError, match="nothing"):
            reset(database, NOW)
        assert _names(database) == ["name"]


def test_a_file_is_copied_before_it_is_reset(tmp_path: Path) -> None:
    with closing(SqliteDatabase(tmp_path / "store.db")) as database:
        _store(database)
        reset(database, NOW)
    with closing(SqliteDatabase(tmp_path / "store.db.before-reset-20240517-083000")) as copy:
        assert _names(copy) == ["name"]


def test_both_databases_have_the_same_columns_and_order_texts_alike(tmp_path: Path) -> None:
    with _postgresql(tmp_path) as connect, closing(connect()) as server:
        there = server.read(
            "SELECT table_name, column_name, data_type, collation_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND table_name <> 'schema_version'"
        )
    with closing(SqliteDatabase(tmp_path / "store.db")) as file:
        here = file.read(
            "SELECT t.name AS table_name, c.name AS column_name FROM sqlite_master t, pragma_table_info(t.name) c "
            "WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'"
        )
    both = [{(row["table_name"], row["column_name"]) for row in rows} for rows in (there, here)]
    assert both[0] == both[1]
    kinds = {(row["data_type"], row["collation_name"]) for row in there}
    assert kinds == {("text", "C"), ("bigint", None), ("double precision", None)}
