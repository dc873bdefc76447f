"""The schema of a flow's parameters, and what does not fit it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from orchestration.domain.errors import UsageError
from orchestration.sdk.projects.files import check_parameters, parameter_schema


@dataclass
class Plan:
    """A nested parameter."""

    months: list[str]


def _train(
    month: str, n: int | None = None, plan: Plan | None = None, *, model_config: str = "x", _own: float = 1
) -> None:
    """Learn.

    Args:
        month: the month to learn from
        n (int): how many
    """


def test_the_schema_is_prefects() -> None:
    schema = parameter_schema(_train)
    assert (schema["title"], schema["type"], schema["required"]) == ("Parameters", "object", ["month"])
    assert schema["properties"]["month"] == {
        "title": "month", "type": "string", "position": 0, "description": "the month to learn from",
    }  # fmt: skip
    number = {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None, "description": "how many"}
    assert schema["properties"]["n"] == {**number, "title": "n", "position": 1}
    assert list(schema["properties"]) == ["month", "n", "plan", "model_config", "_own"]
    assert list(schema["definitions"]) == ["Plan"]
    assert "#/definitions/Plan" in str(schema["properties"]["plan"])


def test_what_json_cannot_say_is_anything() -> None:
    def odd(pattern: re.Pattern[str] = re.compile("a"), call: Callable[..., Any] = print, later: "Absent" = 1) -> None:  # type: ignore[name-defined]  # noqa: F821
        """Take odd things."""

    schema = parameter_schema(odd)
    assert list(schema["properties"]) == ["pattern", "call", "later"]
    assert parameter_schema(lambda *args, **kwargs: None)["properties"] == {}


def test_parameters_that_fit_are_let_through() -> None:
    schema = parameter_schema(_train)
    for given in ({}, {"month": "2021-01"}, {"n": None, "plan": {"months": ["2021-01"]}}):
        check_parameters(schema, given)
    check_parameters(parameter_schema(lambda **kwargs: None), {"anything": 1})
    check_parameters({}, {"anything": 1})
    assert schema == parameter_schema(_train)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"moth": "x"}, "There is no parameter 'moth'; the flow has month, n"), ({"n": "x"}, "'n' does not fit"),
        ({"plan": {"months": [1]}}, "'plan' does not fit"), ({"month": None}, "'month' does not fit"),
    ],
)  # fmt: skip
def test_parameters_that_do_not_are_named(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        check_parameters(parameter_schema(_train), given)
