"""Flow runs, task runs and what they log, and what the recorder carries of them to the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

from orchestration.domain.rules import NEVER, RetryPolicy
from orchestration.domain.states import NO_DETAILS, Pending, State, StateDetails, StateType


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that a run lives in, so that its death can be told: see ``backend.surroundings``."""

    host: str
    boot: str
    pid: int
    started: str


@dataclass(slots=True, kw_only=True)
class Run:
    """What flow runs and task runs have in common. Times are UTC, durations seconds.

    Only the engine's own task runs change in place; everything else makes a copy with ``evolve``.
    """

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


@dataclass(slots=True, kw_only=True)
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


# The state that every task run is born in; the run's own id and birth serve as the state's.
PENDING = Pending()


@dataclass(slots=True, kw_only=True)
class TaskRun(Run):
    """One run of a task. ``task_inputs`` names, by argument, the runs whose results it was given.

    The engine changes its own in place, since a task costs microseconds, and the recorder writes what is new.
    """

    task_key: str
    dynamic_key: str
    state: State = PENDING
    flow_run_id: UUID | None = None
    task_version: str | None = None
    cache_key: str | None = None
    task_inputs: Mapping[str, Any] | None = None
    flow_run_run_count: int = 0
    # What all states of this run say alike: the ids of the run and of its flow run.
    details: StateDetails = NO_DETAILS
    # States that are not written yet.
    new_states: list[State] | None = None
    # Whether the run itself is not written yet.
    is_new: bool = True


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


# -- what the recorder carries -----------------------------------------------------------------------------------------

# name, level, message, microseconds, flow run, task run: a line as it lies in the table.
LogRow = tuple[str, int, str, int, str | None, str | None]


class TaskRunChange(NamedTuple):
    """A task run with the states that it entered since it was last written, or since its birth."""

    record: TaskRun
    states: Sequence[State]
    is_new: bool


class Batch(NamedTuple):
    """What the recorder hands over at once: task runs, each with its new states, and log lines."""

    task_runs: Sequence[TaskRunChange]
    logs: Sequence[LogRow]
    # The same for a batch that is sent again.
    id: UUID | None = None
    # Whether the runs live in processes of other machines, or nobody knows where.
    is_foreign: bool = False


def uuid7(milliseconds: int, random: int) -> UUID:
    """The version-7 UUID of RFC 9562 (section 5.7) for a time since the epoch and 74 random bits."""
    stamp = (milliseconds & 0xFFFFFFFFFFFF) << 80
    version, variant = 0x7 << 76, 0b10 << 62
    return UUID(int=stamp | version | (random >> 62 & 0xFFF) << 64 | variant | random & (1 << 62) - 1)
