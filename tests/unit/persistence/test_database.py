"""Rows in slices of the sizes that statements are made for."""

from contextlib import closing
from pathlib import Path

from hypothesis import given, strategies as st

from orchestration.persistence.database import Database, chunks
from orchestration.persistence.sqlite import CHUNK_SIZES, SqliteDatabase
from tests.support.properties import quick


@quick
@given(st.integers(0, 350))
def test_chunks_hold_every_row_once_and_in_order(count: int) -> None:
    rows = [(number,) for number in range(count)]
    slices = [list(chunk) for chunk in chunks(rows, CHUNK_SIZES)]
    assert [row for chunk in slices for row in chunk] == rows
    assert {len(chunk) for chunk in slices} <= set(CHUNK_SIZES)
    assert len(slices) <= count // 100 + 18, "as few statements as the sizes allow"


def test_the_embedded_database_is_a_database(tmp_path: Path) -> None:
    with closing(SqliteDatabase(tmp_path / "x.db")) as database:
        assert isinstance(database, Database)
