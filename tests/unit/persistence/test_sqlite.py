"""The embedded database: opening, bringing up to date, transactions, and a sentence for each thing that goes wrong."""

import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from orchestration.domain.errors import NewerSchemaError, StoreError
from orchestration.persistence import database as store
from orchestration.persistence.database import LATEST, NO_PARAMS, STANDS, migrations
from orchestration.persistence.sqlite import SqliteDatabase, SqliteSession

INSERT = "INSERT INTO variable (id, name, value, created, updated)"
COUNT = "SELECT COUNT(*) AS count FROM variable"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "orchestration.db"


@pytest.fixture
def database(path: Path) -> Iterator[SqliteDatabase]:
    with closing(SqliteDatabase(path)) as opened:
        yield opened


def _rows(count: int, start: int = 0) -> list[tuple[str, str, str, int, int]]:
    return [(f"id-{number}", f"name-{number}", "1", 0, 0) for number in range(start, start + count)]


def _insert(database: SqliteDatabase, count: int = 1, start: int = 0) -> None:
    with database.transaction() as tx:
        tx.insert_many(INSERT, _rows(count, start))


def _count(database: SqliteDatabase) -> int:
    count: int = database.read(COUNT)[0]["count"]
    return count


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _script(text: str, path: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", text, str(path)], capture_output=True, text=True, check=False, timeout=60
    )


# -- opening --------------------------------------------------------------------------------------


def test_opening_makes_the_folder_and_the_file_for_their_owner_only(path: Path) -> None:
    with closing(SqliteDatabase(path)) as database:
        _insert(database)
        assert _mode(path.parent) == 0o700
        modes = {file.name.removeprefix("orchestration.db"): oct(_mode(file)) for file in path.parent.iterdir()}
        assert modes == {"": "0o600", "-wal": "0o600", "-shm": "0o600", ".lock": "0o600"}
    assert {file.name for file in path.parent.iterdir()} == {"orchestration.db", "orchestration.db.lock"}


def test_a_file_that_is_open_elsewhere_can_be_read_meanwhile(path: Path, database: SqliteDatabase) -> None:
    _insert(database, 3)
    with closing(SqliteDatabase(path)) as other, database.transaction() as tx:
        tx.insert_many(INSERT, _rows(1, start=3))
        assert _count(other) == 3
    assert _count(database) == 4


@pytest.mark.parametrize(("setting", "level"), [("NORMAL", 1), ("FULL", 2)])
def test_the_write_ahead_log_is_on_and_synchronous_as_asked(path: Path, setting: str, level: int) -> None:
    with closing(SqliteDatabase(path, setting)) as database:
        assert database.read("PRAGMA journal_mode")[0]["journal_mode"] == "wal"
        assert database.read("PRAGMA synchronous")[0]["synchronous"] == level
        assert database.read("PRAGMA user_version")[0]["user_version"] == LATEST


def test_opening_again_changes_nothing(path: Path) -> None:
    with closing(SqliteDatabase(path)) as first:
        _insert(first, 2)
    before = path.read_bytes()
    SqliteDatabase(path).close()
    assert path.read_bytes() == before


def _open_together(path: Path, start: Barrier, answers: Path) -> None:
    start.wait(60)
    try:
        database = SqliteDatabase(path)
        with database.transaction() as tx:
            tx.insert_many(INSERT, [(str(os.getpid()), str(os.getpid()), "1", 0, 0)])
        database.close()
    except Exception as error:
        (answers / str(os.getpid())).write_text(str(error))


def test_many_processes_make_the_file_at_once(path: Path, tmp_path: Path) -> None:
    """Each waits until all are there, so that they really meet."""
    answers = tmp_path / "answers"
    answers.mkdir()
    context = multiprocessing.get_context("fork")
    start = context.Barrier(24)
    workers = [context.Process(target=_open_together, args=(path, start, answers)) for _ in range(start.parties)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert {worker.exitcode for worker in workers} == {0}
    assert [answer.read_text() for answer in answers.iterdir()] == []
    with closing(SqliteDatabase(path)) as database:
        assert _count(database) == len(workers)


# -- bringing up to date --------------------------------------------------------------------------


def test_a_newer_schema_is_refused_in_one_sentence(path: Path) -> None:
    SqliteDatabase(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(NewerSchemaError) as refused:
        SqliteDatabase(path)
    assert str(refused.value) == (
        f"The database {path} has schema 99, and this version knows {LATEST}; "
        "install the newer version of the package, or name another store by ORCHESTRATION_HOME or by "
        "ORCHESTRATION_DATABASE_URL."
    )
    assert path.read_bytes() == before


def test_the_file_is_copied_before_a_migration(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(SqliteDatabase(path)) as old:
        _insert(old, 3)
    steps = [*migrations(), (LATEST + 1, "ALTER TABLE variable ADD COLUMN note TEXT;")]
    monkeypatch.setattr(store, "LATEST", LATEST + 1)
    monkeypatch.setattr(store, "migrations", lambda: steps)
    with closing(SqliteDatabase(path)) as new:
        assert [row["note"] for row in new.read("SELECT note FROM variable")] == [None] * 3
    copy = path.with_name(f"orchestration.db.before-{LATEST + 1:04d}")
    assert _mode(copy) == 0o600
    with closing(sqlite3.connect(copy)) as kept:
        assert kept.execute("PRAGMA user_version").fetchone() == (LATEST,)
        assert kept.execute("SELECT COUNT(*) FROM variable").fetchone() == (3,)
        assert "note" not in [column[1] for column in kept.execute("PRAGMA table_info(variable)")]


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteDatabase(path).close()
    steps = [(LATEST + 1, "CREATE TABLE half (id TEXT PRIMARY KEY); CREATE TABLE flow (id TEXT);")]
    with monkeypatch.context() as patched:
        patched.setattr(store, "LATEST", LATEST + 1)
        patched.setattr(store, "migrations", lambda: steps)
        with pytest.raises(StoreError, match="table flow already exists"):
            SqliteDatabase(path)
    with closing(SqliteDatabase(path)) as database:
        assert database.read("SELECT name FROM sqlite_master WHERE name = 'half'") == []


# -- transactions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 99, 100, 101, 250])
def test_many_rows_go_in_few_statements(database: SqliteDatabase, count: int) -> None:
    _insert(database, count)
    assert [row["name"] for row in database.read("SELECT name FROM variable ORDER BY rowid")] == [
        row[1] for row in _rows(count)
    ]


def test_a_transaction_is_written_whole_or_not_at_all(database: SqliteDatabase) -> None:
    with pytest.raises(ZeroDivisionError), database.transaction() as tx:
        tx.insert_many(INSERT, _rows(150))
        raise ZeroDivisionError
    with pytest.raises(StoreError, match="UNIQUE constraint failed"), database.transaction() as tx:
        tx.insert_many(INSERT, [*_rows(150), _rows(1)[0]])
    assert _count(database) == 0
    _insert(database, 2)
    assert _count(database) == 2


def test_rows_that_are_returned_are_all_there(database: SqliteDatabase) -> None:
    _insert(database, 5)
    with database.transaction() as tx:
        assert len(tx.execute("DELETE FROM variable RETURNING id")) == 5
        assert tx.execute("SELECT 1 WHERE 0") == []


def test_writers_in_many_threads_take_turns(database: SqliteDatabase) -> None:
    writers = [threading.Thread(target=_insert, args=(database, 20, 20 * number)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert _count(database) == 160


def test_an_interrupted_wait_for_the_turn_leaves_the_turn_to_others(path: Path) -> None:
    """Ctrl-C while another process writes: the signal is seen when the turn has come, and must give it back."""
    text = """
import signal, sqlite3, sys, threading
from pathlib import Path
from orchestration.persistence.sqlite import SqliteDatabase
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
database = SqliteDatabase(Path(sys.argv[1]))
other = sqlite3.connect(sys.argv[1], isolation_level=None, check_same_thread=False)
other.execute("BEGIN IMMEDIATE")
def interrupt():
    signal.raise_signal(signal.SIGINT)
    other.execute("COMMIT")
threading.Timer(0.2, interrupt).start()
try:
    with database.transaction():
        print("entered")
except KeyboardInterrupt:
    print("interrupted")
other.execute("PRAGMA busy_timeout = 0")
other.execute("BEGIN IMMEDIATE")
other.execute("COMMIT")
with database.transaction() as tx:
    print(tx.execute("SELECT 'free' AS word")[0]["word"])
"""
    said = _script(text, path)
    assert (said.stdout.split(), said.stderr) == (["interrupted", "free"], "")


@pytest.mark.parametrize(("interrupted", "count", "notes"), [("BEGIN", 0, None), ("COMMIT", 1, [STANDS])])
def test_an_interruption_tells_whether_what_was_written_stands(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch, interrupted: str, count: int, notes: list[str] | None
) -> None:
    """A signal that comes during a statement is seen when the statement is done."""
    run = SqliteSession.execute

    def run_and_see_the_signal(session: SqliteSession, sql: str, params: Any = NO_PARAMS) -> Any:
        rows = run(session, sql, params)
        if sql.startswith(interrupted):
            raise KeyboardInterrupt
        return rows

    with monkeypatch.context() as patched:
        patched.setattr(SqliteSession, "execute", run_and_see_the_signal)
        with pytest.raises(KeyboardInterrupt) as seen:
            _insert(database)
    assert getattr(seen.value, "__notes__", None) == notes
    assert _count(database) == count
    _insert(database, 1, start=1)
    assert _count(database) == count + 1


def test_a_forked_child_goes_on_with_a_connection_of_its_own(database: SqliteDatabase) -> None:
    """Also when the fork finds another thread in the midst of a transaction: it waits for its end."""
    inside, forking = threading.Event(), threading.Event()
    os.register_at_fork(before=forking.set)  # runs before the database's own, which must wait

    def write() -> None:
        with database.transaction() as tx:
            inside.set()
            assert forking.wait(20)
            tx.insert_many(INSERT, _rows(1))

    writer = threading.Thread(target=write)
    writer.start()
    assert inside.wait(20)
    child = multiprocessing.get_context("fork").Process(target=_insert, args=(database, 1, 1))
    child.start()
    _insert(database, 1, start=2)
    writer.join(20)
    child.join(20)
    child.kill()
    assert child.exitcode == 0
    assert _count(database) == 3


def test_texts_that_utf_8_cannot_hold_are_written_out(database: SqliteDatabase) -> None:
    """File names that are no UTF-8 come with lone surrogates; one in a log line must not hold up its whole batch."""
    with database.transaction() as tx:
        tx.insert_many(INSERT, [*_rows(99), ("a", "caf\udce9", "1", 0, 0)])
        tx.execute("UPDATE variable SET value = :value WHERE name = :name", {"value": "\ud800", "name": "name-0"})
    names = [row["name"] for row in database.read("SELECT name FROM variable ORDER BY rowid")]
    assert names[98:] == ["name-98", "caf\\udce9"]
    assert database.read("SELECT value FROM variable WHERE name = 'name-0'")[0]["value"] == "\\ud800"


@pytest.mark.parametrize("text", ["", "\0", "a\0b", "'; DROP TABLE flow; --", "🚕", "x" * 1_000_000])
def test_any_other_text_comes_back(database: SqliteDatabase, text: str) -> None:
    with database.transaction() as tx:
        tx.insert_many(INSERT, [("1", text, text, 0, 0)])
    assert tuple(database.read("SELECT name, value FROM variable")[0]) == (text, text)


# -- what goes wrong ------------------------------------------------------------------------------


def test_a_full_disk_is_told_in_one_sentence(database: SqliteDatabase) -> None:
    _insert(database)
    pages = database.read("PRAGMA page_count")[0]["page_count"]
    database.read(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError) as full:
        _insert(database, 5_000, 1)
    assert str(full.value) == (
        "The disk of the orchestration database is full or failing (database or disk is full); "
        "free some space and run again."
    )
    assert _count(database) == 1


def test_a_file_that_may_not_grow_is_told_in_one_sentence(path: Path) -> None:
    """The system's own limit on the size of files stands for a disk without room."""
    text = """
import resource, sys
from pathlib import Path
from orchestration.domain.errors import StoreError
from orchestration.persistence.sqlite import SqliteDatabase
database = SqliteDatabase(Path(sys.argv[1]))
limit = max(file.stat().st_size for file in Path(sys.argv[1]).parent.iterdir()) + 20_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    with database.transaction() as tx:
        tx.insert_many("INSERT INTO log (name, level, message, timestamp)", [("n", 20, "x" * 1000, 0)] * 5000)
except StoreError as error:
    print(error)
print(database.read("SELECT COUNT(*) AS count FROM log")[0]["count"])
"""
    said = _script(text, path)
    assert said.stderr == ""
    sentence, count = said.stdout.splitlines()
    assert sentence.startswith("The disk of the orchestration database is full or failing (")
    assert sentence.endswith("); free some space and run again.")
    assert count == "0"
