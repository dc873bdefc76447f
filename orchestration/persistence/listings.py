"""Listings: a query becomes a SELECT through SQLAlchemy Core and runs on the package's own connection."""

from __future__ import annotations

import operator
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

from orchestration.domain.schemas.filters import GRAMMAR, SORTS, Field, Fields, Query
from orchestration.persistence.database import STATEMENTS, Database, Row
from orchestration.persistence.documents import SPECS, encode, micros_of

Column = sa.ColumnElement[Any]
Operation = Callable[[Column, Any], Column]
Tie = Callable[[Column, Column, Column], Column]

# Standard SQL: what is asked here, SQLite and PostgreSQL understand in the same words.
_DIALECT = DefaultDialect(paramstyle="named")
_ENDS = {**{f"{spec.table}_id": resource for resource, spec in SPECS.items()}, "latest_id": "artifacts"}
_LINKS = {(here, _ENDS[name]): (name, "id") for here, spec in SPECS.items() for name in spec.columns if name in _ENDS}
# Which columns tie the rows of two resources, told by their names; any other pair is tied by the shortest way.
_TIES = {**_LINKS, **{(there, here): (column, own) for (here, there), (own, column) in _LINKS.items()}}


def rows(db: Database, resource: str, query: Query) -> list[Row]:
    """The rows of a page, with what they show of other rows.

    The page is chosen by its keys alone, so that sorting moves no whole rows.
    """
    table, found, spec, sort = _table(resource), _table(resource), SPECS[resource], query.sort or SORTS[resource][0]
    key = "id" if "id" in spec.columns else next(iter(spec.columns))
    page = sa.select(found.c[key]).where(*_conditions(resource, found, query.where)).order_by(*_order(found, sort))
    chosen = page.limit(query.limit).offset(query.offset)
    statement = sa.select(*(table.c[name] for name in spec.shown)).where(table.c[key].in_(chosen))
    return db.read(*_compiled(statement.order_by(*_order(table, sort))))


def count(db: Database, resource: str, where: Mapping[str, Any]) -> int:
    """How many rows the filters let through."""
    table = _table(resource)
    statement = sa.select(sa.func.count().label("number")).select_from(table)
    return int(db.read(*_compiled(statement.where(*_conditions(resource, table, where, _among))))[0]["number"])


def history(db: Database, resource: str, where: Mapping[str, Any], spans: Mapping[str, int]) -> list[Row]:
    """By span of time and state: how many runs were expected, and for how long they ran and were late, in all.

    ``spans`` are a ``number`` of spans one after another: their ``start``, their ``width``, and ``now`` (microseconds).
    """
    table = _table(resource)
    columns = (table.c[name] for name in SPECS[resource].columns)
    runs, params = _compiled(sa.select(*columns).where(*_conditions(resource, table, where)))
    return db.read(STATEMENTS["history"].replace("{runs}", runs), {**params, **spans})


def _table(resource: str) -> sa.Subquery:
    """What can be asked of a resource's rows, as a table of its own in each statement."""
    spec = SPECS[resource]
    return sa.text(spec.source).columns(*map(sa.column, spec.names)).subquery()


def _compiled(statement: sa.Select[Any]) -> tuple[str, Mapping[str, Any]]:
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return str(compiled), compiled.params


def _order(table: sa.Subquery, sort: str) -> list[Column]:
    """The columns to sort by, the last of them one that no two rows share."""
    name, _, direction = sort.lower().rpartition("_")
    keys = (_column(table, "by", name), table.c["sequence" if "sequence" in table.c else "id"])
    return [key.desc() if direction == "desc" else key for key in keys]


def _column(table: sa.Subquery, purpose: str, name: str) -> Column:
    """The column of that name, or the one that stands for it when rows are sorted or filtered."""
    special = f"{purpose}_{name}"
    return table.c[special if special in table.c else name]


def _has_one(column: Column, theirs: Column, wanted: Column) -> Column:
    """Whether a row has one over there that is as wanted: quick to say of the few rows of a page, one by one."""
    return sa.exists().where(theirs == column, wanted)


def _among(column: Column, theirs: Column, wanted: Column) -> Column:
    """The same for all rows at once: quick when they are counted."""
    return column.in_(sa.select(theirs).where(wanted))


def _conditions(resource: str, table: sa.Subquery, where: Mapping[str, Any], tie: Tie = _has_one) -> Iterator[Column]:
    """What rows of ``table`` must fulfil so that every filter of ``where`` lets them through."""
    for other, wanted in where.items():
        if wanted and set(wanted) - {"operator"}:
            yield _tied(_way(resource, other), table, wanted, tie)


def _way(start: str, end: str) -> list[str]:
    """The resources on the shortest way from one to another, both included."""
    ways = deque([[start]])
    while ways:
        way = ways.popleft()
        if way[-1] == end:
            return way
        ways.extend([*way, there] for here, there in _TIES if here == way[-1] and there not in way)
    raise LookupError(f"{start} and {end} have nothing to do with one another")


def _tied(way: list[str], table: sa.Subquery, wanted: Mapping[str, Any], tie: Tie) -> Column:
    """Whether, at the end of the way, there is a row that the filter lets through."""
    if len(way) == 1:
        return _fulfils(table, GRAMMAR[way[0]], wanted)
    own, theirs = _TIES[way[0], way[1]]
    there = _table(way[1])
    return tie(table.c[own], there.c[theirs], _tied(way[1:], there, wanted, tie))


def _fulfils(table: sa.Subquery, grammar: Fields | Field, wanted: Mapping[str, Any], name: str = "") -> Column:
    """Whether a row is as wanted; ``name`` is the column that a ``Field`` is about, or how such names begin."""
    parts = []
    for key, value in wanted.items():
        if value is None:
            continue
        if isinstance(grammar, Field):
            if key in grammar.operators and grammar.kind != "derived":
                operation = _OPERATIONS.get(f"{grammar.kind} {key}") or _OPERATIONS[key]
                parts.append(operation(_column(table, "if", name), _as_stored(grammar.kind, value)))
        elif key in grammar:
            parts.append(_fulfils(table, grammar[key], value, f"{name}_{key}" if name else key))
    return sa.or_(*parts) if parts and wanted.get("operator") == "or_" else sa.and_(sa.true(), *parts)


def _as_stored(kind: str, value: Any) -> Any:
    """A value of a filter as the column has it."""
    if isinstance(value, list):
        return [_as_stored(kind, each) for each in value]
    if isinstance(value, bool):
        return int(value)
    if kind == "time":
        return micros_of(value)
    return value if kind == "number" else str(value)


def _lacks(column: Column, wanted: Any) -> Column:
    return column.is_(None) if wanted else column.is_not(None)


def _begins(column: Column, beginnings: Iterable[str]) -> Column:
    return sa.or_(*(column.startswith(each, autoescape=True) for each in beginnings))


def _with_json(column: Column, texts: Iterable[str]) -> list[Column]:
    """Whether the JSON of a column has each of the texts, such as a tag, or a name with its value."""
    return [column.contains(text, autoescape=True) for text in texts]


def _mentions(column: Column, query: str) -> Column:
    """Words and "quoted phrases" of which one is enough; with ``-`` or ``!`` none may be there, with ``+`` all must."""
    found = re.findall(r'([-+!]?)(?:"([^"]+)"|(\S+))', query)
    told = [(sign, column.icontains(phrase or word, autoescape=True)) for sign, phrase, word in found]
    some = [each for sign, each in told if not sign]
    musts = [each if sign == "+" else sa.not_(each) for sign, each in told if sign]
    return sa.and_(sa.true(), *musts, *([sa.or_(*some)] if some else []))


# By operator, or by kind and operator where a kind has its own.
_OPERATIONS: Mapping[str, Operation] = {
    "any_": lambda column, wanted: column.in_(wanted),
    "not_any_": lambda column, wanted: sa.or_(column.is_(None), column.not_in(wanted)),
    "like_": lambda column, wanted: column.icontains(wanted, autoescape=True),
    "startswith_": _begins,
    "not_startswith_": lambda column, wanted: sa.not_(_begins(column, wanted)),
    "is_null_": _lacks,
    "exists_": lambda column, wanted: _lacks(column, not wanted),
    "eq_": operator.eq, "before_": operator.le, "after_": operator.ge, "le_": operator.le, "ge_": operator.ge,
    "query": _mentions,
    "id_": lambda column, ids: sa.or_(*_with_json(column, [f'"id":{encode(each)}' for each in ids])),
    "type_": lambda column, types: sa.or_(*_with_json(column, [f'"type":{encode(each)}' for each in types])),
    "tags all_": lambda column, tags: sa.and_(sa.true(), *_with_json(column, map(encode, tags))),
    "tags any_": lambda column, tags: sa.or_(*_with_json(column, map(encode, tags))),
    "tags is_null_": lambda column, wanted: _lacks(sa.func.nullif(column, "[]"), wanted),
}  # fmt: skip
