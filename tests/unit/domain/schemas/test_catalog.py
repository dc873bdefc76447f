"""Which values of a document are masked.

The identity of block schemas; that real ones have Prefect's is tested with the blocks of the SDK.
"""

from typing import Any

import pytest

from orchestration.domain.schemas.catalog import MASK, checksum_of, masked


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


def test_which_fields_are_secret_does_not_change_the_checksum() -> None:
    fields = {"title": "Gauge", "properties": {"unit": {"type": "string"}}}
    assert checksum_of({**fields, "secret_fields": ["unit"]}) == checksum_of(fields)


def test_a_definition_that_is_a_block_does_not_change_the_checksum_but_another_does() -> None:
    fields: dict[str, Any] = {"p": {"$ref": "#/definitions/A"}, "definitions": {"A": {"block_type_slug": "a"}}}
    other: dict[str, Any] = {"p": {"$ref": "#/definitions/A"}, "definitions": {"A": {"type": "object"}}}
    bare = {"p": {"$ref": "#/definitions/A"}}
    assert checksum_of(fields) == checksum_of(bare)
    assert checksum_of(other) != checksum_of(bare)
