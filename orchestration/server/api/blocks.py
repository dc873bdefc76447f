"""Block schemas and block documents."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from orchestration.backend.clock import new_id
from orchestration.backend.port import Backend
from orchestration.domain.errors import UsageError
from orchestration.domain.schemas.blocks import BlockDocument
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document, plain
from orchestration.server.api.documents import Keys, check_known
from orchestration.server.models import where_of

_REFERENCE = ("id", "name", "block_type", "is_anonymous", "block_document_references")


def of_type(backend: Backend, keys: Keys, _body: None) -> list[Document]:
    """The blocks of a type."""
    backend.read("block_types", slug=keys["slug"])
    return [as_document(each) for each in backend.blocks.block_documents(keys["slug"], keys["include_secrets"])]


def of_name(backend: Backend, keys: Keys, _body: None) -> Document:
    """The block of that type and name."""
    return as_document(backend.blocks.block_document_by_name(keys["slug"], keys["name"], keys["include_secrets"]))


def schema_of_checksum(backend: Backend, keys: Keys, _body: None) -> Document:
    """The schema of that checksum, the newest unless a version is named."""
    version = {"version": keys["version"]} if keys["version"] else {}
    return backend.read("block_schemas", checksum=keys["checksum"], **version)


def create_schema(backend: Backend, _keys: Keys, body: Any) -> Document:
    """Store a schema; the one of the same checksum and version is the answer where there is one."""
    check_known(backend, block_types=body.block_type_id)
    return backend.create("block_schemas", body.whole(), overwrite=True)


def create(backend: Backend, _keys: Keys, body: Any) -> Document:
    """Save a block."""
    if not body.name and not body.is_anonymous:
        raise UsageError("A block document needs a name, unless it is anonymous.")
    check_known(backend, block_types=body.block_type_id, block_schemas=body.block_schema_id)
    return as_document(backend.blocks.create_block_document(BlockDocument(id=new_id(), **body.model_dump())))


def read(backend: Backend, keys: Keys, _body: None) -> Document:
    """A block; its secrets are masked unless they are asked for."""
    return as_document(backend.blocks.block_document(keys["id"], keys["include_secrets"]))


def change(backend: Backend, keys: Keys, body: Any) -> None:
    """Give a block other values: those that are named, or with ``merge_existing_data`` false all."""
    backend.blocks.update_block_document(keys["id"], body.data, body.block_schema_id, body.merge_existing_data)


def delete(backend: Backend, keys: Keys, _body: None) -> None:
    """Remove a block."""
    backend.delete("block_documents", id=keys["id"])


def find(resource: str, backend: Backend, _keys: Keys, body: Any) -> list[Document]:
    """Blocks by name."""
    found = backend.find(resource, Query(_where(body), body.sort, body.limit, body.offset))
    return [as_document(backend.blocks.block_document(UUID(each["id"]), body.include_secrets)) for each in found]


def count(resource: str, backend: Backend, _keys: Keys, body: Any) -> int:
    """How many blocks there are."""
    return backend.count(resource, _where(body))


def _where(body: Any) -> Document:
    """The filters of a request; blocks without a name are left out unless it speaks of them."""
    where, given = where_of(body, "block_documents", {}), body.block_documents
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
