"""Listings as records, for tests that compare fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestration.backend.port import Backend
from orchestration.domain.schemas.catalog import Artifact, VariableRecord
from orchestration.domain.schemas.filters import PAGE, Query
from orchestration.domain.schemas.runs import FlowRun, Log, TaskRun
from orchestration.domain.schemas.wire import flow_run_of, record_of, task_run_of
from tests.support.backends import Reference

Where = Mapping[str, Any]


def flow_runs(backend: Backend, where: Where | None = None, limit: int = PAGE, offset: int = 0) -> list[FlowRun]:
    """Flow runs, newest first."""
    found = backend.find("flow_runs", Query(where or {}, "ID_DESC", limit, offset))
    return [flow_run_of(each, Reference) for each in found]


def task_runs(backend: Backend, where: Where | None = None, limit: int = PAGE, offset: int = 0) -> list[TaskRun]:
    """Task runs, oldest first."""
    found = backend.find("task_runs", Query(where or {}, "ID_ASC", limit, offset))
    return [task_run_of(each, Reference) for each in found]


def logs(backend: Backend, where: Where | None = None, limit: int = PAGE, offset: int = 0) -> list[Log]:
    """Log lines, oldest first."""
    found = backend.find("logs", Query(where or {}, "TIMESTAMP_ASC", limit, offset))
    return [record_of(Log, each) for each in found]


def artifacts(backend: Backend, where: Where | None = None, limit: int = PAGE, offset: int = 0) -> list[Artifact]:
    """Artifacts, newest first."""
    found = backend.find("artifacts", Query(where or {}, "CREATED_DESC", limit, offset))
    return [record_of(Artifact, each) for each in found]


def variables(backend: Backend) -> list[VariableRecord]:
    """Variables by name."""
    return [record_of(VariableRecord, each) for each in backend.find("variables")]
