"""Decorators keep the signature that the author wrote, as mypy sees it: sync and async, with and without arguments."""

import re
from pathlib import Path

import pytest
from mypy import api

import orchestration

ROOT = Path(orchestration.__file__).parents[1]

PROGRAM = """
from typing import assert_type

from orchestration.domain.states import State
from orchestration.sdk.flows import flow
from orchestration.sdk.flows import task



@KIND
def bare(x: int, y: str = "b") -> str:
    return y * x


@KIND()
def called(x: int) -> str:
    return str(x)


@KIND(name="Named", retries=3, retry_delay_seconds=[1.0, 2.0], log_prints=True)
def given(x: int, *more: float, flag: bool) -> list[float]:
    return [float(x), *more]


@KIND
async def abare(x: int) -> str:
    return str(x)


@KIND(timeout_seconds=3)
async def agiven(x: int) -> str:
    return str(x)


class Model:
    @KIND
    def fit(self, rows: int) -> float:
        return float(rows)


def use() -> None:
    assert_type(bare(1), str)
    assert_type(bare(1, y="c"), str)
    assert_type(called(1), str)
    assert_type(given(1, 2.5, flag=True), list[float])
    assert_type(bare.fn(1), str)
    assert_type(bare(1, return_state=True), State)
    assert_type(given(1, flag=True, return_state=True), State)
    assert_type(bare(1, wait_for=[object()]), str)
    assert_type(bare.with_options(retries=1)(1), str)
    assert_type(Model().fit(3), float)
    assert_type(Model().fit(rows=3), float)
    assert_type(Model().fit(3, return_state=True), State)


async def ause() -> None:
    assert_type(await abare(1), str)
    assert_type(await agiven(x=1), str)
    assert_type(await abare(1, return_state=True), State)
    assert_type(await agiven(1, return_state=True), State)
    assert_type(await abare.fn(1), str)
    assert_type(await abare.with_options(retries=1)(1), str)


def mistakes() -> None:
    bare("one")  # error
    bare()  # error
    bare(1, z=2)  # error
    called(1, 2)  # error
    given(1)  # error
    Model().fit("three")  # error
    abare("one")  # error
    bare.fn("one")  # error
    number: int = bare(1)  # error
    KIND(retires=3)  # error
    KIND(name=5)  # error
    bare.no_such_method()  # error
"""
OF_TASKS = """

def use_futures() -> None:
    bare.submit(1).result()
    bare.submit(1, wait_for=[object()], return_state=True)
    called.map([1, 2]).result()
    called.map([1, 2], return_state=True)
    bare.submit(1, return_state="yes")  # error
"""


def _errors(program: str, folder: Path) -> dict[int, str]:
    """What mypy says of each line, with the settings and the cache of ``make check``."""
    file = folder / "program.py"
    file.write_text(program)
    config = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
    said, broken, _ = api.run([*config, "--no-error-summary", "--show-error-codes", str(file)])
    assert broken == ""
    found = re.findall(r"^.*program\.py:(\d+): error: (.*)$", said, re.MULTILINE)
    return {int(line): message for line, message in found}


@pytest.mark.parametrize(("decorator", "more"), [("flow", ""), ("task", OF_TASKS)])
def test_mypy_sees_the_authors_types_and_every_mistake(
    decorator: str, more: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    program = (PROGRAM + more).replace("KIND", decorator)
    mistakes = {number for number, line in enumerate(program.splitlines(), 1) if line.endswith("# error")}
    errors = _errors(program, tmp_path)
    assert {number: errors.get(number) for number in errors.keys() - mistakes} == {}
    assert mistakes - errors.keys() == set()
