"""Listings: one statement for each filter, in the words of each database."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any
from uuid import UUID

import pytest

from orchestration.domain.schemas.filters import (
    ALL_ARTIFACTS,
    ALL_FLOW_RUNS,
    ALL_LOGS,
    ALL_TASK_RUNS,
    ArtifactFilter,
    FlowRunFilter,
    LogFilter,
    TaskRunFilter,
)
from orchestration.domain.states import StateType
from orchestration.persistence import queries
from orchestration.persistence.database import NO_PARAMS, Row

Filter = FlowRunFilter | TaskRunFilter | LogFilter | ArtifactFilter

VALUES: dict[str, Any] = {
    "ids": (UUID(int=1), UUID(int=2)), "names": ("fit",), "flow_names": ("train",), "state_types": (StateType.FAILED,),
    "state_names": ("Late",), "parent_task_run_ids": (UUID(int=3),), "flow_run_ids": (UUID(int=4),),
    "task_run_ids": (UUID(int=5),), "level_at_least": 30, "text": "disk_full%", "after": 7, "keys": ("report",),
    "types": ("markdown",), "latest_only": True,
}  # fmt: skip
LISTINGS: dict[str, tuple[Filter, Callable[..., Any]]] = {
    "flow_runs": (ALL_FLOW_RUNS, lambda db, wanted: queries.flow_runs(db, wanted, 20, 40, dict)),
    "task_runs": (ALL_TASK_RUNS, lambda db, wanted: queries.task_runs(db, wanted, 20, 40, dict)),
    "logs": (ALL_LOGS, lambda db, wanted: queries.logs(db, wanted, 20, 40)),
    "artifacts": (ALL_ARTIFACTS, lambda db, wanted: queries.artifacts(db, wanted, 20, 40)),
}
FILTERS = [(name, field.name) for name, (everything, _) in LISTINGS.items() for field in fields(everything)]
DIALECTS = ("sqlite", "postgresql")


class Asked:
    """A database of a dialect that has no rows, and remembers what it was asked."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.sql = ""
        self.params: Mapping[str, Any] = {}

    def read(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> list[Row]:
        self.sql, self.params = sql, params
        return []


def _asked(listing: str, dialect: str, **filters: Any) -> Asked:
    everything, ask = LISTINGS[listing]
    database = Asked(dialect)
    assert ask(database, replace(everything, **filters)) == []
    return database


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("listing", "field"), FILTERS)
def test_a_filter_narrows_with_its_values_as_parameters(listing: str, field: str, dialect: str) -> None:
    """Values never stand in the statement itself."""
    asked = _asked(listing, dialect, **{field: VALUES[field]})
    plain = _asked(listing, dialect)
    given = VALUES[field]
    values = [str(value) for value in given] if isinstance(given, tuple) else [given]
    if field == "text":
        values = ["disk/_full/%"]
    if field == "latest_only":
        assert "latest_id" in asked.sql
        values = []
    assert len(asked.sql) > len(plain.sql)
    assert sorted(map(str, asked.params.values())) == sorted(map(str, [*plain.params.values(), *values]))
    assert not any(str(value) in asked.sql for value in values if isinstance(value, str))


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("listing", sorted(LISTINGS))
def test_a_listing_is_one_page_in_a_fixed_order(listing: str, dialect: str) -> None:
    asked = _asked(listing, dialect)
    assert "ORDER BY" in asked.sql
    assert sorted(asked.params.values()) == [20, 40]


def test_the_values_cover_every_filter() -> None:
    assert {field for _, field in FILTERS} == set(VALUES)
