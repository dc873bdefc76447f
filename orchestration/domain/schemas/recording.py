"""What the recorder carries from running tasks to the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from orchestration.domain.retries import NEVER, RetryPolicy
from orchestration.domain.states import NO_DETAILS, State, StateDetails

LogRow = tuple[str, int, str, int, str | None, str | None]
"""name, level, message, microseconds, flow run, task run: a line as it lies in the table."""


@dataclass(slots=True, eq=False)
class TaskRunRecord:
    """A task run while it lives; the engine changes it and the recorder writes what is new."""

    id: UUID
    flow_run_id: UUID | None
    name: str
    task_key: str
    dynamic_key: str
    created: datetime
    state: State
    new_states: list[State] = field(default_factory=list)
    task_version: str | None = None
    cache_key: str | None = None
    policy: RetryPolicy = NEVER
    tags: Sequence[str] = ()
    task_inputs: Mapping[str, Any] | None = None
    run_count: int = 0
    flow_run_run_count: int = 0
    start_time: datetime | None = None
    end_time: datetime | None = None
    total_run_time: float = 0.0
    details: StateDetails = NO_DETAILS
    """What all states of this run say alike: the ids of the run and of its flow run."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What the recorder hands over at once: task runs, each with its new states, and log lines."""

    task_runs: Sequence[tuple[TaskRunRecord, list[State]]]
    logs: Sequence[LogRow]
