"""Block types, block schemas and block documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException
from pydantic import create_model

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.schemas.block_checksums import checksum_of
from orchestration.domain.schemas.blocks import BlockDocument, BlockSchema
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document, plain
from orchestration.server import work_bodies as bodies
from orchestration.server.answers import Json
from orchestration.server.routes import BackendOf, add, add_create, add_listings, add_one, filters_model, where_of

FILTERS = "block_documents block_types block_schemas"

router = APIRouter()
types = APIRouter(prefix="/block_types", tags=["Block Types"])
schemas = APIRouter(prefix="/block_schemas", tags=["Block Schemas"])
documents = APIRouter(prefix="/block_documents", tags=["Block Documents"])

add_create(types, "block_types", bodies.BlockTypeCreate)
add_one(types, "block_types", "/slug/{slug}", remove=False)
add_one(types, "block_types", "/{id:uuid}", bodies.BlockTypeUpdate)
add_listings(types, "block_types", "block_types block_schemas", count=False)
add_one(schemas, "block_schemas", "/{id:uuid}")
add_listings(schemas, "block_schemas", "block_schemas", count=False)


@types.post("/install_system_block_types", response_model=None)
def install_system_block_types() -> Json:
    """Nothing: each type comes with the first block that is saved of it."""
    return Json(None)


@types.get("/slug/{slug}/block_documents", response_model=None)
def blocks_of_type(slug: str, backend: BackendOf, include_secrets: bool = False) -> Json:
    """The blocks of a type."""
    backend.blocks.block_type(slug)
    return Json([as_document(each) for each in backend.blocks.block_documents(slug, include_secrets)])


@types.get("/slug/{slug}/block_documents/name/{name}", response_model=None)
def block_of_name(slug: str, name: str, backend: BackendOf, include_secrets: bool = False) -> Json:
    """The block of that type and name."""
    return Json(as_document(backend.blocks.block_document_by_name(slug, name, include_secrets)))


@router.get("/block_capabilities/", tags=["Block Schemas"], response_model=None)
def capabilities(backend: BackendOf) -> Json:
    """What the blocks that are known can do."""
    return Json(sorted({each for schema in backend.blocks.block_schemas() for each in schema.capabilities}))


@schemas.post("/", status_code=201, response_model=None)
def create_schema(body: bodies.BlockSchemaCreate, backend: BackendOf) -> Json:
    """Store a schema; the one of the same checksum and version is the answer where there is one."""
    _known(backend, block_types=body.block_type_id)
    given, began = body.model_dump(), utc_now()
    proposed = BlockSchema(new_id(), checksum_of(body.fields), **{**given, "capabilities": tuple(body.capabilities)})
    stored = backend.blocks.save_block_schema(proposed)
    is_new = stored.created is not None and stored.created >= began
    return Json(backend.read("block_schemas", id=stored.id), 201 if is_new else 200)


@schemas.get("/checksum/{checksum}", response_model=None)
def schema_of_checksum(checksum: str, backend: BackendOf, version: str | None = None) -> Json:
    """The schema of that checksum, the newest unless a version is named."""
    return Json(backend.read("block_schemas", id=backend.blocks.block_schema(checksum, version).id))


@documents.post("/", status_code=201, response_model=None)
def create_document(body: bodies.BlockDocumentCreate, backend: BackendOf) -> Json:
    """Save a block."""
    _known(backend, block_types=body.block_type_id, block_schemas=body.block_schema_id)
    return Json(as_document(backend.blocks.create_block_document(BlockDocument(id=new_id(), **body.model_dump()))), 201)


@documents.get("/{id:uuid}", response_model=None)
def read_document(id: UUID, backend: BackendOf, include_secrets: bool = False) -> Json:
    """A block; its secrets are masked unless they are asked for."""
    return Json(as_document(backend.blocks.block_document(id, include_secrets)))


@documents.patch("/{id:uuid}", status_code=204, response_model=None)
def change_document(id: UUID, body: bodies.BlockDocumentUpdate, backend: BackendOf) -> None:
    """Give a block other values: those that are named, or with ``merge_existing_data`` false all."""
    backend.blocks.update_block_document(id, body.data, body.block_schema_id, body.merge_existing_data)


@documents.delete("/{id:uuid}", status_code=204, response_model=None)
def delete_document(id: UUID, backend: BackendOf) -> None:
    """Remove a block."""
    backend.blocks.delete_block_document(id)


def filter_documents(backend: Backend, _keys: Mapping[str, Any], body: Any) -> list[Document]:
    """Blocks by name."""
    sort = body.sort.removeprefix("BLOCK_TYPE_AND_")
    found = backend.find("block_documents", Query(_where(body), sort, body.limit, body.offset))
    return [as_document(backend.blocks.block_document(UUID(each["id"]), body.include_secrets)) for each in found]


def count_documents(backend: Backend, _keys: Mapping[str, Any], body: Any) -> int:
    """How many blocks there are."""
    return backend.count("block_documents", _where(body))


_WHERE = filters_model(FILTERS, "block_documents")
_SORT: Any = (Literal["NAME_ASC", "NAME_DESC", "BLOCK_TYPE_AND_NAME_ASC"], "NAME_ASC")
_LISTING = create_model("BlockListing", __base__=(bodies.Page, _WHERE), include_secrets=(bool, False), sort=_SORT)
add(documents, "POST", "/filter", filter_documents, body=_LISTING)
add(documents, "POST", "/count", count_documents, body=_WHERE)


def as_document(block: BlockDocument) -> Document:
    """The JSON of a block."""
    kind = block.block_type and _fields(block.block_type)
    return {
        **_fields(block),
        "block_schema": block.block_schema and {**_fields(block.block_schema), "block_type": kind},
        "block_type": kind,
        "block_type_name": block.block_type_name,
        "block_document_references": {
            name: {"block_document": _reference(child)} for name, child in block.references.items()
        },
    }


def _reference(block: BlockDocument) -> Document:
    names = ("id", "name", "block_type", "is_anonymous", "block_document_references")
    return {name: value for name, value in as_document(block).items() if name in names}


def _fields(record: Any) -> Document:
    return {each.name: plain(getattr(record, each.name)) for each in fields(record) if each.name != "references"}


def _where(body: Any) -> Document:
    """The filters of a request; blocks without a name are left out unless it speaks of them."""
    where, given = where_of(body, "block_documents"), body.block_documents
    if given is None or "is_anonymous" not in given.model_fields_set:
        where["block_documents"] = {**where.get("block_documents", {}), "is_anonymous": {"eq_": False}}
    return where


def _known(backend: Backend, **ids: UUID) -> None:
    """Refuse what points to something that is not there, as Prefect does."""
    for resource, found in ids.items():
        try:
            backend.read(resource, id=found)
        except ObjectNotFound as error:
            raise HTTPException(409, str(error)) from None


for each in (types, schemas, documents):
    router.include_router(each)
