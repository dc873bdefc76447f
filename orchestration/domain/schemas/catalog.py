"""Artifacts, variables and concurrency limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from orchestration.domain.schemas.wire import Document, record_of


@dataclass(frozen=True, slots=True)
class Artifact:
    """One version of something that a run publishes for people to read."""

    id: UUID
    created: datetime
    updated: datetime
    key: str | None = None
    type: str | None = None
    description: str | None = None
    data: Any = None
    metadata: Mapping[str, str] | None = None
    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None


def artifact_of(document: Document) -> Artifact:
    """The artifact of a document."""
    return record_of(Artifact, document, metadata=document.get("metadata_"))


@dataclass(frozen=True, slots=True)
class VariableRecord:
    """A named JSON value."""

    id: UUID
    name: str
    value: Any
    created: datetime
    updated: datetime
    tags: tuple[str, ...] = field(default=())


def variable_of(document: Document) -> VariableRecord:
    """The variable of a document."""
    return record_of(VariableRecord, document, value=document["value"])


@dataclass(frozen=True, slots=True)
class ConcurrencyLimit:
    """A named number of slots; with a decay, slots come back by themselves at that rate (per second)."""

    id: UUID
    name: str
    limit: int
    created: datetime
    updated: datetime
    active: bool = True
    active_slots: int = 0
    slot_decay_per_second: float = 0.0
    lease_ids: tuple[UUID, ...] = ()
