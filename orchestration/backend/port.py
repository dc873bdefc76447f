"""``Backend``: everything that a run, a server or a page may ask of the place where runs are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from orchestration.backend.blocks import BlockStore
from orchestration.domain.rules import Decision
from orchestration.domain.schemas.catalog import Artifact, ConcurrencyLimit, VariableRecord
from orchestration.domain.schemas.filters import ArtifactFilter, FlowRunFilter, LogFilter, TaskRunFilter
from orchestration.domain.schemas.recording import Batch
from orchestration.domain.schemas.runs import FlowRun, FlowRunInput, Log, TaskRun
from orchestration.domain.states import State

PAGE = 200
"""Rows of a listing unless more or fewer are asked for."""


class Backend(Protocol):
    """The one port. Every method is one unit of work: when it returns, what it did is durable."""

    @property
    def blocks(self) -> BlockStore:
        """Block types, schemas and documents."""

    def create_flow_run(self, run: FlowRun) -> FlowRun:
        """Store a run of the flow ``run.flow_name`` in its state; with a known idempotency key, the run it made."""

    def flow_run(self, run_id: UUID) -> FlowRun:
        """The run of that id; ``ObjectNotFound`` when there is none."""

    def flow_runs(self, wanted: FlowRunFilter = ..., limit: int = PAGE, offset: int = 0) -> list[FlowRun]:
        """Flow runs, newest first."""

    def flow_run_states(self, run_id: UUID) -> list[State]:
        """All states of a flow run, oldest first."""

    def propose_flow_run_state(self, run_id: UUID, state: State, force: bool = False) -> Decision:
        """Let the rules decide on a state; what they accept, or give instead, is the run's state from then on."""

    def update_flow_run(self, run_id: UUID, name: str, tags: tuple[str, ...]) -> None:
        """Give a flow run another name and tags."""

    def record(self, batch: Batch) -> None:
        """Store task runs and log lines; all of them, or none."""

    def task_run(self, run_id: UUID) -> TaskRun:
        """The task run of that id; ``ObjectNotFound`` when there is none."""

    def task_runs(self, wanted: TaskRunFilter = ..., limit: int = PAGE, offset: int = 0) -> list[TaskRun]:
        """Task runs, oldest first."""

    def task_run_states(self, run_id: UUID) -> list[State]:
        """All states of a task run, oldest first."""

    def logs(self, wanted: LogFilter = ..., limit: int = PAGE, offset: int = 0) -> list[Log]:
        """Log lines in the order in which they came."""

    def create_artifact(self, artifact: Artifact) -> Artifact:
        """Store an artifact; with a key, as the newest version of that key."""

    def update_artifact(self, artifact_id: UUID, data: Any, description: str | None = None) -> None:
        """Give an artifact other data; ``ObjectNotFound`` when there is none of that id."""

    def artifacts(self, wanted: ArtifactFilter = ..., limit: int = PAGE, offset: int = 0) -> list[Artifact]:
        """Artifacts, newest first."""

    def latest_artifact(self, key: str) -> Artifact | None:
        """The newest version of the artifact of that key."""

    def set_variable(self, name: str, value: Any, tags: tuple[str, ...], overwrite: bool) -> VariableRecord:
        """Store a variable; ``ObjectAlreadyExists`` when the name is taken and ``overwrite`` is false."""

    def variable(self, name: str) -> VariableRecord | None:
        """The variable of that name."""

    def variables(self) -> list[VariableRecord]:
        """All variables by name."""

    def delete_variable(self, name: str) -> bool:
        """Remove a variable; whether there was one."""

    def set_concurrency_limit(self, name: str, limit: int, decay: float = 0.0, active: bool = True) -> None:
        """Make or change a limit; ``decay`` is slots that come back by themselves per second."""

    def concurrency_limits(self) -> list[ConcurrencyLimit]:
        """All limits by name, with their slots in use."""

    def delete_concurrency_limit(self, name: str) -> bool:
        """Remove a limit; whether there was one."""

    def try_acquire(self, lease_id: UUID, names: Sequence[str], slots: int, seconds: float) -> float | None:
        """Take slots of all the limits for ``seconds``; ``None`` when taken, else seconds until it may help to ask."""

    def renew_lease(self, lease_id: UUID, seconds: float) -> bool:
        """Keep a lease for ``seconds`` from now; whether it was still there."""

    def release_lease(self, lease_id: UUID) -> None:
        """Give back the slots of a lease."""

    def send_input(self, value: FlowRunInput) -> None:
        """Send a value to a flow run."""

    def inputs(self, run_id: UUID, prefix: str) -> list[FlowRunInput]:
        """The values sent to a flow run under keys that begin with ``prefix``, oldest first."""

    def delete_input(self, run_id: UUID, key: str) -> None:
        """Remove a value that was sent to a flow run."""

    def crash_dead_runs(self) -> list[UUID]:
        """Mark Crashed every flow run, and task run outside flow runs, whose process has died; the runs so marked."""

    def crash_task_runs(self, flow_run_id: UUID, message: str, now: datetime) -> int:
        """Mark Crashed the task runs, and subflows, of an ended flow run that have not; the number of task runs."""

    def close(self) -> None:
        """Release what the backend holds."""
