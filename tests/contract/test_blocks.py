"""Block types, schemas and documents: kept once, masked unless asked for, read with what they refer to."""

from functools import partial
from typing import Any

import pytest

from orchestration.backend.blocks import BlockStore
from orchestration.backend.clock import new_id
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.schemas.catalog import MASK, BlockDocument, BlockSchema, checksum_of
from orchestration.domain.schemas.filters import Query, among
from tests.support.backends import Store, at_once, saved_schema

OTHER: dict[str, Any] = {"properties": {"wheels": {}}, "block_type_slug": "car"}
FIELDS: dict[str, Any] = {"secret_fields": ["pin"], "block_type_slug": "car", "properties": {"pin": {}, "plate": {}}}


@pytest.fixture
def blocks(backend: Backend) -> BlockStore:
    return backend


@pytest.fixture
def car(backend: Backend) -> BlockSchema:
    return saved_schema(backend, "car", FIELDS)


def _document(schema: BlockSchema, name: str | None, **data: Any) -> BlockDocument:
    return BlockDocument(new_id(), name, data, schema.id, schema.block_type_id, is_anonymous=name is None)


def _reference(target: BlockDocument) -> dict[str, Any]:
    return {"$ref": {"block_document_id": str(target.id)}}


def test_a_type_is_known_by_its_slug(backend: Backend) -> None:
    first = backend.create("block_types", {"slug": "car", "name": "Car"}, overwrite=True)
    again = backend.create("block_types", {"slug": "car", "name": "Car", "description": "newer"}, overwrite=True)
    backend.create("block_types", {"slug": "boat", "name": "Boat"}, overwrite=True)
    assert (again["id"], backend.read("block_types", slug="car")["description"]) == (first["id"], "newer")
    assert [each["slug"] for each in backend.find("block_types")] == ["boat", "car"]
    assert backend.count("block_types") == 2
    with pytest.raises(ObjectNotFound, match="plane"):
        backend.read("block_types", slug="plane")
    with pytest.raises(ObjectNotFound, match="plane"):
        backend.delete("block_types", slug="plane")


def test_a_schema_is_known_by_its_checksum(backend: Backend) -> None:
    schema = saved_schema(backend, "car", FIELDS)
    assert schema.checksum == checksum_of(FIELDS)
    assert saved_schema(backend, "car", FIELDS).id == schema.id
    other = saved_schema(backend, "car", OTHER)
    found = backend.read("block_schemas", checksum=schema.checksum)
    assert (found["id"], found["fields"]) == (str(schema.id), FIELDS)
    of_type = backend.find("block_schemas", Query(among("block_schemas", block_type_id=[schema.block_type_id])))
    assert {each["id"] for each in of_type} == {str(schema.id), str(other.id)}
    assert backend.find("block_schemas", Query(among("block_schemas", block_type_id=[new_id()]))) == []
    with pytest.raises(ObjectNotFound, match="sha256:none"):
        backend.read("block_schemas", checksum="sha256:none")


def test_secrets_are_masked_unless_asked_for(blocks: BlockStore, car: BlockSchema) -> None:
    saved = blocks.create_block_document(_document(car, "mine", pin="1234", plate="x"))
    shown, whole = {"pin": MASK, "plate": "x"}, {"pin": "1234", "plate": "x"}
    for document in (saved, blocks.block_document(id=saved.id), blocks.block_document(slug="car", name="mine")):
        assert document.data == shown
    assert blocks.block_document(True, id=saved.id).data == whole
    assert blocks.block_document(True, slug="car", name="mine").data == whole
    assert [each.data for each in blocks.block_documents(include_secrets=True)] == [whole]


def test_documents_are_listed_by_type_and_name(backend: Backend, blocks: BlockStore, car: BlockSchema) -> None:
    boat = saved_schema(backend, "boat", FIELDS)
    for schema, name in ((car, "b"), (boat, "z"), (car, "a"), (car, None)):
        blocks.create_block_document(_document(schema, name))
    assert [each.name for each in blocks.block_documents()] == ["z", "a", "b"]
    assert [each.name for each in blocks.block_documents("car")] == ["a", "b"]


def test_a_document_is_read_with_what_it_refers_to(blocks: BlockStore, car: BlockSchema) -> None:
    inner = blocks.create_block_document(_document(car, "inner", plate="i"))
    outer = blocks.create_block_document(_document(car, "outer", part=_reference(inner), plate="o"))
    kept = blocks.block_document(id=outer.id)
    assert kept.data == {"plate": "o", "part": {"plate": "i"}}
    assert kept.references["part"].id == inner.id


def test_an_update_replaces_or_merges(blocks: BlockStore, car: BlockSchema) -> None:
    saved = blocks.create_block_document(_document(car, "a", plate="x", pin="1"))
    blocks.update_block_document(saved.id, {"plate": "y"}, merge=True)
    assert blocks.block_document(True, id=saved.id).data == {"plate": "y", "pin": "1"}
    blocks.update_block_document(saved.id, {"plate": "z"})
    assert blocks.block_document(True, id=saved.id).data == {"plate": "z"}


def test_what_is_not_there_is_named(backend: Backend, blocks: BlockStore) -> None:
    absent = new_id()
    for ask in (partial(blocks.block_document, id=absent), partial(blocks.update_block_document, absent, {})):
        with pytest.raises(ObjectNotFound, match=str(absent)):
            ask()
    with pytest.raises(ObjectNotFound, match=str(absent)):
        backend.delete("block_documents", id=str(absent))
    with pytest.raises(ObjectNotFound, match="mine"):
        blocks.block_document(slug="car", name="mine")


def test_what_is_deleted_is_gone(backend: Backend, blocks: BlockStore, car: BlockSchema) -> None:
    saved, other = (blocks.create_block_document(_document(car, name)) for name in ("a", "b"))
    backend.delete("block_documents", id=str(saved.id))
    assert [each.id for each in blocks.block_documents()] == [other.id]
    backend.delete("block_types", slug="car")
    assert [backend.find("block_types"), backend.find("block_schemas"), blocks.block_documents()] == [[], [], []]


def test_of_many_who_take_a_name_one_gets_it(store: Store) -> None:
    backends = [store.open() for _ in range(4)]
    schema = saved_schema(backends[0], "car", FIELDS)
    ends = at_once(
        [
            partial(backends[number % 4].create_block_document, _document(schema, "mine", plate=str(number)))
            for number in range(12)
        ]
    )
    kept = backends[0].block_document(slug="car", name="mine")
    assert sum(isinstance(end, ObjectAlreadyExists) for end in ends) == 11
    assert [end.id for end in ends if isinstance(end, BlockDocument)] == [kept.id]
