"""The migrations, and the columns that are read from them, are the same schema."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import Inspector

from orchestration.persistence.database import LATEST, migrations
from orchestration.persistence.documents import SPECS
from orchestration.persistence.sqlite import SqliteDatabase


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


@pytest.mark.parametrize("resource", sorted(SPECS))
def test_a_table_has_the_columns_that_the_migrations_give_it(resource: str, made: Inspector) -> None:
    there = {column["name"] for column in made.get_columns(SPECS[resource].table)}
    assert set(SPECS[resource].columns) == there


@pytest.mark.parametrize("resource", sorted(SPECS))
def test_what_rows_show_can_be_asked_for(resource: str, tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "store.db")
    names = ", ".join(SPECS[resource].names)
    assert database.read(f"SELECT {names} FROM ({SPECS[resource].source}) AS rows") == []  # noqa: S608 - our own text
    assert database.read(SPECS[resource].select) == []
    database.close()


def test_every_table_has_a_primary_key(made: Inspector) -> None:
    names = made.get_table_names()
    assert {spec.table for spec in SPECS.values()} <= set(names)
    assert [name for name in names if not made.get_pk_constraint(name)["constrained_columns"]] == []
