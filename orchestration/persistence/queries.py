"""Listings: a query becomes a SELECT through SQLAlchemy Core and runs on the package's own connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect

from orchestration.domain.schemas.filters import SORTS, Query
from orchestration.persistence.columns import JOINED, to_row
from orchestration.persistence.conditions import conditions
from orchestration.persistence.database import NO_PARAMS, Database, Row
from orchestration.persistence.tables import TABLES

_DIALECTS: dict[str, Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="named"),
    "postgresql": postgresql.dialect(paramstyle="named"),  # type: ignore[no-untyped-call]
}

def rows(db: Database, resource: str, query: Query, keys: Mapping[str, Any] = NO_PARAMS) -> list[Row]:
    """The rows of a page, of those with these ``keys``; what they show of other rows is named ``<name>_<field>``."""
    table = TABLES[resource]
    joined: dict[str, FromClause] = {}
    source: FromClause = table
    shown: list[ColumnElement[Any]] = []
    for name, other, tie, fields in JOINED.get(resource, ()):
        there = joined[name] = TABLES[other].alias(name)
        via, _, column = tie.rpartition(".")
        source = source.outerjoin(there, there.c.id == (joined[via] if via else table).c[column])
        shown += [there.c[field].label(f"{name}_{field}") for field in fields]
    equal = [table.c[name] == value for name, value in to_row(resource, keys).items()]
    statement = select(table, *shown).select_from(source).where(*equal, *conditions(resource, table, query.where))
    order = _order(resource, table, query.sort or SORTS[resource][0])
    return _run(db, statement.order_by(*order).limit(query.limit).offset(query.offset))


def count(db: Database, resource: str, where: Mapping[str, Any]) -> int:
    """How many rows the filters let through."""
    table = TABLES[resource]
    statement = select(func.count().label("number")).select_from(table).where(*conditions(resource, table, where))
    return int(_run(db, statement)[0]["number"])


def _order(resource: str, table: FromClause, sort: str) -> tuple[ColumnElement[Any], ...]:
    name, _, direction = sort.lower().rpartition("_")
    column: ColumnElement[Any] = table.c["expected_start_time" if name == "next_scheduled_start_time" else name]
    if name == "start_time":
        column = func.coalesce(table.c.start_time, table.c.expected_start_time, table.c.end_time)
    ties = table.c["sequence" if resource == "logs" else "id"]
    return (column.desc(), ties.desc()) if direction == "desc" else (column, ties)


def _run(db: Database, statement: Select[Any]) -> list[Row]:
    compiled = statement.compile(dialect=_DIALECTS[db.dialect], compile_kwargs={"render_postcompile": True})
    return db.read(str(compiled), compiled.params)
