"""Listings: one statement for each filter, in words that each database understands."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import pytest

from orchestration.domain.schemas.filters import GRAMMAR, SORTS, Field, Fields, Query
from orchestration.persistence import listings
from orchestration.persistence.database import NO_PARAMS, Row
from orchestration.persistence.documents import SPECS

VALUES: Mapping[str, Any] = {
    "id": str(UUID(int=7)), "text": "disk_full%", "words": "disk_full%", "number": 30, "flag": True, "json": "AUTO",
    "time": "2024-05-17T08:30:00Z", "state": "FAILED", "tags": "monthly",
}  # fmt: skip
LISTS = ("any_", "not_any_", "all_", "startswith_", "id_", "type_")


def _value(field: Field, operator: str) -> Any:
    if operator in ("is_null_", "exists_", "eq_"):
        return True
    return [VALUES[field.kind]] if operator in LISTS else VALUES[field.kind]


def _filters(fields: Fields) -> Iterator[dict[str, Any]]:
    """Every operator of every field, alone."""
    for name, field in fields.items():
        if isinstance(field, Field) and field.kind == "derived":
            continue
        if isinstance(field, Field):
            yield from ({name: {operator: _value(field, operator)}} for operator in field.operators)
        else:
            yield from ({name: inner} for inner in _filters(field))


FILTERS = [(resource, wanted) for resource, fields in GRAMMAR.items() for wanted in _filters(fields)]


class Asked:
    """A database that has no rows, and remembers what it was asked."""

    def __init__(self) -> None:
        self.sql = ""
        self.params: Mapping[str, Any] = {}

    def read(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> list[Row]:
        self.sql, self.params = sql, params
        return []


def _asked(resource: str, where: Mapping[str, Any], sort: str | None = None) -> Asked:
    database = Asked()
    query = Query(where, sort, limit=20, offset=40)
    assert listings.rows(database, resource, query) == []  # type: ignore[arg-type]
    return database


@pytest.mark.parametrize(("resource", "wanted"), FILTERS)
def test_a_filter_narrows_with_its_values_as_parameters(resource: str, wanted: dict[str, Any]) -> None:
    """Values never stand in the statement itself."""
    asked = _asked(resource, {resource: wanted})
    plain = _asked(resource, {})
    assert len(asked.sql) > len(plain.sql)
    assert not any(value in asked.sql for value in VALUES.values() if isinstance(value, str) and value != "FAILED")


@pytest.mark.parametrize(("resource", "other"), [("flow_runs", each) for each in ("flows", "task_runs", "work_pools")])
def test_a_filter_of_another_resource_looks_for_its_rows(resource: str, other: str) -> None:
    asked = _asked(resource, {other: {"name": {"any_": ["fit"]}}})
    assert "EXISTS" in asked.sql
    assert SPECS[other].source in asked.sql
    assert _asked(resource, {other: {"operator": "and_"}}).sql == _asked(resource, {}).sql


def test_resources_that_have_nothing_to_do_with_one_another_are_refused() -> None:
    with pytest.raises(LookupError, match="variables and flows"):
        _asked("variables", {"flows": {"name": {"any_": ["fit"]}}})


def test_any_condition_is_enough_where_that_is_asked_for() -> None:
    where = {"flow_runs": {"operator": "or_", "name": {"any_": ["a"]}, "flow_version": {"any_": ["b"]}}}
    assert " OR " in _asked("flow_runs", where).sql
    assert " OR " not in _asked("flow_runs", {"flow_runs": {**where["flow_runs"], "operator": "and_"}}).sql


@pytest.mark.parametrize(("resource", "sort"), [(resource, sort) for resource in SORTS for sort in SORTS[resource]])
def test_a_listing_is_one_page_in_a_fixed_order(resource: str, sort: str) -> None:
    asked = _asked(resource, {}, sort)
    assert "ORDER BY" in asked.sql
    assert sorted(asked.params.values()) == [20, 40]


def test_counting_takes_the_same_filters() -> None:
    class Counted(Asked):
        def read(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> list[Row]:
            super().read(sql, params)
            return [{"number": 3}]

    database = Counted()
    assert listings.count(database, "flow_runs", {"flow_runs": {"name": {"any_": ["a"]}}}) == 3  # type: ignore[arg-type]
    assert "count(*)" in database.sql.lower()
    assert list(database.params.values()) == ["a"]
