"""The database of a server: transactions, turns by name, texts and forks."""

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from orchestration.domain.errors import StoreError
from orchestration.persistence.database import STANDS, Database
from orchestration.persistence.postgres import POOL_SIZE, PostgresDatabase, PostgresSession
from tests.support.backends import at_once
from tests.support.postgres import bare_database, new_database

INSERT = "INSERT INTO variable (id, name, value, created, updated)"


@pytest.fixture
def url() -> Iterator[str]:
    with new_database() as made:
        yield made


@pytest.fixture
def database(url: str) -> Iterator[PostgresDatabase]:
    with closing(PostgresDatabase(url)) as opened:
        yield opened


def _rows(count: int, start: int = 0) -> list[tuple[str, str, str, int, int]]:
    return [(f"id-{number}", f"name-{number}", "1", 0, 0) for number in range(start, start + count)]


def _insert(database: PostgresDatabase, count: int = 1, start: int = 0) -> None:
    with database.transaction() as tx:
        tx.insert_many(INSERT, _rows(count, start))


def _count(database: PostgresDatabase) -> int:
    count: int = database.read("SELECT COUNT(*) AS count FROM variable")[0]["count"]
    return count


# -- opening --------------------------------------------------------------------------------------


def test_a_server_is_a_database(database: PostgresDatabase) -> None:
    assert isinstance(database, Database)


def _open_and_write(url: str, number: int, start: Any) -> None:
    start.wait(60)
    with closing(PostgresDatabase(url)) as database:
        _insert(database, 1, start=number)


def test_servers_that_start_at_once_make_the_tables_once() -> None:
    """Each waits until all are there, so that they really meet."""
    context = multiprocessing.get_context("fork")
    start = context.Barrier(4)
    with bare_database() as url:
        servers = [context.Process(target=_open_and_write, args=(url, number, start)) for number in range(4)]
        for server in servers:
            server.start()
        for server in servers:
            server.join(60)
        assert [server.exitcode for server in servers] == [0] * 4
        with closing(PostgresDatabase(url)) as database:
            assert _count(database) == 4
            assert database.read("SELECT COUNT(*) = MAX(number) AS once FROM schema_version")[0]["once"]


# -- statements -----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 2_001])
def test_many_rows_go_in_order(database: PostgresDatabase, count: int) -> None:
    with database.transaction() as tx:
        tx.insert_many("INSERT INTO log (name, level, message, timestamp)", [("n", n, "m", 0) for n in range(count)])
    assert [row["level"] for row in database.read("SELECT level FROM log ORDER BY sequence")] == list(range(count))


def test_rows_that_conflict_follow_their_clause(database: PostgresDatabase) -> None:
    update = "ON CONFLICT (id) DO UPDATE SET value = variable.value || excluded.value"
    with database.transaction() as tx:
        tx.insert_many(INSERT, _rows(2))
        tx.insert_many(INSERT, _rows(3), "ON CONFLICT DO NOTHING")
        tx.insert_many(INSERT, _rows(4), update)
    assert [row["value"] for row in database.read("SELECT value FROM variable ORDER BY id")] == ["11", "11", "11", "1"]


def test_what_only_looks_like_a_parameter_is_none(database: PostgresDatabase) -> None:
    sql = """SELECT ':name' AS literal, '%' AS percent, 'it''s :name' AS quoted, :name::text AS cast, 7 % 4 AS rest,
        :name || :name AS twice"""
    (row,) = database.read(sql, {"name": "x", "unused": 1})
    assert row == {
        "literal": ":name", "percent": "%", "quoted": "it's :name", "cast": "x", "rest": 3, "twice": "xx"
    }  # fmt: skip


def test_sums_are_plain_numbers(database: PostgresDatabase) -> None:
    _insert(database, 3)
    (row,) = database.read("SELECT SUM(created + 1) AS sum, COUNT(*) AS count FROM variable")
    assert (row["sum"], type(row["sum"]), row["count"]) == (3, float, 3)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        *((text, text) for text in ("", "'; DROP TABLE flow; --", "🚕", "\\u0000", "\\ud800", "%s", "x" * 1_000_000)),
        ("a\0b", "a\\x00b"), ("caf\udce9", "caf\\udce9"), ("\0🚕\ud800", "\\x00🚕\\ud800"),
    ],
)  # fmt: skip
def test_any_text_comes_back_and_what_cannot_be_held_is_written_out(
    database: PostgresDatabase, text: str, kept: str
) -> None:
    with database.transaction() as tx:
        tx.insert_many(INSERT, [("1", "bulk", text, 0, 0)])
        tx.execute(f"{INSERT} VALUES ('2', 'single', :text, 0, 0)", {"text": text})
    found = database.read("SELECT value FROM variable WHERE value = :text ORDER BY id", {"text": text})
    assert [row["value"] for row in found] == [kept] * 2


# -- transactions ---------------------------------------------------------------------------------


def test_a_transaction_is_written_whole_or_not_at_all(database: PostgresDatabase) -> None:
    with pytest.raises(ZeroDivisionError), database.transaction() as tx:
        tx.insert_many(INSERT, _rows(150))
        raise ZeroDivisionError
    with pytest.raises(StoreError, match="duplicate key"), database.transaction() as tx:
        tx.insert_many(INSERT, [*_rows(150), _rows(1)[0]])
    assert _count(database) == 0
    _insert(database, 2)
    assert _count(database) == 2


def test_rows_that_are_returned_are_all_there(database: PostgresDatabase) -> None:
    _insert(database, 5)
    with database.transaction() as tx:
        assert len(tx.execute("DELETE FROM variable RETURNING id")) == 5
        assert tx.execute("SELECT 1 AS one WHERE false") == []
        assert tx.execute("UPDATE variable SET value = '2'") == []


def test_a_statement_that_failed_unseen_does_not_let_the_rest_pass_for_written(database: PostgresDatabase) -> None:
    with pytest.raises(StoreError, match="Nothing of what was being written is stored"), database.transaction() as tx:
        tx.insert_many(INSERT, _rows(1))
        with pytest.raises(StoreError):
            tx.execute("SELECT nothing")
    assert _count(database) == 0


def test_a_guarded_update_is_done_once(url: str) -> None:
    servers = [PostgresDatabase(url) for _ in range(2)]
    _insert(servers[0])

    def take(number: int) -> int:
        with servers[number % 2].transaction() as tx:
            return len(tx.execute("UPDATE variable SET value = '2' WHERE value = '1' RETURNING id"))

    assert sorted(map(str, at_once([partial(take, number) for number in range(8)]))) == ["0"] * 7 + ["1"]
    for server in servers:
        server.close()


def test_what_is_read_under_a_name_can_be_written_back(url: str) -> None:
    """Without the turn, of the 8 x 5 additions a few would be left."""
    servers = [PostgresDatabase(url) for _ in range(2)]
    _insert(servers[0])

    def add(number: int) -> None:
        for _ in range(5):
            with servers[number % 2].transaction() as tx:
                tx.lock("sum")
                value = int(tx.execute("SELECT value FROM variable")[0]["value"])
                tx.execute("UPDATE variable SET value = :value", {"value": str(value + 1)})

    assert at_once([partial(add, number) for number in range(8)]) == [None] * 8
    assert servers[0].read("SELECT value FROM variable")[0]["value"] == "41"
    for server in servers:
        server.close()


def test_turns_that_are_named_in_any_order_do_not_wait_for_each_other_for_ever(database: PostgresDatabase) -> None:
    def hold(number: int) -> None:
        names = ["a", "b", "c"] if number % 2 else ["c", "b", "a", "c"]
        for _ in range(20):
            with database.transaction() as tx:
                tx.lock(*names)
                tx.lock()

    assert at_once([partial(hold, number) for number in range(6)]) == [None] * 6


def test_the_connections_of_a_process_are_few(database: PostgresDatabase) -> None:
    everybody = threading.Barrier(POOL_SIZE)

    def write(number: int) -> None:
        with database.transaction() as tx:
            if number < POOL_SIZE:
                everybody.wait(30)
            tx.insert_many(INSERT, _rows(1, number))

    assert at_once([partial(write, number) for number in range(3 * POOL_SIZE)]) == [None] * (3 * POOL_SIZE)
    mine = "SELECT COUNT(*) AS count FROM pg_stat_activity WHERE datname = current_database()"
    assert database.read(mine)[0]["count"] == POOL_SIZE


@pytest.mark.parametrize(("when", "count", "notes"), [("before", 0, None), ("after", 1, [STANDS])])
def test_an_interruption_tells_whether_what_was_written_stands(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch, when: str, count: int, notes: list[str] | None
) -> None:
    """A signal that comes during a commit is seen when the commit is done."""
    commit = PostgresSession.commit

    def interrupted(session: PostgresSession) -> None:
        if when == "after":
            commit(session)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(PostgresSession, "commit", interrupted)
        with pytest.raises(KeyboardInterrupt) as seen:
            _insert(database)
    assert getattr(seen.value, "__notes__", None) == notes
    assert _count(database) == count
    _insert(database, 1, start=1)
    assert _count(database) == count + 1


# -- forks ----------------------------------------------------------------------------------------


def test_a_forked_child_goes_on_with_connections_of_its_own(database: PostgresDatabase) -> None:
    """Also when the fork finds another thread in the midst of a transaction: both processes end theirs."""
    inside, forked = threading.Event(), threading.Event()

    def write() -> None:
        with database.transaction() as tx:
            tx.insert_many(INSERT, _rows(1))
            inside.set()
            assert forked.wait(20)

    writer = threading.Thread(target=write)
    writer.start()
    assert inside.wait(20)
    child = multiprocessing.get_context("fork").Process(target=_insert, args=(database, 1, 1))
    child.start()
    child.join(20)
    forked.set()
    _insert(database, 1, start=2)
    writer.join(20)
    child.kill()
    assert child.exitcode == 0
    assert _count(database) == 3
