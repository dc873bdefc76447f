"""The identity of block schemas; that real ones have Prefect's is tested with the blocks of the SDK."""

from typing import Any

from orchestration.domain.schemas.catalog import checksum_of


def test_which_fields_are_secret_does_not_change_the_checksum() -> None:
    fields = {"title": "Gauge", "properties": {"unit": {"type": "string"}}}
    assert checksum_of({**fields, "secret_fields": ["unit"]}) == checksum_of(fields)


def test_a_definition_that_is_a_block_does_not_change_the_checksum_but_another_does() -> None:
    fields: dict[str, Any] = {"p": {"$ref": "#/definitions/A"}, "definitions": {"A": {"block_type_slug": "a"}}}
    other: dict[str, Any] = {"p": {"$ref": "#/definitions/A"}, "definitions": {"A": {"type": "object"}}}
    bare = {"p": {"$ref": "#/definitions/A"}}
    assert checksum_of(fields) == checksum_of(bare)
    assert checksum_of(other) != checksum_of(bare)
