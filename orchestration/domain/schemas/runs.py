"""Flow runs, task runs and what they log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from orchestration.domain.retries import NEVER, RetryPolicy
from orchestration.domain.states import State, StateType


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that a run lives in, so that its death can be told: see ``backend.processes``."""

    host: str
    boot: str
    pid: int
    started: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What flow runs and task runs have in common. Times are UTC, durations seconds."""

    id: UUID
    name: str
    created: datetime
    state: State | None = None
    policy: RetryPolicy = NEVER
    tags: tuple[str, ...] = ()
    labels: Mapping[str, Any] = field(default_factory=dict)
    run_count: int = 0
    expected_start_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    total_run_time: float = 0.0

    @property
    def state_id(self) -> UUID | None:
        """The id of the current state."""
        return self.state.id if self.state else None

    @property
    def state_type(self) -> StateType | None:
        """The kind of the current state."""
        return self.state.type if self.state else None

    @property
    def state_name(self) -> str | None:
        """The name of the current state."""
        return self.state.name if self.state else None

    def evolve(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRun(Run):
    """One run of a flow."""

    flow_id: UUID
    flow_name: str = ""
    flow_version: str | None = None
    deployment_id: UUID | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None
    parent_task_run_id: UUID | None = None
    owner: Owner | None = None
    deployment_version: str | None = None
    work_queue_id: UUID | None = None
    job_variables: Mapping[str, Any] = field(default_factory=dict)
    infrastructure_pid: str | None = None
    auto_scheduled: bool = False
    schedule_id: UUID | None = None
    created_by: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun(Run):
    """One run of a task. ``task_inputs`` names, by argument, the runs whose results it was given."""

    task_key: str
    dynamic_key: str
    flow_run_id: UUID | None = None
    task_version: str | None = None
    cache_key: str | None = None
    task_inputs: Mapping[str, Any] = field(default_factory=dict)
    flow_run_run_count: int = 0


@dataclass(frozen=True, slots=True)
class Log:
    """One line that a run logged; ``sequence`` is the order in which the store got it."""

    name: str
    level: int
    message: str
    timestamp: datetime
    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None
    sequence: int = 0
