"""Rows that are read and written as JSON documents, whatever the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.schemas.wire import Document
from orchestration.persistence.columns import SPECS, to_document, to_row
from orchestration.persistence.database import Database, Row, Transaction

MANY = 2**62
"""A limit that limits nothing."""


def insert(tx: Transaction, resource: str, document: Mapping[str, Any], overwrite: bool = False) -> Document:
    """Store a document; the answer is what is stored, since one that is replaced keeps its id and birth.

    Raises:
        ObjectAlreadyExists: there is one of the same key, and ``overwrite`` is false.
    """
    spec, row = SPECS[resource], to_row(resource, document)
    changing = [name for name in row if name not in ("id", "created", *spec.key)]
    keep = "DO NOTHING"
    if overwrite and spec.key:
        keep = f"({', '.join(spec.key)}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in changing)}"
    rows = tx.execute(
        f"INSERT INTO {spec.table} ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)}) "  # noqa: S608
        f"ON CONFLICT {keep} RETURNING *",
        row,
    )
    if not rows:
        raise ObjectAlreadyExists(f"There is already {_describe(resource, {name: row[name] for name in spec.key})}.")
    return to_document(resource, rows[0])


def insert_many(tx: Transaction, resource: str, documents: Sequence[Mapping[str, Any]]) -> None:
    """Store documents that all have the same fields; those that are there already are left as they are."""
    rows = [to_row(resource, document) for document in documents]
    if rows:
        insert_into = f"INSERT INTO {SPECS[resource].table} ({', '.join(rows[0])})"
        tx.insert_many(insert_into, [tuple(row.values()) for row in rows], "ON CONFLICT DO NOTHING")


def rows(source: Database | Transaction, resource: str, keys: Mapping[str, Any], limit: int = MANY) -> list[Row]:
    """The rows whose columns have these values, newest first."""
    ask = source.read if isinstance(source, Database) else source.execute
    order = " ORDER BY id DESC" if "id" in SPECS[resource].columns else ""
    sql = f"SELECT * FROM {SPECS[resource].table} WHERE {_equal(keys)}{order} LIMIT {limit}"  # noqa: S608
    return ask(sql, to_row(resource, keys))


def read(source: Database | Transaction, resource: str, keys: Mapping[str, Any]) -> list[Document]:
    """The documents whose columns have these values, newest first."""
    return [to_document(resource, row) for row in rows(source, resource, keys)]


def not_found(resource: str, keys: Mapping[str, Any]) -> ObjectNotFound:
    """The error that tells what is not there."""
    return ObjectNotFound(f"There is no {_describe(resource, keys)}.")


def update(tx: Transaction, resource: str, changes: Mapping[str, Any], keys: Mapping[str, Any]) -> list[Document]:
    """Change fields of the documents whose columns have these values; those documents, as they are then."""
    row = to_row(resource, changes)
    if not row:
        return read(tx, resource, keys)
    sets = ", ".join(f"{name} = :new_{name}" for name in row)
    params = {**{f"new_{name}": value for name, value in row.items()}, **to_row(resource, keys)}
    sql = f"UPDATE {SPECS[resource].table} SET {sets} WHERE {_equal(keys)} RETURNING *"  # noqa: S608
    return [to_document(resource, changed) for changed in tx.execute(sql, params)]


def delete(tx: Transaction, resource: str, keys: Mapping[str, Any]) -> list[Document]:
    """Remove the documents whose columns have these values; those that were there."""
    sql = f"DELETE FROM {SPECS[resource].table} WHERE {_equal(keys)} RETURNING *"  # noqa: S608
    return [to_document(resource, row) for row in tx.execute(sql, to_row(resource, keys))]


def _equal(keys: Mapping[str, Any]) -> str:
    return " AND ".join(f"{name} = :{name}" for name in keys) or "1 = 1"


def _describe(resource: str, keys: Mapping[str, Any]) -> str:
    said = " and ".join(f"{name} {str(value)!r}" for name, value in keys.items())
    return f"{resource.removesuffix('s').replace('_', ' ')} with the {said}"
