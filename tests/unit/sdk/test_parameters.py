"""Arguments by name, and as the store shows them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import pydantic
import pytest

from orchestration import flow
from orchestration.sdk.client import SyncClient
from orchestration.sdk.parameters import LONGEST_DOCUMENT, Binder, describe


def _plain(a: Any, b: Any = 2, *, c: Any = 3) -> Any:
    return a, b, c


def _mixed(a: Any, /, b: Any = 2, *rest: Any, c: Any = 3, **more: Any) -> Any:
    return a, b, rest, c, more


@pytest.mark.parametrize(
    ("args", "kwargs", "bound"),
    [
        ((1,), {}, {"a": 1, "b": 2, "c": 3}),
        ((1, 5), {"c": 6}, {"a": 1, "b": 5, "c": 6}),
        ((), {"c": 7, "a": 1}, {"a": 1, "b": 2, "c": 7}),
    ],
)
def test_plain_arguments_are_bound_in_the_order_of_the_signature(args: Any, kwargs: Any, bound: Any) -> None:
    binder = Binder(_plain, "plain")
    assert list(binder.bind(args, kwargs).items()) == list(bound.items())
    assert binder.split(bound) == ((), bound)


def test_every_kind_of_argument_survives_binding_and_splitting() -> None:
    binder = Binder(_mixed, "mixed")
    bound = binder.bind((1, 2, 3, 4), {"c": 5, "z": 6})
    assert bound == {"a": 1, "b": 2, "rest": (3, 4), "c": 5, "more": {"z": 6}}
    args, kwargs = binder.split(bound)
    assert _mixed(*args, **kwargs) == (1, 2, (3, 4), 5, {"z": 6})


class Colour(Enum):
    GREEN = "green"


class Model(pydantic.BaseModel):
    when: date


@dataclass
class Point:
    x: int
    where: Path


class Opaque:
    """Something that JSON cannot say."""


def _deep(levels: int) -> Any:
    value: Any = "end"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        ("text", "text"),
        ("x" * (LONGEST_DOCUMENT + 1), "x" * LONGEST_DOCUMENT + " [truncated]"),
        ([1, (2, {3})], [1, [2, [3]]]),
        ({1: Path("a")}, {"1": "a"}),
        (list(range(1001)), "<list of 1001>"),
        (Colour.GREEN, "green"),
        (datetime(2021, 1, 2, tzinfo=UTC), "2021-01-02T00:00:00+00:00"),
        (date(2021, 1, 2), "2021-01-02"),
        (timedelta(hours=1), "1:00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Model(when=date(2021, 1, 2)), {"when": "2021-01-02"}),
        (Point(1, Path("a")), {"x": 1, "where": "a"}),
        (Point, "<type>"),
        (Opaque(), "<Opaque>"),
        (b"bytes", "<bytes>"),
    ],
)
def test_parameters_are_described_as_json(value: Any, shown: Any) -> None:
    assert describe({"x": value}) == {"x": shown}


def test_what_is_nested_too_deeply_is_cut() -> None:
    assert "<list>" in repr(describe({"x": _deep(30)}))
    assert "end" in repr(describe({"x": _deep(10)}))


def test_the_store_shows_the_parameters_of_a_run(client: SyncClient) -> None:
    @flow
    def main(month: date, opaque: Any = None) -> None: ...

    main(date(2021, 1, 1), Opaque())
    (run,) = client.read_flow_runs()
    assert run.parameters == {"month": "2021-01-01", "opaque": "<Opaque>"}
