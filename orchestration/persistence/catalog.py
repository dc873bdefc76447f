"""Rows of artifacts, variables and inputs of flow runs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.schemas.catalog import Artifact, VariableRecord
from orchestration.domain.schemas.runs import FlowRunInput
from orchestration.persistence import values
from orchestration.persistence.database import Database, Row, Transaction


def insert_artifact(tx: Transaction, artifact: Artifact) -> None:
    """Store an artifact; with a key it becomes that key's latest version."""
    row = {
        "id": str(artifact.id),
        "key": artifact.key,
        "type": artifact.type,
        "description": artifact.description,
        "data": values.encode(artifact.data),
        "metadata": values.encode(dict(artifact.metadata)) if artifact.metadata is not None else None,
        "flow_run_id": values.text_id(artifact.flow_run_id),
        "task_run_id": values.text_id(artifact.task_run_id),
        "created": values.micros(artifact.created),
        "updated": values.micros(artifact.updated),
    }
    tx.insert_many(f"INSERT INTO artifact ({', '.join(row)})", [tuple(row.values())])
    if artifact.key is not None:
        tx.execute(
            "INSERT INTO artifact_collection (key, id, latest_id, created, updated) "
            "VALUES (:key, :id, :id, :created, :created) "
            "ON CONFLICT (key) DO UPDATE SET latest_id = excluded.latest_id, updated = excluded.updated",
            {"key": row["key"], "id": row["id"], "created": row["created"]},
        )


def update_artifact(tx: Transaction, artifact_id: UUID, data: Any, description: str | None, now: int) -> None:
    """Give an artifact other data and, unless ``None``, another description.

    Raises:
        ObjectNotFound: there is none of that id.
    """
    changed = tx.execute(
        "UPDATE artifact SET data = :data, description = COALESCE(:description, description), updated = :now "
        "WHERE id = :id RETURNING id",
        {"id": str(artifact_id), "data": values.encode(data), "description": description, "now": now},
    )
    if not changed:
        raise ObjectNotFound(f"There is no artifact with the id {artifact_id}.")


def read_latest_artifact(db: Database, key: str) -> Artifact | None:
    """The newest version of the artifact of that key, if there is one."""
    rows = db.read(
        "SELECT a.* FROM artifact_collection c JOIN artifact a ON a.id = c.latest_id WHERE c.key = :key", {"key": key}
    )
    return artifact_from_row(rows[0]) if rows else None


def artifact_from_row(row: Row) -> Artifact:
    """The artifact of a row."""
    return Artifact(
        UUID(row["id"]),
        values.known_moment(row["created"]),
        values.known_moment(row["updated"]),
        row["key"],
        row["type"],
        row["description"],
        values.decode(row["data"]) if row["data"] is not None else None,
        values.decode(row["metadata"]) if row["metadata"] is not None else None,
        values.id_of(row["flow_run_id"]),
        values.id_of(row["task_run_id"]),
    )


def write_variable(tx: Transaction, variable: VariableRecord, overwrite: bool) -> VariableRecord:
    """Store a variable; the answer is what is stored, since one that is replaced keeps its id and birth.

    Raises:
        ObjectAlreadyExists: the name is taken, and ``overwrite`` is false.
    """
    written = tx.execute(
        "INSERT INTO variable (id, name, value, tags, created, updated) "
        "VALUES (:id, :name, :value, :tags, :created, :updated) ON CONFLICT (name) DO UPDATE "
        "SET value = excluded.value, tags = excluded.tags, updated = excluded.updated "
        "WHERE :overwrite = 1 RETURNING *",
        {
            "id": str(variable.id),
            "name": variable.name,
            "value": values.encode(variable.value),
            "tags": values.encode(variable.tags),
            "created": values.micros(variable.created),
            "updated": values.micros(variable.updated),
            "overwrite": int(overwrite),
        },
    )
    if not written:
        raise ObjectAlreadyExists(f"The variable {variable.name!r} exists already; pass overwrite=True to replace it.")
    return _variable(written[0])


def read_variables(db: Database, name: str | None = None) -> list[VariableRecord]:
    """All variables by name, or the one of that name."""
    sql = "SELECT * FROM variable WHERE name = :name OR :name IS NULL ORDER BY name"
    return [_variable(row) for row in db.read(sql, {"name": name})]


def delete_variable(tx: Transaction, name: str) -> bool:
    """Remove a variable; whether there was one."""
    return bool(tx.execute("DELETE FROM variable WHERE name = :name RETURNING id", {"name": name}))


def write_input(tx: Transaction, value: FlowRunInput) -> None:
    """Store a value that was sent to a flow run.

    Raises:
        ObjectAlreadyExists: the run has an input of that key.
    """
    written = tx.execute(
        "INSERT INTO flow_run_input (flow_run_id, key, value, sender, created) "
        "VALUES (:run, :key, :value, :sender, :created) ON CONFLICT (flow_run_id, key) DO NOTHING RETURNING key",
        {
            "run": str(value.flow_run_id),
            "key": value.key,
            "value": value.value,
            "sender": value.sender,
            "created": values.micros(value.created),
        },
    )
    if not written:
        raise ObjectAlreadyExists(f"The flow run {value.flow_run_id} has an input {value.key!r} already.")


def read_inputs(db: Database, run_id: UUID, prefix: str) -> list[FlowRunInput]:
    """The inputs of a flow run whose keys begin with ``prefix``, oldest first."""
    rows = db.read(
        "SELECT * FROM flow_run_input WHERE flow_run_id = :run AND substr(key, 1, :length) = :prefix "
        "ORDER BY created, key",
        {"run": str(run_id), "prefix": prefix, "length": len(prefix)},
    )
    return [
        FlowRunInput(run_id, row["key"], row["value"], values.known_moment(row["created"]), row["sender"])
        for row in rows
    ]


def delete_input(tx: Transaction, run_id: UUID, key: str) -> None:
    """Remove an input of a flow run."""
    tx.execute("DELETE FROM flow_run_input WHERE flow_run_id = :run AND key = :key", {"run": str(run_id), "key": key})


def _variable(row: Row) -> VariableRecord:
    return VariableRecord(
        UUID(row["id"]),
        row["name"],
        values.decode(row["value"]),
        values.known_moment(row["created"]),
        values.known_moment(row["updated"]),
        tuple(values.decode(row["tags"])),
    )
