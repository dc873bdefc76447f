"""Documents of this machine's database: the part of ``LocalBackend`` that knows no runs in the making."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from orchestration.backend import deployments
from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Documents, Where
from orchestration.domain.schemas.catalog import checksum_of
from orchestration.domain.schemas.filters import EVERYTHING, Query
from orchestration.domain.schemas.wire import Document, moment_text
from orchestration.persistence import documents
from orchestration.persistence.database import NO_PARAMS, Database, Row, Transaction
from orchestration.persistence.presenting import present
from orchestration.persistence.values import micros

# What goes with a document that is removed: resources, and the column that names the one they are part of.
PARTS: Mapping[str, Sequence[tuple[str, str]]] = json.loads(Path(__file__).with_name("parts.json").read_text("ascii"))


class LocalCatalog:
    """Each method is one transaction on the database it is given."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def find(self, resource: str, query: Query = EVERYTHING) -> list[Document]:
        """A page of any resource's listing."""
        from orchestration.persistence.listings import rows

        found = self._completed(resource, rows(self._db, resource, query))
        if resource == "workers":
            return [worker for worker in found if _has_status(worker, query.where.get("workers") or {})]
        return found

    def count(self, resource: str, where: Mapping[str, Any] = NO_PARAMS) -> int:
        """How many there are that the filters let through."""
        from orchestration.persistence.listings import count

        return count(self._db, resource, where)

    def history(self, resource: str, where: Where, start: datetime, seconds: float, number: int) -> Documents:
        """What became of the runs that were expected within each of ``number`` spans of time."""
        from orchestration.persistence.listings import history

        spans = {"start": micros(start), "width": round(seconds * 1e6), "number": number, "now": micros(utc_now())}
        found: dict[int, list[Document]] = {}
        for row in history(self._db, resource, where, spans):
            names = {name: row[name] for name in ("state_type", "state_name", "count_runs")}
            sums = {f"sum_estimated_{name}": float(row[name] or 0) / 1e6 for name in ("run_time", "lateness")}
            found.setdefault(row["span"], []).append({**names, **sums})
        edges = [start + timedelta(seconds=seconds * place) for place in range(number + 1)]
        return [
            {"interval_start": moment_text(begin), "interval_end": moment_text(end), "states": found.get(place, [])}
            for place, (begin, end) in enumerate(pairwise(edges))
        ]

    def read(self, resource: str, **keys: Any) -> Document:
        """The one whose fields have these values."""
        found = self._completed(resource, documents.rows(self._db, resource, keys, limit=1))
        if not found:
            raise documents.not_found(resource, keys)
        return found[0]

    def create(self, resource: str, document: Mapping[str, Any], overwrite: bool = False) -> Document:
        """Store one; id and times are given where they are missing."""
        now = utc_now()
        given = {name: value for name, value in document.items() if name not in ("id", "created") or value is not None}
        whole = {"id": str(new_id()), "created": now, "updated": now, **given}
        with self._db.transaction() as tx:
            before = _BEFORE.get(resource)
            stored = documents.insert(tx, resource, before(tx, whole) if before else whole, overwrite)
            if after := _AFTER.get(resource):
                after(tx, stored, whole)
        keys = ("id",) if "id" in stored else documents.SPECS[resource].key
        return self.read(resource, **{name: stored[name] for name in keys})

    def change(self, resource: str, changes: Mapping[str, Any], **keys: Any) -> None:
        """Give the one with these keys other values in the fields that are named."""
        with self._db.transaction() as tx:
            before = _BEFORE.get(resource)
            row = before(tx, {**keys, **changes}) if before else changes
            changed = documents.update(tx, resource, {**row, "updated": utc_now()}, keys)
            if not changed:
                raise documents.not_found(resource, keys)
            if after := _AFTER.get(resource):
                after(tx, changed[0], changes)

    def delete(self, resource: str, **keys: Any) -> None:
        """Remove the one with these keys, and what is part of it."""
        with self._db.transaction() as tx:
            if not remove(tx, resource, keys):
                raise documents.not_found(resource, keys)

    def _completed(self, resource: str, rows: Sequence[Row]) -> list[Document]:
        now = utc_now()
        found = [present(resource, row, now) for row in rows]
        if complete := _COMPLETE.get(resource):
            complete(self._db, found)
        return found


def _has_status(worker: Document, wanted: Mapping[str, Any]) -> bool:
    status = wanted.get("status") or {}
    among, but = status.get("any_"), status.get("not_any_") or ()
    return (among is None or worker["status"] in among) and worker["status"] not in but


def remove(tx: Transaction, resource: str, keys: Mapping[str, Any]) -> list[Document]:
    """Remove the documents with these keys, and what is part of them; those that were there."""
    removed = documents.delete(tx, resource, keys)
    for document in removed:
        for part, column in PARTS.get(resource, ()):
            remove(tx, part, {column: document["id"]})
        if resource in _FOLLOWED:
            _AFTER[resource](tx, document, document)
    return removed


def _point_at_latest(tx: Transaction, artifact: Document, _given: Mapping[str, Any]) -> None:
    """Make the newest version of a key the one that its collection shows; a collection without versions goes."""
    if artifact["key"] is None:
        return
    tx.lock(f"artifact {artifact['key']}")
    newest = documents.rows(tx, "artifacts", {"key": artifact["key"]}, limit=1)
    if not newest:
        documents.delete(tx, "artifact_collections", {"key": artifact["key"]})
    for row in newest:
        collection = {name: row[name] for name in ("key", "created", "updated", "id")}
        documents.insert(tx, "artifact_collections", {**collection, "latest_id": row["id"]}, overwrite=True)


def _with_default_queue(tx: Transaction, pool: Document, given: Mapping[str, Any]) -> None:
    if pool["default_queue_id"] is None:
        queue = deployments.queue_of(tx, pool["id"], "default")
        documents.update(tx, "work_pools", {"default_queue_id": queue["id"]}, {"id": pool["id"]})


def _with_checksum(_tx: Transaction, schema: Document) -> Document:
    return {**schema, "checksum": checksum_of(schema["fields"])}


def _with_column(_tx: Transaction, limit: Document) -> Document:
    return {**limit, **({"slot_limit": limit["limit"]} if "limit" in limit else {})}  # LIMIT is a word of SQL


def _with_policy(_tx: Transaction, run: Document) -> Document:
    """The run with its policy under the column's name, which documents have as ``empirical_policy``."""
    return {**run, "policy": run["empirical_policy"]} if "empirical_policy" in run else run


def _with_types(db: Database, found: Sequence[Document]) -> None:
    """Put into each block schema the type that it is of."""
    types = {each["id"]: present("block_types", each, utc_now()) for each in documents.rows(db, "block_types", {})}
    for schema in found:
        schema["block_type"] = types.get(schema["block_type_id"])


# What a listing's documents show beyond their rows and the rows that these point to.
_COMPLETE: Mapping[str, Callable[[Database, Sequence[Document]], None]] = {
    "deployments": deployments.with_schedules, "block_schemas": _with_types, "work_pools": deployments.with_status,
}

_BEFORE: Mapping[str, Callable[[Transaction, Document], Document]] = {
    "deployments": deployments.with_queue, "block_schemas": _with_checksum, "concurrency_limits": _with_column,
    "flow_runs": _with_policy, "schedules": deployments.checked_schedule,
}
_AFTER: Mapping[str, Callable[[Transaction, Document, Mapping[str, Any]], None]] = {
    "artifacts": _point_at_latest, "work_pools": _with_default_queue, "deployments": deployments.after_change,
    "schedules": deployments.after_schedule,
}
# Those whose removal changes others as a change of all their fields does.
_FOLLOWED = ("artifacts", "schedules", "deployments")
