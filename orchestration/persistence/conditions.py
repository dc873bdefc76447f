"""From a filter document to the conditions of a SELECT."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, exists, func, not_, or_, select, true

from orchestration.domain.schemas.filters import GRAMMAR, Field, Fields
from orchestration.persistence.columns import SPECS, micros_of
from orchestration.persistence.tables import TABLES
from orchestration.persistence.values import encode

Column = ColumnElement[Any]
Condition = ColumnElement[bool]
Operation = Callable[[Column, Any], Condition]

_NAMES = {**{f"{spec.table}_id": resource for resource, spec in SPECS.items()}, "latest_id": "artifacts"}
LINKS: Mapping[tuple[str, str], tuple[str, str]] = {
    (here, _NAMES[column]): (column, "id")
    for here, spec in SPECS.items()
    for column in spec.columns
    if column in _NAMES
}
"""Which columns tie the rows of two resources, told by their names; any other pair is tied by the shortest way."""

_TIES = {**LINKS, **{(there, here): (column, own) for (here, there), (own, column) in LINKS.items()}}


def conditions(resource: str, table: FromClause, where: Mapping[str, Any]) -> Iterator[Condition]:
    """What rows of ``table`` must fulfil so that every filter of ``where`` lets them through."""
    for other, document in where.items():
        narrowing = document and set(document) - {"operator"}
        if narrowing and other == resource:
            yield _fulfils(other, table, document)
        elif narrowing:
            yield _tied(_way(resource, other), table, document)


def _way(start: str, end: str) -> list[str]:
    """The resources on the shortest way from one to another, both included."""
    ways = deque([[start]])
    while ways:
        way = ways.popleft()
        if way[-1] == end:
            return way
        ways.extend([*way, there] for here, there in _TIES if here == way[-1] and there not in way)
    raise LookupError(f"{start} and {end} have nothing to do with one another")


def _tied(way: list[str], table: FromClause, document: Mapping[str, Any]) -> Condition:
    """Whether, at the end of the way, there is a row that the filter lets through."""
    if len(way) == 1:
        return _fulfils(way[0], table, document)
    own, column = _TIES[way[0], way[1]]
    there = TABLES[way[1]].alias()
    return exists().where(there.c[column] == table.c[own], _tied(way[1:], there, document))


def _fulfils(resource: str, table: FromClause, document: Mapping[str, Any]) -> Condition:
    return _joined(document, _each(resource, table, GRAMMAR[resource], document))


def _joined(document: Mapping[str, Any], parts: Iterator[Condition]) -> Condition:
    given = list(parts)
    return or_(*given) if document.get("operator") == "or_" and given else and_(true(), *given)


def _each(
    resource: str, table: FromClause, grammar: Fields, document: Mapping[str, Any], prefix: str = ""
) -> Iterator[Condition]:
    for name, wanted in document.items():
        field = grammar.get(name)
        if wanted is None or field is None or (isinstance(field, Field) and field.kind == "derived"):
            continue
        if isinstance(field, Field):
            yield _joined(wanted, _operations(_column(resource, table, prefix + name), field, wanted))
        else:
            yield _joined(wanted, _each(resource, table, field, wanted, f"{name}_"))


def _operations(column: Column, field: Field, wanted: Mapping[str, Any]) -> Iterator[Condition]:
    for name, value in wanted.items():
        if name in field.operators and value is not None:
            operation = _OF_TAGS.get(name) if field.kind == "tags" else None
            yield (operation or _OPERATIONS[name])(column, _as_stored(field.kind, value))


def _as_stored(kind: str, value: Any) -> Any:
    """A value of a filter as the column has it."""
    if isinstance(value, list):
        return [_as_stored(kind, each) for each in value]
    if isinstance(value, bool):
        return value
    if kind == "time":
        return micros_of(value)
    return value if kind == "number" else str(value)


def _column(resource: str, table: FromClause, name: str) -> Column:
    """The column, or what stands for one, that a field of a filter is about."""
    expression = _EXPRESSIONS.get((resource, name))
    return expression(table) if expression else table.c[name]


def _of(resource: str, column: str, tie: str, own: str = "id") -> Callable[[FromClause], Column]:
    """A column of the row of another resource whose ``tie`` is this row's ``own``."""

    def expression(table: FromClause) -> Column:
        there = TABLES[resource].alias()
        return select(func.min(there.c[column])).where(there.c[tie] == table.c[own]).scalar_subquery()

    return expression


def _flow_or_deployment_name(table: FromClause) -> Column:
    return table.c.name + "/" + func.coalesce(_of("flows", "name", "id", "flow_id")(table), "")


_EXPRESSIONS: Mapping[tuple[str, str], Callable[[FromClause], Column]] = {
    ("flow_runs", "next_scheduled_start_time"): lambda table: case(
        (table.c.state_type == "SCHEDULED", table.c.expected_start_time)
    ),
    ("flow_runs", "work_queue_name"): _of("work_queues", "name", "id", "work_queue_id"),
    ("flow_runs", "parent_flow_run_id"): _of("task_runs", "flow_run_id", "id", "parent_task_run_id"),
    ("deployments", "work_queue_name"): _of("work_queues", "name", "id", "work_queue_id"),
    ("deployments", "flow_or_deployment_name"): _flow_or_deployment_name,
    ("flows", "deployment"): _of("deployments", "id", "flow_id"),
    ("task_runs", "subflow_runs"): _of("flow_runs", "id", "parent_task_run_id"),
    ("logs", "text"): lambda table: table.c.message,
    ("block_schemas", "block_capabilities"): lambda table: table.c.capabilities,
    **{
        ("artifact_collections", name): _of("artifacts", name, "id", "latest_id")
        for name in ("flow_run_id", "task_run_id", "type")
    },
}
"""Fields that have no column of their own."""


def _has_tag(column: Column, tag: str) -> Condition:
    return column.contains(encode(tag), autoescape=True)  # tags lie as a JSON list of strings


def _mentions(column: Column, query: str) -> Condition:
    """Words and "quoted phrases" of which one is enough; with ``-`` or ``!`` none may be there, with ``+`` all must."""
    given: dict[str, list[Condition]] = {"": [], "+": [], "-": [], "!": []}
    for sign, phrase, word in re.findall(r'([-+!]?)(?:"([^"]+)"|(\S+))', query):
        given[sign].append(column.icontains(phrase or word, autoescape=True))
    some = [or_(*given[""])] if given[""] else []
    return and_(true(), *some, *given["+"], *map(not_, [*given["-"], *given["!"]]))


def _within(name: str) -> Operation:
    """Whether a JSON document has one of the values under a name."""
    return lambda column, wanted: or_(*(column.contains(f'"{name}":{encode(one)}', autoescape=True) for one in wanted))


_OPERATIONS: Mapping[str, Operation] = {
    "any_": lambda column, wanted: column.in_(wanted),
    "not_any_": lambda column, wanted: or_(column.is_(None), column.not_in(wanted)),
    "like_": lambda column, wanted: column.icontains(wanted, autoescape=True),
    "startswith_": lambda column, wanted: or_(*(column.startswith(each, autoescape=True) for each in wanted)),
    "not_startswith_": lambda column, wanted: and_(
        true(), *(not_(column.startswith(each, autoescape=True)) for each in wanted)
    ),
    "is_null_": lambda column, wanted: column.is_(None) if wanted else column.is_not(None),
    "exists_": lambda column, wanted: column.is_not(None) if wanted else column.is_(None),
    "eq_": lambda column, wanted: column == int(wanted),
    "before_": lambda column, wanted: column <= wanted,
    "after_": lambda column, wanted: column >= wanted,
    "le_": lambda column, wanted: column <= wanted,
    "ge_": lambda column, wanted: column >= wanted,
    "id_": _within("id"),
    "type_": _within("type"),
    "query": _mentions,
}
_OF_TAGS: Mapping[str, Operation] = {
    "all_": lambda column, wanted: and_(true(), *(_has_tag(column, tag) for tag in wanted)),
    "any_": lambda column, wanted: or_(*(_has_tag(column, tag) for tag in wanted)),
    "is_null_": lambda column, wanted: or_(column.is_(None), column == "[]")
    if wanted
    else and_(column.is_not(None), column != "[]"),
}
