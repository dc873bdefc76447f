"""Listings: a query becomes a SELECT through SQLAlchemy Core and runs on the package's own connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, Select, case, func, literal_column, select
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


_MAY_LACK = ("key", "last_heartbeat_time")
"""Columns to sort by that may hold nothing, besides the times of runs."""


class Spans(NamedTuple):
    """``number`` spans of time one after another; ``start`` and ``width`` are microseconds."""

    start: int
    width: int
    number: int


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


def history(db: Database, resource: str, where: Mapping[str, Any], spans: Spans, now: int) -> list[Row]:
    """By span of time and state: how many runs were expected, and for how long they ran and were late, in all.

    A run that runs, or that is late to begin, does so until ``now`` (microseconds).
    """
    table = TABLES[resource]
    start, expected, began = spans.start, table.c.expected_start_time, table.c.start_time
    running = case((table.c.state_type == "RUNNING", now - table.c.state_timestamp), else_=0)
    waited = case((began.is_(None) & table.c.end_time.is_(None), now), else_=func.coalesce(began, expected)) - expected
    shown = (
        ((expected - start) // spans.width).label("span"), table.c.state_type, table.c.state_name,
        func.count().label("count_runs"), func.sum(table.c.total_run_time + running).label("run_time"),
        func.sum(case((waited > 0, waited), else_=0)).label("lateness"),
    )
    statement = select(*shown).where(
        expected >= start, expected < start + spans.number * spans.width, *conditions(resource, table, where)
    )
    return _run(db, statement.group_by("span", table.c.state_type, table.c.state_name))


def _order(resource: str, table: FromClause, sort: str) -> tuple[ColumnElement[Any], ...]:
    """The columns to sort by; rows without a value come last in either direction, whatever the database.

    What is long has no such rows, or an index on the very expression that puts them last.
    """
    name, _, direction = sort.lower().rpartition("_")
    column: ColumnElement[Any] = table.c["expected_start_time" if name == "next_scheduled_start_time" else name]
    if name == "start_time":
        column = func.coalesce(table.c.start_time, table.c.expected_start_time, table.c.end_time)
    elif name == "end_time":
        column = func.coalesce(column, literal_column("0"))
    ties = table.c["sequence" if "sequence" in table.c else "id"]
    ordered = (column.desc(), ties.desc()) if direction == "desc" else (column, ties)
    return (ordered[0].nulls_last(), ordered[1]) if name in _MAY_LACK else ordered


def _run(db: Database, statement: Select[Any]) -> list[Row]:
    compiled = statement.compile(dialect=_DIALECTS[db.dialect], compile_kwargs={"render_postcompile": True})
    return db.read(str(compiled), compiled.params)
