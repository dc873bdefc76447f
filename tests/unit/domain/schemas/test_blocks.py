"""Which values of a document are masked."""

from typing import Any
from uuid import uuid4

import pytest

from orchestration.domain.schemas.catalog import MASK, BlockDocument, BlockType, masked


@pytest.mark.parametrize(
    ("data", "paths", "shown"),
    [
        ({"a": 1, "b": 2}, [], {"a": 1, "b": 2}),
        ({"a": 1, "b": 2}, ["a", "absent"], {"a": MASK, "b": 2}),
        ({"a": None}, ["a"], {"a": None}),
        ({"a": {"b": {"c": 1, "d": 2}}}, ["a.b.c"], {"a": {"b": {"c": MASK, "d": 2}}}),
        ({"a": {"b": 1, "c": {"d": 2}}}, ["a.*"], {"a": {"b": MASK, "c": {"d": MASK}}}),
        ({"a": {"b": 1}}, ["a"], {"a": MASK}),
        ({"a": [{"b": 1}]}, ["a.b"], {"a": MASK}),
        ({"a": 1, "b": {"c": 2}}, ["*"], {"a": MASK, "b": {"c": MASK}}),
    ],
)
def test_secrets_are_masked_where_the_schema_says(
    data: dict[str, Any], paths: list[str], shown: dict[str, Any]
) -> None:
    before = repr(data)
    assert masked(data, paths) == shown
    assert repr(data) == before


def test_a_document_knows_the_name_of_its_type() -> None:
    bare = BlockDocument(uuid4(), "a", {}, uuid4(), uuid4())
    typed = BlockDocument(uuid4(), "a", {}, uuid4(), uuid4(), block_type=BlockType(uuid4(), "car", "Car"))
    assert (bare.block_type_name, typed.block_type_name) == (None, "Car")
