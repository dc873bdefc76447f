"""What a database cannot hold is written out."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestration.persistence.database import Database, storable
from orchestration.persistence.sqlite import SqliteDatabase


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("caf\udce9", "caf\\udce9"), ("a\0b", "a-b"), ("ü", "ü"), (1, 1), (None, None),
        ({"name": "\ud800", "level": 20}, {"name": "\\ud800", "level": 20}),
        ([("\ud800", 1), {"a": "\0"}], [["\\ud800", 1], {"a": "-"}]),
    ],
)  # fmt: skip
def test_what_utf_8_cannot_hold_is_written_out_wherever_it_stands(given: Any, kept: Any) -> None:
    assert storable(given, nul="-") == kept


def test_the_embedded_database_is_a_database(tmp_path: Path) -> None:
    with closing(SqliteDatabase(tmp_path / "x.db")) as database:
        assert isinstance(database, Database)
