"""The migrations, and the tables that SQLAlchemy is told of, are the same schema."""

from pathlib import Path

import pytest
from sqlalchemy import BigInteger, Float, Integer, Text, create_engine, inspect
from sqlalchemy.engine import Inspector

from orchestration.persistence import tables
from orchestration.persistence.migrations import LATEST, migrations
from orchestration.persistence.sqlite import SqliteDatabase

KINDS = {Text: {"TEXT"}, BigInteger: {"BIGINT", "INTEGER"}, Integer: {"INTEGER"}, Float: {"DOUBLE_PRECISION", "REAL"}}
"""What a column of each kind is called by the migrations."""


@pytest.fixture
def made(tmp_path: Path) -> Inspector:
    """The schema that the migrations make."""
    SqliteDatabase(tmp_path / "made.db").close()
    return inspect(create_engine(f"sqlite:///{tmp_path}/made.db"))


def test_the_migrations_are_numbered_from_one_without_gaps() -> None:
    assert [number for number, _ in migrations()] == list(range(1, LATEST + 1))


def test_a_migration_leaves_transactions_and_versions_to_the_caller() -> None:
    words = ("BEGIN", "COMMIT", "PRAGMA", "ROLLBACK")
    assert [(number, word) for number, sql in migrations() for word in words if word in sql.upper()] == []


@pytest.mark.parametrize("name", sorted(tables.METADATA.tables))
def test_a_table_has_the_columns_that_the_migrations_give_it(name: str, made: Inspector) -> None:
    there = {column["name"]: str(column["type"]).replace(" ", "_") for column in made.get_columns(name)}
    told = {column.name: KINDS[type(column.type)] for column in tables.METADATA.tables[name].columns}
    assert set(told) == set(there)
    assert {column: kind for column, kind in there.items() if kind not in told[column]} == {}


def test_every_table_has_a_primary_key(made: Inspector) -> None:
    names = made.get_table_names()
    assert set(tables.METADATA.tables) <= set(names)
    assert [name for name in names if not made.get_pk_constraint(name)["constrained_columns"]] == []
