"""Rows of block types, block schemas and block documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from orchestration.domain.errors import ObjectAlreadyExists, UsageError
from orchestration.domain.schemas.catalog import BlockDocument, BlockSchema, BlockType, masked
from orchestration.domain.schemas.wire import Document, record_of
from orchestration.persistence import documents
from orchestration.persistence.database import Row, Transaction

T = TypeVar("T")
# (token, what it is) -> the document in it.
Open = Callable[[str, str], dict[str, Any]]

# How far references are followed; documents that point to each other in a ring are refused there.
DEEPEST = 50


def insert_document(tx: Transaction, document: BlockDocument, seal: Callable[[Mapping[str, Any]], str]) -> None:
    """Store a document, its references apart from its sealed values.

    Raises:
        ObjectAlreadyExists: the type has a document of that name.
    """
    name = document.name or f"anonymous-{document.id}"
    plain, references = split_references(document.data)
    row = {**_born(document, document.created), "name": name, "data": seal(plain)}
    try:
        documents.insert(tx, "block_documents", row)
    except ObjectAlreadyExists:
        said = f"The block document {name!r} exists already; pass overwrite=True to replace it."
        raise ObjectAlreadyExists(said) from None
    _write_references(tx, document.id, references)


def update_document(
    tx: Transaction, document_id: UUID, data: str, references: Mapping[str, UUID], schema_id: UUID | None, now: datetime
) -> None:
    """Give a document other sealed values and references and, unless ``None``, another schema.

    Raises:
        ObjectNotFound: there is none of that id.
    """
    changes = {"data": data, "updated": now, **({"block_schema_id": schema_id} if schema_id else {})}
    if not documents.update(tx, "block_documents", changes, {"id": document_id}):
        raise documents.not_found("block_documents", {"id": document_id})
    _write_references(tx, document_id, references)


def document_of(source: documents.Source, row: Row, unseal: Open, secrets: bool, depth: int = 0) -> BlockDocument:
    """The document of a row, with the values of the documents that it points to."""
    what = f"The block {row['slug']}/{row['name']}"
    if depth > DEEPEST:
        raise UsageError(f"{what} points to blocks that point back to it; save one of them without the reference.")
    schema = _first(source, "block_schemas", BlockSchema, row["block_schema_id"])
    block_type = _first(source, "block_types", BlockType, row["block_type_id"])
    data = unseal(row["data"], what)
    if not secrets:
        data = masked(data, list(schema.fields.get("secret_fields", [])) if schema else ["*"])
    children = {
        name: document_of(source, child, unseal, secrets, depth + 1)
        for name, target in references_of(source, row["id"]).items()
        for child in documents.rows(source, "block_documents", {"id": target})
    }
    return record_of(
        BlockDocument, documents.to_document("block_documents", row),
        data={**data, **{name: child.data for name, child in children.items()}},
        block_schema=schema, block_type=block_type, references=children,
    )  # fmt: skip


def _first(source: documents.Source, resource: str, kind: type[T], row_id: str) -> T | None:
    return next((record_of(kind, each) for each in documents.read(source, resource, {"id": row_id})), None)


def references_of(source: documents.Source, document_id: UUID | str) -> dict[str, UUID]:
    """The ids of the documents that a document points to, by the field that does."""
    found = documents.read(source, "block_references", {"parent_block_document_id": document_id})
    return {each["name"]: UUID(each["reference_block_document_id"]) for each in found}


def split_references(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, UUID]]:
    """A document's own values, and the ids that its ``{"$ref": {"block_document_id": ...}}`` fields name."""
    plain: dict[str, Any] = {}
    references: dict[str, UUID] = {}
    for name, value in data.items():
        if not isinstance(value, Mapping) or not isinstance(value.get("$ref"), Mapping):
            plain[name] = value
            continue
        try:
            references[name] = UUID(str(value["$ref"]["block_document_id"]))
        except (KeyError, ValueError):
            raise UsageError(f"The field {name!r} refers to a block without a valid block_document_id.") from None
    return plain, references


def sealed_documents(tx: Transaction, limit: int = documents.MANY) -> list[Row]:
    """Rows of documents; until this transaction ends, no other one asks, and so none writes any."""
    tx.lock("block documents")
    return documents.rows(tx, "block_documents", {}, limit, order="id")


def _write_references(tx: Transaction, document_id: UUID, references: Mapping[str, UUID]) -> None:
    for target in references.values():
        if not documents.rows(tx, "block_documents", {"id": target}):
            raise documents.not_found("block_documents", {"id": target})
    documents.delete(tx, "block_references", {"parent_block_document_id": document_id})
    for name, target in references.items():
        reference = {"parent_block_document_id": document_id, "name": name, "reference_block_document_id": target}
        documents.insert(tx, "block_references", reference)


def _born(record: BlockDocument, now: datetime | None) -> Document:
    """The fields of a record that is made at that time."""
    return {**{field.name: getattr(record, field.name) for field in fields(record)}, "created": now, "updated": now}
