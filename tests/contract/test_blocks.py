"""Block types, schemas and documents: kept once, masked unless asked for, read with what they refer to."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from orchestration.backend.blocks import BlockStore
from orchestration.backend.clock import new_id
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.schemas.block_checksums import checksum_of
from orchestration.domain.schemas.blocks import MASK, BlockDocument, BlockSchema, BlockType
from tests.support.backends import Store, at_once

OTHER: dict[str, Any] = {"properties": {"wheels": {}}, "block_type_slug": "car"}
FIELDS: dict[str, Any] = {"secret_fields": ["pin"], "block_type_slug": "car", "properties": {"pin": {}, "plate": {}}}


@pytest.fixture
def blocks(backend: Backend) -> BlockStore:
    return backend.blocks


def _schema(blocks: BlockStore, slug: str = "car", fields: dict[str, Any] = FIELDS) -> BlockSchema:
    block_type = blocks.save_block_type(BlockType(new_id(), slug, slug.title(), description="Moves."))
    own = {**fields, "block_type_slug": slug}
    return blocks.save_block_schema(BlockSchema(new_id(), checksum_of(own), own, block_type.id))


def _document(schema: BlockSchema, name: str | None, **data: Any) -> BlockDocument:
    return BlockDocument(new_id(), name, data, schema.id, schema.block_type_id, is_anonymous=name is None)


def _reference(target: BlockDocument) -> dict[str, Any]:
    return {"$ref": {"block_document_id": str(target.id)}}


def test_a_type_is_known_by_its_slug(blocks: BlockStore) -> None:
    first = blocks.save_block_type(BlockType(new_id(), "car", "Car"))
    again = blocks.save_block_type(BlockType(new_id(), "car", "Car", description="newer"))
    blocks.save_block_type(BlockType(new_id(), "boat", "Boat"))
    assert (again.id, blocks.block_type("car").description) == (first.id, "newer")
    assert [each.slug for each in blocks.block_types()] == ["boat", "car"]
    with pytest.raises(ObjectNotFound, match="plane"):
        blocks.block_type("plane")


def test_a_schema_is_known_by_its_checksum(blocks: BlockStore) -> None:
    schema = _schema(blocks)
    assert blocks.save_block_schema(replace(schema, id=new_id())).id == schema.id
    other = _schema(blocks, fields=OTHER)
    assert blocks.block_schema(schema.checksum).id == schema.id
    assert blocks.block_schema(schema.checksum).fields == FIELDS
    assert {each.id for each in blocks.block_schemas(schema.block_type_id)} == {schema.id, other.id}
    assert blocks.block_schemas(new_id()) == []
    with pytest.raises(ObjectNotFound, match="sha256:none"):
        blocks.block_schema("sha256:none")


def test_secrets_are_masked_unless_asked_for(blocks: BlockStore) -> None:
    saved = blocks.create_block_document(_document(_schema(blocks), "mine", pin="1234", plate="x"))
    shown, whole = {"pin": MASK, "plate": "x"}, {"pin": "1234", "plate": "x"}
    for document in (saved, blocks.block_document(saved.id), blocks.block_document_by_name("car", "mine")):
        assert document.data == shown
    assert blocks.block_document(saved.id, include_secrets=True).data == whole
    assert blocks.block_document_by_name("car", "mine", include_secrets=True).data == whole
    assert [each.data for each in blocks.block_documents(include_secrets=True)] == [whole]


def test_documents_are_listed_by_type_and_name(blocks: BlockStore) -> None:
    car, boat = _schema(blocks), _schema(blocks, "boat")
    for schema, name in ((car, "b"), (boat, "z"), (car, "a"), (car, None)):
        blocks.create_block_document(_document(schema, name))
    assert [each.name for each in blocks.block_documents()] == ["z", "a", "b"]
    assert [each.name for each in blocks.block_documents("car")] == ["a", "b"]
    assert [each.name for each in blocks.block_documents(limit=1, offset=1)] == ["a"]


def test_a_document_is_read_with_what_it_refers_to(blocks: BlockStore) -> None:
    schema = _schema(blocks)
    inner = blocks.create_block_document(_document(schema, "inner", plate="i"))
    outer = blocks.create_block_document(_document(schema, "outer", part=_reference(inner), plate="o"))
    kept = blocks.block_document(outer.id)
    assert kept.data == {"plate": "o", "part": {"plate": "i"}}
    assert kept.references["part"].id == inner.id


def test_an_update_replaces_or_merges(blocks: BlockStore) -> None:
    saved = blocks.create_block_document(_document(_schema(blocks), "a", plate="x", pin="1"))
    blocks.update_block_document(saved.id, {"plate": "y"}, merge=True)
    assert blocks.block_document(saved.id, include_secrets=True).data == {"plate": "y", "pin": "1"}
    blocks.update_block_document(saved.id, {"plate": "z"})
    assert blocks.block_document(saved.id, include_secrets=True).data == {"plate": "z"}


def test_what_is_not_there_is_named(blocks: BlockStore) -> None:
    absent = new_id()
    for ask in (blocks.block_document, blocks.delete_block_document, partial(blocks.update_block_document, data={})):
        with pytest.raises(ObjectNotFound, match=str(absent)):
            ask(absent)
    with pytest.raises(ObjectNotFound, match="car"):
        blocks.delete_block_type("car")
    with pytest.raises(ObjectNotFound, match="mine"):
        blocks.block_document_by_name("car", "mine")


def test_what_is_deleted_is_gone(blocks: BlockStore) -> None:
    schema = _schema(blocks)
    saved, other = (blocks.create_block_document(_document(schema, name)) for name in ("a", "b"))
    blocks.delete_block_document(saved.id)
    assert [each.id for each in blocks.block_documents()] == [other.id]
    blocks.delete_block_type("car")
    assert (blocks.block_types(), blocks.block_schemas(), blocks.block_documents()) == ([], [], [])


def test_of_many_who_take_a_name_one_gets_it(store: Store) -> None:
    backends = [store.open() for _ in range(4)]
    schema = _schema(backends[0].blocks)
    ends = at_once(
        [
            partial(backends[number % 4].blocks.create_block_document, _document(schema, "mine", plate=str(number)))
            for number in range(12)
        ]
    )
    kept = backends[0].blocks.block_document_by_name("car", "mine")
    assert sum(isinstance(end, ObjectAlreadyExists) for end in ends) == 11
    assert [end.id for end in ends if isinstance(end, BlockDocument)] == [kept.id]
