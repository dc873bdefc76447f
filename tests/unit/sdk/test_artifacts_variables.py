"""Variables: set, read, replaced, forgotten, and what is refused."""

import asyncio
from typing import Any

import pytest

from orchestration import Variable, flow
from orchestration.domain.errors import ObjectAlreadyExists, UsageError
from orchestration.sdk.artifacts import LONGEST_VALUE
from orchestration.sdk.client import SyncClient

pytestmark = pytest.mark.usefixtures("session")


@pytest.mark.parametrize("value", ["text", 3, 2.5, True, None, [1, "a"], {"months": ["2021-01"], "n": {"x": None}}])
def test_any_json_value_comes_back_as_it_was(value: Any) -> None:
    Variable.set("setting", value)
    assert Variable.get("setting", default="another") == value


def test_the_default_stands_for_a_name_without_a_value() -> None:
    assert Variable.get("missing") is None
    assert Variable.get("missing", 5) == 5


def test_a_name_is_taken_until_it_is_overwritten(client: SyncClient) -> None:
    first = Variable.set("colour", "green", tags=["taxi"])
    with pytest.raises(ObjectAlreadyExists, match="overwrite=True"):
        Variable.set("colour", "yellow")
    assert Variable.get("colour") == "green"
    second = Variable.set("colour", "yellow", tags=["cab", "nyc"], overwrite=True)
    assert (first.tags, second.tags) == (("taxi",), ("cab", "nyc"))
    (stored,) = client.read_variables()
    assert (stored.id, stored.value, stored.tags) == (first.id, "yellow", ("cab", "nyc"))


def test_a_name_can_be_forgotten() -> None:
    Variable.set("colour", "green")
    assert Variable.unset("colour") is True
    assert Variable.unset("colour") is False
    assert Variable.get("colour") is None
    Variable.set("colour", "blue")
    assert Variable.get("colour") == "blue"


@pytest.mark.parametrize("name", ["a", "0", "with-dash_and_9", "x" * 255])
def test_names_that_can_be_had(name: str) -> None:
    assert Variable.set(name, 1).name == name


@pytest.mark.parametrize("name", ["", "Upper", "a b", "é", "a.b", "x" * 256, "a\n"])
def test_names_that_cannot_be_had(name: str, client: SyncClient) -> None:
    with pytest.raises(UsageError, match="1 to 255 of a-z"):
        Variable.set(name, 1)
    assert client.read_variables() == []


def _loop() -> list[Any]:
    inside: list[Any] = []
    inside.append(inside)
    return inside


@pytest.mark.parametrize("value", [{1, 2}, object(), b"x", float("nan"), [float("inf")], _loop()])
def test_a_value_that_is_not_json_is_refused(value: Any, client: SyncClient) -> None:
    with pytest.raises(UsageError, match="not JSON"):
        Variable.set("setting", value)
    assert client.read_variables() == []


def test_a_value_has_a_longest_length() -> None:
    Variable.set("fits", "x" * (LONGEST_VALUE - 2))
    with pytest.raises(UsageError, match=f"has {LONGEST_VALUE + 1} characters"):
        Variable.set("too-long", "x" * (LONGEST_VALUE - 1))


def test_the_async_twins_do_the_same() -> None:
    async def main() -> None:
        await Variable.aset("colour", "green", ["taxi"])
        assert await Variable.aget("colour") == "green"
        assert await Variable.aget("missing", 3) == 3
        assert await Variable.aunset("colour")
        assert not await Variable.aunset("colour")

    asyncio.run(main())


def test_the_plain_names_can_be_awaited_in_async_code() -> None:
    async def main() -> tuple[Any, bool]:
        await Variable.set("colour", "green")  # type: ignore[misc]
        value = await Variable.get("colour")
        return value, await Variable.unset("colour")  # type: ignore[misc]

    assert asyncio.run(main()) == ("green", True)


def test_a_forgotten_await_still_sets_the_value(client: SyncClient) -> None:
    @flow
    async def main() -> None:
        Variable.set("colour", "green")

    asyncio.run(main())
    assert [variable.value for variable in client.read_variables()] == ["green"]
