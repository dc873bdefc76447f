"""What documents of any kind have alike: they are listed, and one is made, read, changed or removed.

Blocks have their own forms of these, since their secrets are masked and they point to one another.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from fastapi import HTTPException

from orchestration.backend.clock import new_id
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound, UsageError
from orchestration.domain.schemas.catalog import BlockDocument
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document, plain
from orchestration.server.models import where_of

# Values in the path, by the fields of the document that they are about.
Keys = Mapping[str, Any]
MOST_SPANS = 500


def find(resource: str, backend: Backend, keys: Keys, body: Any) -> list[Document]:
    """A part of the listing."""
    return backend.find(resource, Query(where_of(body, resource, keys), body.sort, body.limit, body.offset))


def count(resource: str, backend: Backend, keys: Keys, body: Any) -> int:
    """How many there are."""
    return backend.count(resource, where_of(body, resource, keys))


def paginate(resource: str, backend: Backend, keys: Keys, body: Any) -> Document:
    """A page of the listing, and how many pages there are."""
    where = where_of(body, resource, keys)
    total = backend.count(resource, where)
    found = backend.find(resource, Query(where, body.sort, body.limit, (body.page - 1) * body.limit))
    pages = -(-total // body.limit)
    return {"results": found, "count": total, "limit": body.limit, "pages": pages, "page": body.page}


def history(resource: str, backend: Backend, keys: Keys, body: Any) -> list[Document]:
    """How many runs there were, by span of time and state."""
    seconds = body.history_interval_seconds
    spans = math.ceil((body.history_end - body.history_start).total_seconds() / seconds)
    number = max(0, min(spans, MOST_SPANS))
    where = where_of(body, resource, keys)
    return backend.history(resource, where, body.history_start, seconds, number) if number else []


def create(resource: str, backend: Backend, keys: Keys, body: Any) -> Document:
    """Make one."""
    return backend.create(resource, {**body.whole(), **keys})


def keep(resource: str, backend: Backend, _keys: Keys, body: Any) -> Document:
    """Make one, unless there is one of that name."""
    try:
        return backend.create(resource, body.whole())
    except ObjectAlreadyExists:
        return backend.read(resource, name=body.name)


def read(resource: str, backend: Backend, keys: Keys, _body: None) -> Document:
    """Read one."""
    return backend.read(resource, **keys)


def change(resource: str, backend: Backend, keys: Keys, body: Any) -> None:
    """Change one."""
    backend.change(resource, body.given(), **keys)


def delete(resource: str, backend: Backend, keys: Keys, _body: None) -> None:
    """Remove one."""
    backend.delete(resource, **keys)


def delete_all(resource: str, backend: Backend, keys: Keys, body: Any) -> Document:
    """Remove those that the filters let through, as many as one page has."""
    found = [each["id"] for each in find(resource, backend, keys, body)]
    for document_id in found:
        backend.delete(resource, id=document_id)
    return {"deleted": found}


def say(answer: Any, _backend: Backend, _keys: Keys, _body: None) -> Any:
    """The same to everybody."""
    return answer


def check_known(backend: Backend, **ids: Any) -> None:
    """Refuse (409, as Prefect does) what points to something that is not there; ``ids`` are by resource."""
    for resource, found in ids.items():
        try:
            backend.read(resource, id=found)
        except ObjectNotFound as error:
            raise HTTPException(409, str(error)) from None


# -- blocks ------------------------------------------------------------------------------------------------------------

_REFERENCE = ("id", "name", "block_type", "is_anonymous", "block_document_references")


def blocks_of_type(backend: Backend, keys: Keys, _body: None) -> list[Document]:
    """The blocks of a type."""
    backend.read("block_types", slug=keys["slug"])
    return [_block(each) for each in backend.blocks.block_documents(keys["slug"], keys["include_secrets"])]


def block_of_name(backend: Backend, keys: Keys, _body: None) -> Document:
    """The block of that type and name."""
    return _block(backend.blocks.block_document_by_name(keys["slug"], keys["name"], keys["include_secrets"]))


def schema_of_checksum(backend: Backend, keys: Keys, _body: None) -> Document:
    """The schema of that checksum, the newest unless a version is named."""
    version = {"version": keys["version"]} if keys["version"] else {}
    return backend.read("block_schemas", checksum=keys["checksum"], **version)


def create_schema(backend: Backend, _keys: Keys, body: Any) -> Document:
    """Store a schema; the one of the same checksum and version is the answer where there is one."""
    check_known(backend, block_types=body.block_type_id)
    return backend.create("block_schemas", body.whole(), overwrite=True)


def create_block(backend: Backend, _keys: Keys, body: Any) -> Document:
    """Save a block."""
    if not body.name and not body.is_anonymous:
        raise UsageError("A block document needs a name, unless it is anonymous.")
    check_known(backend, block_types=body.block_type_id, block_schemas=body.block_schema_id)
    return _block(backend.blocks.create_block_document(BlockDocument(id=new_id(), **body.model_dump())))


def read_block(backend: Backend, keys: Keys, _body: None) -> Document:
    """A block; its secrets are masked unless they are asked for."""
    return _block(backend.blocks.block_document(keys["id"], keys["include_secrets"]))


def change_block(backend: Backend, keys: Keys, body: Any) -> None:
    """Give a block other values: those that are named, or with ``merge_existing_data`` false all."""
    backend.blocks.update_block_document(keys["id"], body.data, body.block_schema_id, body.merge_existing_data)


def find_blocks(resource: str, backend: Backend, _keys: Keys, body: Any) -> list[Document]:
    """Blocks by name."""
    found = backend.find(resource, Query(_block_where(body), body.sort, body.limit, body.offset))
    return [_block(backend.blocks.block_document(UUID(each["id"]), body.include_secrets)) for each in found]


def count_blocks(resource: str, backend: Backend, _keys: Keys, body: Any) -> int:
    """How many blocks there are."""
    return backend.count(resource, _block_where(body))


def _block_where(body: Any) -> Document:
    """The filters of a request; blocks without a name are left out unless it speaks of them."""
    where, given = where_of(body, "block_documents", {}), body.block_documents
    if given is None or "is_anonymous" not in given.model_fields_set:
        where["block_documents"] = {**where.get("block_documents", {}), "is_anonymous": {"eq_": False}}
    return where


def _block(block: BlockDocument) -> Document:
    """The JSON of a block, with those that it points to."""
    shown: Document = plain({**asdict(replace(block, references={})), "block_type_name": block.block_type_name})
    del shown["references"]
    if shown["block_schema"]:
        shown["block_schema"]["block_type"] = shown["block_type"]
    shown["block_document_references"] = {name: _reference(child) for name, child in block.references.items()}
    return shown


def _reference(block: BlockDocument) -> Document:
    return {"block_document": {name: value for name, value in _block(block).items() if name in _REFERENCE}}
