"""What the recorder carries from running tasks to the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from orchestration.domain.retries import NEVER, RetryPolicy
from orchestration.domain.schemas.runs import TaskRun
from orchestration.domain.states import NO_DETAILS, Pending, State, StateDetails

# The state that every task run is born in; the run's own id and birth serve as the state's.
PENDING = Pending()

# name, level, message, microseconds, flow run, task run: a line as it lies in the table.
LogRow = tuple[str, int, str, int, str | None, str | None]


@dataclass(slots=True, eq=False)
class TaskRunRecord:
    """A task run while it lives; the engine changes it and the recorder writes what is new."""

    id: UUID
    flow_run_id: UUID | None
    name: str
    task_key: str
    dynamic_key: str
    created: datetime
    state: State = PENDING
    # States that are not written yet.
    new_states: list[State] | None = None
    # Whether the run itself is not written yet.
    is_new: bool = True
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
    # What all states of this run say alike: the ids of the run and of its flow run.
    details: StateDetails = NO_DETAILS


_SHARED = {each.name for each in fields(TaskRunRecord)} & {each.name for each in fields(TaskRun)}


class TaskRunChange(NamedTuple):
    """A task run with the states that it entered since it was last written, or since its birth."""

    record: TaskRunRecord
    states: Sequence[State]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """What the recorder hands over at once: task runs, each with its new states, and log lines."""

    task_runs: Sequence[TaskRunChange]
    logs: Sequence[LogRow]
    # The same for a batch that is sent again.
    id: UUID | None = None
    # Whether the runs live in processes of other machines, or nobody knows where.
    is_foreign: bool = False


def changed_task_run(run: TaskRun, states: Sequence[State]) -> TaskRunChange:
    """A task run as it is told of from outside its process, with the states that are new."""
    return TaskRunChange(TaskRunRecord(**{name: getattr(run, name) for name in _SHARED}), states, is_new=False)
