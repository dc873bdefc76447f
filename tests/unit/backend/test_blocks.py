"""The store of blocks: one transaction a method, secrets masked unless asked for, keys that can be changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from orchestration.backend import blocks as kept
from orchestration.backend.catalog import LocalCatalog
from orchestration.domain.errors import ConfigurationError, ObjectAlreadyExists, ObjectNotFound, UsageError
from orchestration.domain.schemas.catalog import UNVERSIONED, BlockDocument, BlockSchema
from orchestration.domain.settings import Settings
from orchestration.persistence.sqlite import SqliteDatabase
from tests.support.backends import saved_schema

FIELDS: dict[str, Any] = {"secret_fields": ["pin", "codes.*", "papers.number"], "block_type_slug": "car"}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path / "store.db")
    yield database
    database.close()


@pytest.fixture
def store(database: SqliteDatabase, tmp_path: Path) -> LocalCatalog:
    return LocalCatalog(database, Settings(tmp_path))


def registered(store: LocalCatalog, slug: str = "car", **fields: Any) -> BlockSchema:
    return saved_schema(store, slug, {**FIELDS, **fields})


def document(schema: BlockSchema, name: str | None, data: dict[str, Any], anonymous: bool = False) -> BlockDocument:
    return BlockDocument(uuid4(), name, data, schema.id, schema.block_type_id, is_anonymous=anonymous)


def reference(target: BlockDocument | UUID) -> dict[str, Any]:
    return {"$ref": {"block_document_id": str(target.id if isinstance(target, BlockDocument) else target)}}


def test_a_schema_is_known_by_checksum_and_version(store: LocalCatalog) -> None:
    schema = registered(store)
    own = {"fields": schema.fields, "block_type_id": str(schema.block_type_id), "capabilities": ["new"]}
    assert store.create("block_schemas", {**own, "version": UNVERSIONED}, overwrite=True)["id"] == str(schema.id)
    versioned = store.create("block_schemas", {**own, "version": "1.0"}, overwrite=True)
    assert versioned["id"] != str(schema.id)
    assert store.read("block_schemas", checksum=schema.checksum, version="1.0") == versioned
    assert store.read("block_schemas", checksum=schema.checksum, version=UNVERSIONED)["id"] == str(schema.id)


def test_secrets_are_masked_unless_asked_for(store: LocalCatalog) -> None:
    schema = registered(store)
    data = {"plate": "x", "pin": "1234", "codes": {"a": "b", "c": {"d": 1}}, "papers": {"number": "7", "kind": "k"}}
    saved = store.create_block_document(document(schema, "mine", data))
    mask = "********"
    codes, papers = {"a": mask, "c": {"d": mask}}, {"number": mask, "kind": "k"}
    hidden = {"plate": "x", "pin": mask, "codes": codes, "papers": papers}
    assert saved.data == hidden
    assert store.block_document(id=saved.id).data == hidden
    assert store.block_document(slug="car", name="mine").data == hidden
    assert store.block_document(True, id=saved.id).data == data
    assert [each.data for each in store.block_documents("car", include_secrets=True)] == [data]
    assert saved.block_type is not None
    assert saved.block_type.name == "Car"


def test_a_document_is_listed_unless_it_is_anonymous(store: LocalCatalog) -> None:
    car, boat = registered(store), registered(store, "boat")
    for schema, name in ((car, "b"), (car, "a"), (boat, "z")):
        store.create_block_document(document(schema, name, {}))
    store.create_block_document(document(car, None, {}, anonymous=True))
    assert [each.name for each in store.block_documents()] == ["z", "a", "b"]
    assert [each.name for each in store.block_documents("car")] == ["a", "b"]


def test_a_name_is_used_once_by_a_type(store: LocalCatalog) -> None:
    car, boat = registered(store), registered(store, "boat")
    store.create_block_document(document(car, "a", {"plate": "first"}))
    store.create_block_document(document(boat, "a", {}))
    with pytest.raises(ObjectAlreadyExists):
        store.create_block_document(document(car, "a", {"plate": "second"}))
    assert store.block_document(slug="car", name="a").data == {"plate": "first"}


def test_what_a_document_refers_to_is_read_with_it(store: LocalCatalog) -> None:
    schema = registered(store)
    inner = store.create_block_document(document(schema, "inner", {"pin": "1234"}))
    middle = store.create_block_document(document(schema, "middle", {"part": reference(inner)}))
    outer = store.create_block_document(document(schema, "outer", {"part": reference(middle), "plate": "x"}))
    assert outer.data == {"plate": "x", "part": {"part": {"pin": "********"}}}
    assert outer.references["part"].id == middle.id
    assert outer.references["part"].references["part"].name == "inner"


@pytest.mark.parametrize("bad", [{"$ref": {}}, {"$ref": {"block_document_id": "7"}}])
def test_a_reference_names_an_id(store: LocalCatalog, bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="The field 'part' refers to a block without a valid block_document_id"):
        store.create_block_document(document(registered(store), "a", {"part": bad}))
    assert store.block_documents() == []


def test_documents_that_point_round_are_refused_when_read(store: LocalCatalog) -> None:
    schema = registered(store)
    first = store.create_block_document(document(schema, "first", {}))
    second = store.create_block_document(document(schema, "second", {"part": reference(first)}))
    store.update_block_document(first.id, {"part": reference(second)})
    with pytest.raises(UsageError, match="points to blocks that point back to it"):
        store.block_document(id=first.id)


def test_an_update_replaces_or_merges(store: LocalCatalog) -> None:
    schema = registered(store)
    part = store.create_block_document(document(schema, "part", {}))
    saved = store.create_block_document(document(schema, "a", {"x": 1, "y": 2, "part": reference(part)}))
    store.update_block_document(saved.id, {"y": 3}, merge=True)
    changed = store.block_document(id=saved.id)
    assert (changed.data, set(changed.references)) == ({"x": 1, "y": 3, "part": {}}, {"part"})
    store.update_block_document(saved.id, {"part": "plain", "x": reference(part)}, merge=True)
    assert store.block_document(id=saved.id).data == {"y": 3, "part": "plain", "x": {}}
    store.update_block_document(saved.id, {"z": 1}, schema.id)
    assert store.block_document(id=saved.id).data == {"z": 1}
    with pytest.raises(ObjectNotFound):
        store.update_block_document(uuid4(), {})
    with pytest.raises(ObjectNotFound):
        store.update_block_document(uuid4(), {}, merge=True)


def test_what_is_deleted_is_gone_with_what_referred_to_it(store: LocalCatalog) -> None:
    schema = registered(store)
    part = store.create_block_document(document(schema, "part", {}))
    whole = store.create_block_document(document(schema, "whole", {"part": reference(part)}))
    store.delete("block_documents", id=part.id)
    assert store.block_document(id=whole.id).data == {}
    store.delete("block_types", slug="car")
    assert [store.find("block_types"), store.find("block_schemas"), store.block_documents()] == [[], [], []]


def test_rotation_gives_every_document_the_new_key(
    store: LocalCatalog, database: SqliteDatabase, tmp_path: Path
) -> None:
    schema = registered(store)
    for number in range(5):
        store.create_block_document(document(schema, f"n{number}", {"pin": str(number)}))
    bystander = LocalCatalog(database, Settings(tmp_path))
    assert bystander.block_document(True, slug="car", name="n0").data == {"pin": "0"}
    before = (tmp_path / kept.KEY_FILE).read_text()
    key = store.rotate_key()
    assert (tmp_path / kept.KEY_FILE).read_text().strip() == key != before.strip()
    for each in (store, bystander, LocalCatalog(database, Settings(tmp_path))):
        assert [found.data["pin"] for found in each.block_documents(include_secrets=True)] == list("01234")
    bystander.create_block_document(document(schema, "later", {"pin": "5"}))
    assert store.block_document(True, slug="car", name="later").data == {"pin": "5"}


def test_a_given_key_is_rotated_to_another_given_key(database: SqliteDatabase, tmp_path: Path) -> None:
    store = LocalCatalog(database, Settings(tmp_path, encryption_key=kept.new_key()))
    store.create_block_document(document(registered(store), "a", {"pin": "1"}))
    fresh = store.rotate_key(kept.new_key())
    again = LocalCatalog(database, Settings(tmp_path, encryption_key=fresh))
    assert again.block_document(True, slug="car", name="a").data == {"pin": "1"}
    assert not (tmp_path / kept.KEY_FILE).exists()
    with pytest.raises(ConfigurationError, match="the new key is not one"):
        store.rotate_key("nonsense")


@pytest.mark.parametrize("committed", [False, True])
def test_a_rotation_that_died_midway_loses_nothing(database: SqliteDatabase, tmp_path: Path, committed: bool) -> None:
    store = LocalCatalog(database, Settings(tmp_path))
    schema = registered(store)
    store.create_block_document(document(schema, "a", {"pin": "1"}))
    keyring = kept.Keyring(tmp_path)
    current, fresh = keyring.key(), kept.new_key()
    if committed:
        store.rotate_key(fresh)
    keyring.replace(fresh, current)  # as it was before the old key went
    after = LocalCatalog(database, Settings(tmp_path))
    assert after.block_document(True, slug="car", name="a").data == {"pin": "1"}
    after.create_block_document(document(schema, "b", {"pin": "2"}))
    after.rotate_key()
    final = LocalCatalog(database, Settings(tmp_path))
    assert [each.data["pin"] for each in final.block_documents(include_secrets=True)] == ["1", "2"]


def test_a_store_never_needs_two_keys(database: SqliteDatabase, tmp_path: Path) -> None:
    schema = registered(LocalCatalog(database, Settings(tmp_path)))
    LocalCatalog(database, Settings(tmp_path)).create_block_document(document(schema, "a", {"pin": "1"}))
    stranger = LocalCatalog(database, Settings(tmp_path, encryption_key=kept.new_key()))
    with pytest.raises(ConfigurationError, match="The block car/a was encrypted with another key"):
        stranger.create_block_document(document(schema, "b", {}))
    with pytest.raises(ConfigurationError, match="The block car/a was encrypted with another key"):
        stranger.block_document(slug="car", name="a")
    (tmp_path / kept.KEY_FILE).unlink()
    with pytest.raises(ConfigurationError, match=r"^There are encrypted blocks but no key: restore .*encryption\.key"):
        LocalCatalog(database, Settings(tmp_path)).create_block_document(document(schema, "b", {}))
    with pytest.raises(ConfigurationError, match="There are encrypted blocks but no key"):
        LocalCatalog(database, Settings(tmp_path)).block_document(slug="car", name="a")
    assert not (tmp_path / kept.KEY_FILE).exists()
