"""Cache keys: equal values give equal keys, in every process; different values give different ones."""

import enum
import subprocess
import sys
import threading
from collections import namedtuple
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel

from orchestration import task
from orchestration.domain.errors import HashError
from orchestration.sdk.task_results import hash_objects, source_of, task_input_hash

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import datetime, enum, pathlib
from collections import namedtuple
from dataclasses import dataclass
from pydantic import BaseModel
from orchestration.sdk.task_results import hash_objects

Pair = namedtuple("Pair", "a b")

class Colour(enum.Enum):
    GREEN = "green"

class Model(BaseModel):
    names: set[str]

@dataclass
class Config:
    name: str
    tags: set[str]

for value in [
    {"b": 1, "a": [1.5, None, True, 2j]}, {"x", "y", "z"}, frozenset({("a", 1), ("b", 2)}), b"bytes", bytearray(b"x"),
    "text\\udc80", Colour.GREEN, Config("n", {"x", "y", "z"}), Model(names={"x", "y", "z"}), Pair({"x", "y"}, 2),
    datetime.datetime(2021, 1, 1), pathlib.Path("data/green"), Config,
]:
    try:
        print(hash_objects(value))
    except Exception as error:
        print(error)
"""


def _keys(seed: str) -> list[str]:
    environ = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_keys_are_the_same_in_every_process() -> None:
    first, second = _keys("1"), _keys("2")
    assert first[:-1] == second[:-1]
    assert len(set(first)) == 13
    assert all(len(key) == 32 for key in first)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8,
)


@given(_values, _values)
def test_keys_are_equal_exactly_when_the_values_are(one: Any, other: Any) -> None:
    assert (hash_objects(one) == hash_objects(other)) == (repr(one) == repr(other) or _same(one, other))


def _same(one: Any, other: Any) -> bool:
    """Equal in values and types; mappings in any order."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return repr(one) == repr(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]), ([[1], 2], [[1, 2]]), (1, True), (1, "1"), ("a", b"a"), ([1], (1,)), ({}, set()),
        ({"a": {"b": 1}}, {"a": {"b": 2}}), (None, "None"), (date(2021, 1, 1), date(2021, 1, 2)),
    ],
)  # fmt: skip
def test_values_that_look_alike_have_different_keys(one: Any, other: Any) -> None:
    assert hash_objects(one) != hash_objects(other)


def test_the_order_of_values_counts_and_that_of_members_does_not() -> None:
    assert hash_objects(1, 2) != hash_objects(2, 1)
    assert hash_objects({"a": 1, "b": 2}) == hash_objects({"b": 2, "a": 1})
    assert hash_objects({1, 2, 3}) == hash_objects({3, 2, 1})


class Colour(enum.Enum):
    GREEN = "green"
    YELLOW = "yellow"


class Model(BaseModel):
    names: list[str]


@dataclass
class Config:
    names: list[Any]


Pair = namedtuple("Pair", "names other")


@pytest.mark.parametrize("make", [Config, lambda names: Model(names=names), lambda names: Pair(names, 1)])
def test_records_are_their_fields(make: Any) -> None:
    assert hash_objects(make(["a", "b"])) == hash_objects(make(["a", "".join(["b"])]))
    assert hash_objects(make(["a", "b"])) != hash_objects(make(["b", "a"]))
    assert hash_objects(Colour.GREEN) != hash_objects(Colour.YELLOW)


def test_what_cannot_be_a_part_of_a_key_is_named() -> None:
    around: list[Any] = []
    around.append(around)
    with pytest.raises(HashError, match=r"An argument cannot be a part .*lock.*INPUTS - 'name'"):
        hash_objects([threading.Lock()])
    with pytest.raises(HashError, match=r"An argument cannot .*recursion"):
        hash_objects(around)


def test_the_input_hash_is_of_the_task_and_its_arguments() -> None:
    @task
    def one(x: int) -> int:
        return x

    @task
    def two(x: int) -> int:
        return x * 2

    context = SimpleNamespace(task=one)
    assert task_input_hash(context, {"x": 1}) == task_input_hash(SimpleNamespace(task=one), {"x": 1})
    assert task_input_hash(context, {"x": 1}) != task_input_hash(context, {"x": 2})
    assert task_input_hash(context, {"x": 1}) != task_input_hash(SimpleNamespace(task=two), {"x": 1})
    assert task_input_hash(SimpleNamespace(task=SimpleNamespace(fn=len, task_key="len")), {}) is not None


def test_the_source_of_a_task_is_its_function_s() -> None:
    def fn(x: int) -> int:
        return x + 1

    class Callable_:
        def __call__(self) -> int:
            return 3

    def source(of: Any) -> str:
        return source_of(SimpleNamespace(fn=of))

    assert "return x + 1" in source(fn)
    assert source(partial(partial(fn), 1)) == source(fn)
    assert "return 3" in source(Callable_())
    assert "class Callable_" in source(Callable_)


def test_byte_code_stands_in_for_source_that_is_not_to_be_had() -> None:
    made: dict[str, Any] = {}
    exec("def one(): return 1\ndef two(): return 2\n", made)  # noqa: S102 - as a shell makes functions
    one, two = (source_of(SimpleNamespace(fn=made[name])) for name in ("one", "two"))
    assert one != two
    assert source_of(SimpleNamespace(fn=len)) == repr(type(len))
