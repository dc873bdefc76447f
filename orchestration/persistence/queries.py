"""Listings: a filter becomes a SELECT through SQLAlchemy Core and runs on the package's own connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect

from orchestration.domain.schemas.catalog import Artifact
from orchestration.domain.schemas.filters import ArtifactFilter, FlowRunFilter, LogFilter, TaskRunFilter
from orchestration.domain.schemas.runs import FlowRun, Log, TaskRun
from orchestration.persistence import tables
from orchestration.persistence.catalog import artifact_from_row
from orchestration.persistence.database import Database, Row
from orchestration.persistence.runs import Revive, flow_run_from_row
from orchestration.persistence.task_runs import log_from_row, task_run_from_row

_DIALECTS: dict[str, Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="named"),
    "postgresql": postgresql.dialect(paramstyle="named"),  # type: ignore[no-untyped-call]
}


def flow_runs(db: Database, wanted: FlowRunFilter, limit: int, offset: int, revive: Revive) -> list[FlowRun]:
    """Flow runs, those that started last first."""
    run, flow, state = tables.flow_run, tables.flow, tables.flow_run_state
    statement = (
        select(
            run,
            flow.c.name.label("flow_name"),
            state.c.message.label("state_message"),
            state.c.details.label("state_details"),
            state.c.data.label("state_data"),
        )
        .join(flow, flow.c.id == run.c.flow_id)
        .outerjoin(state, state.c.id == run.c.state_id)
        .where(
            *_among(run.c.id, wanted.ids),
            *_among(run.c.name, wanted.names),
            *_among(flow.c.name, wanted.flow_names),
            *_among(run.c.state_type, wanted.state_types),
            *_among(run.c.state_name, wanted.state_names),
            *_among(run.c.parent_task_run_id, wanted.parent_task_run_ids),
        )
        .order_by(run.c.id.desc())
    )
    return [flow_run_from_row(row, revive) for row in _run(db, statement.limit(limit).offset(offset))]


def task_runs(db: Database, wanted: TaskRunFilter, limit: int, offset: int, revive: Revive) -> list[TaskRun]:
    """Task runs, in the order in which they were created."""
    run = tables.task_run
    statement = (
        select(run)
        .where(
            *_among(run.c.id, wanted.ids),
            *_among(run.c.name, wanted.names),
            *_among(run.c.flow_run_id, wanted.flow_run_ids),
            *_among(run.c.state_type, wanted.state_types),
            *_among(run.c.state_name, wanted.state_names),
        )
        .order_by(run.c.id)
    )
    return [task_run_from_row(row, revive) for row in _run(db, statement.limit(limit).offset(offset))]


def logs(db: Database, wanted: LogFilter, limit: int, offset: int) -> list[Log]:
    """Log lines, in the order in which the store got them."""
    log = tables.log
    conditions = [*_among(log.c.flow_run_id, wanted.flow_run_ids), *_among(log.c.task_run_id, wanted.task_run_ids)]
    if wanted.level_at_least:
        conditions.append(log.c.level >= wanted.level_at_least)
    if wanted.text:
        conditions.append(log.c.message.icontains(wanted.text, autoescape=True))
    if wanted.after:
        conditions.append(log.c.sequence > wanted.after)
    statement = select(log).where(*conditions).order_by(log.c.sequence)
    return [log_from_row(row) for row in _run(db, statement.limit(limit).offset(offset))]


def artifacts(db: Database, wanted: ArtifactFilter, limit: int, offset: int) -> list[Artifact]:
    """Artifacts, newest first."""
    artifact, collection = tables.artifact, tables.artifact_collection
    conditions = [
        *_among(artifact.c.id, wanted.ids),
        *_among(artifact.c.key, wanted.keys),
        *_among(artifact.c.type, wanted.types),
        *_among(artifact.c.flow_run_id, wanted.flow_run_ids),
    ]
    if wanted.latest_only:
        conditions.append(exists().where(collection.c.latest_id == artifact.c.id))
    statement = select(artifact).where(*conditions).order_by(artifact.c.created.desc(), artifact.c.id.desc())
    return [artifact_from_row(row) for row in _run(db, statement.limit(limit).offset(offset))]


def _among(column: ColumnElement[Any], wanted: Sequence[Any]) -> list[ColumnElement[bool]]:
    return [column.in_([str(value) for value in wanted])] if wanted else []


def _run(db: Database, statement: Select[Any]) -> list[Row]:
    compiled = statement.compile(dialect=_DIALECTS[db.dialect], compile_kwargs={"render_postcompile": True})
    return db.read(str(compiled), compiled.params)
