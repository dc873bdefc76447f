"""Rows of block types, block schemas and block documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound, UsageError
from orchestration.domain.schemas.blocks import BlockDocument, BlockSchema, BlockType, masked
from orchestration.domain.schemas.wire import Document, record_of
from orchestration.persistence import documents
from orchestration.persistence.database import Database, Row, Transaction
from orchestration.persistence.documents import to_document

Open = Callable[[str, str], dict[str, Any]]
"""(token, what it is) -> the document in it."""

Source = Database | Transaction

DEEPEST = 50
"""How far references are followed; documents that point to each other in a ring are refused there."""


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
        raise no_document(document_id)
    _write_references(tx, document_id, references)


def no_document(document_id: UUID) -> ObjectNotFound:
    """The error that tells of a document that is not there."""
    return ObjectNotFound(f"There is no block document with the id {document_id}.")


def document_rows(source: Source, where: str, params: Mapping[str, Any], limit: int, offset: int) -> list[Row]:
    """Rows of documents with the slug of their type, by type and name; ``where`` is a fixed text of the caller."""
    ask = source.read if isinstance(source, Database) else source.execute
    return ask(
        "SELECT d.*, t.slug FROM block_document d JOIN block_type t ON t.id = d.block_type_id "  # noqa: S608 - fixed texts
        f"WHERE {where} ORDER BY t.slug, d.name LIMIT :limit OFFSET :offset",
        {**params, "limit": limit, "offset": offset},
    )


def document_of(source: Source, row: Row, unseal: Open, secrets: bool, depth: int = 0) -> BlockDocument:
    """The document of a row, with the values of the documents that it points to."""
    what = f"The block {row['slug']}/{row['name']}"
    if depth > DEEPEST:
        raise UsageError(f"{what} points to blocks that point back to it; save one of them without the reference.")
    found = documents.read(source, "block_schemas", {"id": row["block_schema_id"]})
    schemas = [record_of(BlockSchema, each) for each in found]
    types = [record_of(BlockType, each) for each in documents.read(source, "block_types", {"id": row["block_type_id"]})]
    data = unseal(row["data"], what)
    if not secrets:
        data = masked(data, list(schemas[0].fields.get("secret_fields", [])) if schemas else ["*"])
    children = {
        reference["name"]: document_of(source, child, unseal, secrets, depth + 1)
        for reference in documents.read(source, "block_references", {"parent_block_document_id": row["id"]})
        for child in document_rows(source, "d.id = :id", {"id": reference["reference_block_document_id"]}, 1, 0)
    }
    return record_of(
        BlockDocument, to_document("block_documents", row),
        data={**data, **{name: child.data for name, child in children.items()}},
        block_schema=schemas[0] if schemas else None, block_type=types[0] if types else None, references=children,
    )


def own_values(tx: Transaction, document_id: UUID, unseal: Open) -> tuple[dict[str, Any], dict[str, UUID]]:
    """A document's own values and its references, as ``split_references`` gives them.

    Raises:
        ObjectNotFound: there is none of that id.
    """
    found = documents.read(tx, "block_documents", {"id": document_id})
    if not found:
        raise no_document(document_id)
    references = documents.read(tx, "block_references", {"parent_block_document_id": document_id})
    data = unseal(found[0]["data"], f"The block document {document_id}")
    return data, {each["name"]: UUID(each["reference_block_document_id"]) for each in references}


def split_references(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, UUID]]:
    """A document's own values, and the ids that its ``{"$ref": {"block_document_id": ...}}`` fields name."""
    plain: dict[str, Any] = {}
    references: dict[str, UUID] = {}
    for name, value in data.items():
        if isinstance(value, Mapping) and isinstance(value.get("$ref"), Mapping):
            references[name] = _referred(name, value["$ref"])
        else:
            plain[name] = value
    return plain, references


def sealed_documents(tx: Transaction, limit: int = documents.MANY) -> list[Row]:
    """Id and sealed values of documents; until this transaction ends, no other one asks, and so none writes any."""
    tx.lock("block documents")
    return tx.execute("SELECT id, data FROM block_document ORDER BY id LIMIT :limit", {"limit": limit})


def reseal(tx: Transaction, document_id: str, data: str) -> None:
    """Put differently sealed, otherwise equal values in the place of a document's own."""
    tx.execute("UPDATE block_document SET data = :data WHERE id = :id", {"id": document_id, "data": data})


def _referred(name: str, reference: Mapping[str, Any]) -> UUID:
    try:
        return UUID(str(reference["block_document_id"]))
    except (KeyError, ValueError):
        raise UsageError(f"The field {name!r} refers to a block without a valid block_document_id.") from None


def _write_references(tx: Transaction, document_id: UUID, references: Mapping[str, UUID]) -> None:
    for target in references.values():
        if not documents.rows(tx, "block_documents", {"id": target}):
            raise no_document(target)
    documents.delete(tx, "block_references", {"parent_block_document_id": document_id})
    rows = [
        {"parent_block_document_id": document_id, "name": name, "reference_block_document_id": target}
        for name, target in references.items()
    ]
    documents.insert_many(tx, "block_references", rows)


def _born(record: BlockDocument, now: datetime | None) -> Document:
    """The fields of a record that is made at that time."""
    return {**{field.name: getattr(record, field.name) for field in fields(record)}, "created": now, "updated": now}
