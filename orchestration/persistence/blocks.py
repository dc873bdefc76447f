"""Rows of block types, block schemas and block documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound, UsageError
from orchestration.domain.schemas.blocks import BlockDocument, BlockSchema, BlockType, masked
from orchestration.persistence import values
from orchestration.persistence.database import Params, Row, Transaction

Open = Callable[[str, str], dict[str, Any]]
"""(token, what it is) -> the document in it."""

Read = Callable[[str, Params], list[Row]]
"""Runs a SELECT: a database's ``read``, or a transaction's ``execute``."""

MANY = 2**62
"""A limit that limits nothing."""

DEEPEST = 50
"""How far references are followed; documents that point to each other in a ring are refused there."""


def upsert_type(tx: Transaction, proposed: BlockType, now: datetime) -> BlockType:
    """Store a block type, or give the one of that slug its new texts."""
    params = {
        "id": str(proposed.id),
        "name": proposed.name,
        "slug": proposed.slug,
        "logo": proposed.logo_url,
        "docs": proposed.documentation_url,
        "description": proposed.description,
        "example": proposed.code_example,
        "protected": int(proposed.is_protected),
        "now": values.micros(now),
    }
    rows = tx.execute(
        "INSERT INTO block_type (id, name, slug, logo_url, documentation_url, description, code_example, is_protected, "
        "created, updated) VALUES (:id, :name, :slug, :logo, :docs, :description, :example, :protected, :now, :now) "
        "ON CONFLICT (slug) DO UPDATE SET logo_url = excluded.logo_url, "
        "documentation_url = excluded.documentation_url, description = excluded.description, "
        "code_example = excluded.code_example, updated = excluded.updated "
        "RETURNING *",
        params,
    )
    return _type(rows[0])


def read_types(read: Read, slug: str | None = None) -> list[BlockType]:
    """All block types by slug, or the one of that slug."""
    where, params = ("WHERE slug = :slug", {"slug": slug}) if slug is not None else ("", {})
    return [_type(row) for row in read(f"SELECT * FROM block_type {where} ORDER BY slug", params)]  # noqa: S608 - two fixed texts


def delete_type(tx: Transaction, slug: str) -> None:
    """Remove a block type with its schemas and documents.

    Raises:
        ObjectNotFound: there is none of that slug.
    """
    rows = tx.execute("DELETE FROM block_type WHERE slug = :slug RETURNING id", {"slug": slug})
    if not rows:
        raise ObjectNotFound(f"There is no block type {slug!r}; list them with `orchestrate block type ls`.")
    params = {"type": rows[0]["id"]}
    of_type = "SELECT id FROM block_document WHERE block_type_id = :type"
    tx.execute(
        f"DELETE FROM block_document_reference WHERE parent_block_document_id IN ({of_type}) "  # noqa: S608 - fixed text
        f"OR reference_block_document_id IN ({of_type})",
        params,
    )
    tx.execute("DELETE FROM block_document WHERE block_type_id = :type", params)
    tx.execute("DELETE FROM block_schema WHERE block_type_id = :type", params)


def find_or_create_schema(tx: Transaction, proposed: BlockSchema, now: datetime) -> BlockSchema:
    """Store a schema, or the one of the same checksum and version that is there."""
    tx.execute(
        "INSERT INTO block_schema (id, checksum, fields, block_type_id, capabilities, version, created, updated) "
        "VALUES (:id, :checksum, :fields, :type, :capabilities, :version, :now, :now) "
        "ON CONFLICT (checksum, version) DO NOTHING",
        {
            "id": str(proposed.id),
            "checksum": proposed.checksum,
            "fields": values.encode(dict(proposed.fields)),
            "type": str(proposed.block_type_id),
            "capabilities": values.encode(proposed.capabilities),
            "version": proposed.version,
            "now": values.micros(now),
        },
    )
    return read_schema(tx.execute, proposed.checksum, proposed.version)


def read_schema(read: Read, checksum: str, version: str | None = None) -> BlockSchema:
    """The schema of a checksum; the newest one when no version is named.

    Raises:
        ObjectNotFound: there is none.
    """
    wanted = "AND version = :version " if version is not None else ""
    rows = read(
        f"SELECT * FROM block_schema WHERE checksum = :checksum {wanted}ORDER BY created DESC LIMIT 1",  # noqa: S608 - fixed texts
        {"checksum": checksum, "version": version},
    )
    if not rows:
        raise ObjectNotFound(f"There is no block schema with the checksum {checksum}.")
    return _schema(rows[0])


def read_schemas(read: Read, type_id: UUID | None = None) -> list[BlockSchema]:
    """All schemas, newest first, or those of one type."""
    where, params = ("WHERE block_type_id = :type", {"type": str(type_id)}) if type_id is not None else ("", {})
    rows = read(f"SELECT * FROM block_schema {where} ORDER BY created DESC, id", params)  # noqa: S608 - fixed texts
    return [_schema(row) for row in rows]


def insert_document(tx: Transaction, document: BlockDocument, seal: Callable[[Mapping[str, Any]], str]) -> None:
    """Store a document, its references apart from its sealed values.

    Raises:
        ObjectAlreadyExists: the type has a document of that name.
    """
    name = document.name or f"anonymous-{document.id}"
    plain, references = split_references(document.data)
    written = tx.execute(
        "INSERT INTO block_document (id, name, data, block_schema_id, block_type_id, is_anonymous, created, updated) "
        "VALUES (:id, :name, :data, :schema, :type, :anonymous, :now, :now) "
        "ON CONFLICT (block_type_id, name) DO NOTHING RETURNING id",
        {
            "id": str(document.id),
            "name": name,
            "data": seal(plain),
            "schema": str(document.block_schema_id),
            "type": str(document.block_type_id),
            "anonymous": int(document.is_anonymous),
            "now": values.micros_or_none(document.created),
        },
    )
    if not written:
        raise ObjectAlreadyExists(f"The block document {name!r} exists already; pass overwrite=True to replace it.")
    _write_references(tx, document.id, references)


def update_document(
    tx: Transaction, document_id: UUID, data: str, references: Mapping[str, UUID], schema_id: UUID | None, now: datetime
) -> None:
    """Give a document other sealed values and references and, unless ``None``, another schema.

    Raises:
        ObjectNotFound: there is none of that id.
    """
    changed = tx.execute(
        "UPDATE block_document SET data = :data, block_schema_id = COALESCE(:schema, block_schema_id), updated = :now "
        "WHERE id = :id RETURNING id",
        {"id": str(document_id), "data": data, "schema": values.text_id(schema_id), "now": values.micros(now)},
    )
    if not changed:
        raise ObjectNotFound(f"There is no block document with the id {document_id}.")
    _write_references(tx, document_id, references)


def delete_document(tx: Transaction, document_id: UUID) -> None:
    """Remove a document.

    Raises:
        ObjectNotFound: there is none of that id.
    """
    params = {"id": str(document_id)}
    if not tx.execute("DELETE FROM block_document WHERE id = :id RETURNING id", params):
        raise ObjectNotFound(f"There is no block document with the id {document_id}.")
    tx.execute(
        "DELETE FROM block_document_reference "
        "WHERE parent_block_document_id = :id OR reference_block_document_id = :id",
        params,
    )


def document_rows(read: Read, where: str, params: Mapping[str, Any], limit: int, offset: int) -> list[Row]:
    """Rows of documents with the slug of their type, by type and name; ``where`` is a fixed text of the caller."""
    return read(
        "SELECT d.*, t.slug FROM block_document d JOIN block_type t ON t.id = d.block_type_id "  # noqa: S608 - fixed texts
        f"WHERE {where} ORDER BY t.slug, d.name LIMIT :limit OFFSET :offset",
        {**params, "limit": limit, "offset": offset},
    )


def document_of(read: Read, row: Row, unseal: Open, secrets: bool, depth: int = 0) -> BlockDocument:
    """The document of a row, with the values of the documents that it points to."""
    what = f"The block {row['slug']}/{row['name']}"
    if depth > DEEPEST:
        raise UsageError(f"{what} points to blocks that point back to it; save one of them without the reference.")
    schema_row = read("SELECT * FROM block_schema WHERE id = :id", {"id": row["block_schema_id"]})
    type_row = read("SELECT * FROM block_type WHERE id = :id", {"id": row["block_type_id"]})
    schema = _schema(schema_row[0]) if schema_row else None
    data = unseal(row["data"], what)
    if not secrets:
        data = masked(data, list(schema.fields.get("secret_fields", [])) if schema else ["*"])
    references = _references(read, row, unseal, secrets, depth)
    return BlockDocument(
        UUID(row["id"]),
        row["name"],
        {**data, **{name: document.data for name, document in references.items()}},
        UUID(row["block_schema_id"]),
        UUID(row["block_type_id"]),
        schema,
        _type(type_row[0]) if type_row else None,
        references,
        bool(row["is_anonymous"]),
        values.known_moment(row["created"]),
        values.known_moment(row["updated"]),
    )


def own_values(tx: Transaction, document_id: UUID, unseal: Open) -> tuple[dict[str, Any], dict[str, UUID]]:
    """A document's own values and its references, as ``split_references`` gives them.

    Raises:
        ObjectNotFound: there is none of that id.
    """
    params = {"id": str(document_id)}
    found = tx.execute("SELECT data FROM block_document WHERE id = :id", params)
    if not found:
        raise ObjectNotFound(f"There is no block document with the id {document_id}.")
    references = tx.execute(
        "SELECT name, reference_block_document_id AS target FROM block_document_reference "
        "WHERE parent_block_document_id = :id",
        params,
    )
    data = unseal(found[0]["data"], f"The block document {document_id}")
    return data, {row["name"]: UUID(row["target"]) for row in references}


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


def sealed_documents(tx: Transaction, limit: int = MANY) -> list[Row]:
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
    parent = str(document_id)
    tx.execute("DELETE FROM block_document_reference WHERE parent_block_document_id = :id", {"id": parent})
    tx.insert_many(
        "INSERT INTO block_document_reference (parent_block_document_id, name, reference_block_document_id)",
        [(parent, name, str(target)) for name, target in references.items()],
    )


def _references(read: Read, row: Row, unseal: Open, secrets: bool, depth: int) -> dict[str, BlockDocument]:
    children = read(
        "SELECT r.name AS field, d.*, t.slug FROM block_document_reference r "
        "JOIN block_document d ON d.id = r.reference_block_document_id JOIN block_type t ON t.id = d.block_type_id "
        "WHERE r.parent_block_document_id = :id",
        {"id": row["id"]},
    )
    return {child["field"]: document_of(read, child, unseal, secrets, depth + 1) for child in children}


def _type(row: Row) -> BlockType:
    return BlockType(
        UUID(row["id"]),
        row["slug"],
        row["name"],
        row["logo_url"],
        row["documentation_url"],
        row["description"],
        row["code_example"],
        bool(row["is_protected"]),
        values.known_moment(row["created"]),
        values.known_moment(row["updated"]),
    )


def _schema(row: Row) -> BlockSchema:
    return BlockSchema(
        UUID(row["id"]),
        row["checksum"],
        values.decode(row["fields"]),
        UUID(row["block_type_id"]),
        None,
        tuple(values.decode(row["capabilities"])),
        row["version"],
        values.known_moment(row["created"]),
        values.known_moment(row["updated"]),
    )
