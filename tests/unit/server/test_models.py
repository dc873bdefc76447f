"""The tables of requests: what their words mean."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError

from orchestration.server.models import field_of, kind_of
from tests.support.rest import UNKNOWN


@pytest.mark.parametrize(
    ("said", "given", "meant"),
    [
        ("id", UNKNOWN, UUID(UNKNOWN)),
        ("id?", None, None),
        ("[id]", [UNKNOWN], [UUID(UNKNOWN)]),
        ("{[int]}", {"a": [1]}, {"a": [1]}),
        ("seconds | delays?", [1, 2.5], [1, 2.5]),
        ("seconds | delays?", 1, 1),
        ("{text | [text]}?", {"a": ["b"], "c": "d"}, {"a": ["b"], "c": "d"}),
    ],
)
def test_a_word_means_a_kind(said: str, given: Any, meant: Any) -> None:
    assert TypeAdapter(kind_of(said)).validate_python(given) == meant


@pytest.mark.parametrize(("said", "given"), [("id", None), ("[id]", UNKNOWN), ("count", -1), ("delays", [1] * 51)])
def test_what_is_not_of_a_kind_is_refused(said: str, given: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind_of(said)).validate_python(given)


@pytest.mark.parametrize(("said", "default"), [("text", ...), ("text?", None), (["text", "a"], "a")])
def test_a_field_must_be_given_or_has_a_default(said: Any, default: Any) -> None:
    assert field_of(said)[1] == default


def test_a_model_names_what_was_given_and_what_holds_otherwise() -> None:
    body = kind_of("VariableUpdate")(value=None)
    assert body.given() == {"value": None}
    assert body.whole() == {"name": "", "value": None, "tags": []}
