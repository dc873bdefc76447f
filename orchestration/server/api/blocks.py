"""Block types, block schemas and block documents."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import create_model

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import UsageError
from orchestration.domain.schemas.blocks import BlockDocument
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document, plain
from orchestration.server import routes, work_bodies as bodies
from orchestration.server.answers import Json
from orchestration.server.parameters import check_known

ONE = "/block_documents/{id:uuid}"
_REFERENCE = ("id", "name", "block_type", "is_anonymous", "block_document_references")
_FILTERS = routes.filters_model("block_documents block_types block_schemas", "block_documents")
_SORT: Any = (Literal["NAME_ASC", "NAME_DESC", "BLOCK_TYPE_AND_NAME_ASC"], "NAME_ASC")
_LISTING = create_model("BlockListing", __base__=(bodies.Page, _FILTERS), include_secrets=(bool, False), sort=_SORT)

router = APIRouter(tags=["Blocks"])


@router.get("/block_types/slug/{slug}/block_documents")
def blocks_of_type(slug: str, backend: routes.BackendOf, include_secrets: bool = False) -> Json:
    """The blocks of a type."""
    backend.read("block_types", slug=slug)
    return Json([as_document(each) for each in backend.blocks.block_documents(slug, include_secrets)])


@router.get("/block_types/slug/{slug}/block_documents/name/{name}")
def block_of_name(slug: str, name: str, backend: routes.BackendOf, include_secrets: bool = False) -> Json:
    """The block of that type and name."""
    return Json(as_document(backend.blocks.block_document_by_name(slug, name, include_secrets)))


@router.get("/block_schemas/checksum/{checksum}")
def schema_of_checksum(checksum: str, backend: routes.BackendOf, version: str | None = None) -> Json:
    """The schema of that checksum, the newest unless a version is named."""
    return Json(backend.read("block_schemas", checksum=checksum, **({"version": version} if version else {})))


@router.get(ONE)
def read_document(id: UUID, backend: routes.BackendOf, include_secrets: bool = False) -> Json:
    """A block; its secrets are masked unless they are asked for."""
    return Json(as_document(backend.blocks.block_document(id, include_secrets)))


def create_schema(backend: Backend, _keys: routes.Keys, body: Any) -> Json:
    """Store a schema; the one of the same checksum and version is the answer where there is one."""
    check_known(backend, block_types=body.block_type_id)
    began = utc_now()
    stored = backend.create("block_schemas", body.whole(), overwrite=True)
    return Json(stored, 201 if routes.is_new(stored, began) else 200)


def create_document(backend: Backend, _keys: routes.Keys, body: Any) -> Document:
    """Save a block."""
    if not body.name and not body.is_anonymous:
        raise UsageError("A block document needs a name, unless it is anonymous.")
    check_known(backend, block_types=body.block_type_id, block_schemas=body.block_schema_id)
    return as_document(backend.blocks.create_block_document(BlockDocument(id=new_id(), **body.model_dump())))


def change_document(backend: Backend, keys: routes.Keys, body: Any) -> None:
    """Give a block other values: those that are named, or with ``merge_existing_data`` false all."""
    backend.blocks.update_block_document(keys["id"], body.data, body.block_schema_id, body.merge_existing_data)


def delete_document(backend: Backend, keys: routes.Keys, _body: None) -> None:
    """Remove a block."""
    backend.delete("block_documents", id=keys["id"])


def filter_documents(backend: Backend, _keys: routes.Keys, body: Any) -> list[Document]:
    """Blocks by name."""
    sort = body.sort.removeprefix("BLOCK_TYPE_AND_")
    found = backend.find("block_documents", Query(_where(body), sort, body.limit, body.offset))
    return [as_document(backend.blocks.block_document(UUID(each["id"]), body.include_secrets)) for each in found]


def count_documents(backend: Backend, _keys: routes.Keys, body: Any) -> int:
    """How many blocks there are."""
    return backend.count("block_documents", _where(body))


def _where(body: Any) -> Document:
    """The filters of a request; blocks without a name are left out unless it speaks of them."""
    where, given = routes.where_of(body, "block_documents"), body.block_documents
    if given is None or "is_anonymous" not in given.model_fields_set:
        where["block_documents"] = {**where.get("block_documents", {}), "is_anonymous": {"eq_": False}}
    return where


def as_document(block: BlockDocument) -> Document:
    """The JSON of a block, with those that it points to."""
    shown: Document = plain({**asdict(replace(block, references={})), "block_type_name": block.block_type_name})
    del shown["references"]
    if shown["block_schema"]:
        shown["block_schema"]["block_type"] = shown["block_type"]
    shown["block_document_references"] = {name: _reference(child) for name, child in block.references.items()}
    return shown


def _reference(block: BlockDocument) -> Document:
    return {"block_document": {name: value for name, value in as_document(block).items() if name in _REFERENCE}}


routes.add_create(router, "block_types", bodies.BlockTypeCreate, "/block_types/")
routes.add_one(router, "block_types", "/block_types/slug/{slug}", remove=False)
routes.add_one(router, "block_types", "/block_types/{id:uuid}", bodies.BlockTypeUpdate)
routes.add_listings(router, "block_types", "block_types block_schemas", "/block_types", count=False)
routes.add(router, "POST", "/block_schemas/", create_schema, body=bodies.BlockSchemaCreate, status=201)
routes.add_one(router, "block_schemas", "/block_schemas/{id:uuid}")
routes.add_listings(router, "block_schemas", "block_schemas", "/block_schemas", count=False)
routes.add(router, "POST", "/block_documents/", create_document, body=bodies.BlockDocumentCreate, status=201)
routes.add(router, "PATCH", ONE, change_document, body=bodies.BlockDocumentUpdate, status=204)
routes.add(router, "DELETE", ONE, delete_document, status=204)
routes.add(router, "POST", "/block_documents/filter", filter_documents, body=_LISTING)
routes.add(router, "POST", "/block_documents/count", count_documents, body=_FILTERS)
