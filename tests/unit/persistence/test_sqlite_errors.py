"""The embedded database: a sentence for each right, file and statement that is not as it must be."""

import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from orchestration.domain.errors import StoreError
from orchestration.persistence.sqlite import SqliteDatabase

COUNT = "SELECT COUNT(*) AS count FROM variable"
NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "orchestration.db"


@pytest.fixture
def database(path: Path) -> Iterator[SqliteDatabase]:
    with closing(SqliteDatabase(path)) as opened:
        yield opened


def _open_as_somebody_else(path: Path, answer: Connection) -> None:
    if os.getuid() == 0:  # root may do anything, so somebody without rights asks
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        with SqliteDatabase(path).transaction() as tx:
            tx.execute("DELETE FROM log")
        answer.send("written")
    except StoreError as error:
        answer.send(str(error))


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "advice"),
    [
        (0o555, None, "cannot be opened (unable to open database file); set ORCHESTRATION_HOME to a folder that you"),
        (0o555, 0o444, "cannot be opened (attempt to write a readonly database); set ORCHESTRATION_HOME to a folder"),
        (0o777, 0o444, "cannot be written (attempt to write a readonly database); check the rights on ORCHESTRATION_"),
    ],
)
def test_a_missing_right_is_told_in_one_sentence(folder_mode: int, file_mode: int | None, advice: str) -> None:
    context = multiprocessing.get_context("fork")
    answer, question = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:  # not below pytest's own, which nobody else may enter
        path = Path(folder) / "orchestration.db"
        if file_mode is not None:
            SqliteDatabase(path).close()
            path.chmod(file_mode)
        Path(folder).chmod(folder_mode)
        asker = context.Process(target=_open_as_somebody_else, args=(path, question))
        asker.start()
        asker.join(60)
        Path(folder).chmod(0o700)
    assert advice in answer.recv()


@pytest.mark.parametrize("content", [b"not a database at all" * 100, None])
def test_what_is_no_database_is_told_in_one_sentence(path: Path, content: bytes | None) -> None:
    path.parent.mkdir()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    reason = "unable to open database file" if content is None else "file is not a database"
    with pytest.raises(StoreError) as refused:
        SqliteDatabase(path)
    assert str(refused.value) == (
        f"The orchestration database {path} cannot be opened ({reason}); "
        "set ORCHESTRATION_HOME to a folder that you may write to."
    )


def test_a_home_that_cannot_be_made_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="set ORCHESTRATION_HOME to a folder that you may write to"):
        SqliteDatabase(tmp_path / "file" / "home" / "orchestration.db")


@pytest.mark.parametrize("statement", ["SELECT nothing FROM nowhere", "SELEC 1"])
def test_a_wrong_statement_is_told_in_one_sentence(database: SqliteDatabase, statement: str) -> None:
    with pytest.raises(StoreError, match="The orchestration database refused a statement: "):
        database.read(statement)


def test_a_closed_database_says_so(path: Path) -> None:
    database = SqliteDatabase(path)
    database.close()
    database.close()
    with pytest.raises(StoreError, match="The orchestration database was closed"):
        database.read(COUNT)
    with pytest.raises(StoreError, match="The orchestration database was closed"), database.transaction():
        pass
