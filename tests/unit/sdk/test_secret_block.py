"""One secret value under a name."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import Secret as PydanticSecret, SecretStr

from orchestration.sdk.blocks import Secret
from orchestration.sdk.context import test_harness


@pytest.fixture(autouse=True)
def _own_store() -> Iterator[None]:
    with test_harness():
        yield


@pytest.mark.parametrize(
    ("value", "got"),
    [
        ("sk-1234567890", "sk-1234567890"),
        ('{"a": 1}', {"a": 1}),
        ({"user": "me", "password": "p"}, {"user": "me", "password": "p"}),
        ([1, 2], [1, 2]),
        (7, 7),
        (SecretStr("wrapped"), "wrapped"),
        (PydanticSecret({"a": 1}), {"a": 1}),
    ],
)
def test_a_value_comes_back_and_is_not_shown(value: Any, got: Any) -> None:
    secret: Secret[Any] = Secret(value=value)
    secret.save("one", overwrite=True)
    loaded: Secret[Any] = Secret.load("one")
    assert secret.get() == loaded.get() == got
    assert str(got) not in repr(loaded)
