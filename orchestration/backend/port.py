"""``Backend``: everything that a run, a server or a page may ask of the place where runs are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from orchestration.backend.blocks import BlockStore
from orchestration.domain import rules, states
from orchestration.domain.schemas import catalog, filters, runs, wire

Documents = list[wire.Document]
Where = Mapping[str, Any]


class Backend(BlockStore, Protocol):
    """The one port. Every method is one unit of work: when it returns, what it did is durable.

    Runs in the making, which the engine changes at every step, are records; all that is listed, and all that people
    and deployments keep here, are documents: the JSON of the REST interface, by the name of the resource.
    """

    # -- documents: artifacts, variables, inputs, flows, deployments, schedules, work pools, queues, workers --------

    def find(self, resource: str, query: filters.Query = ...) -> Documents:
        """A page of any resource's listing."""

    def count(self, resource: str, where: Where = ...) -> int:
        """How many there are that the filters let through."""

    def history(self, resource: str, where: Where, start: datetime, seconds: float, number: int) -> Documents:
        """By span of ``seconds``, ``number`` of them from ``start``: the runs that were expected then, by state.

        Each has ``interval_start``, ``interval_end`` and ``states``, as in the REST interface.
        """

    def read(self, resource: str, **keys: Any) -> wire.Document:
        """The one whose fields have these values, such as ``name="x"``; ``ObjectNotFound`` when there is none."""

    def create(self, resource: str, document: Mapping[str, Any], overwrite: bool = False) -> wire.Document:
        """Store one; id and times are given where they are missing.

        ``ObjectAlreadyExists`` when its key is taken, unless ``overwrite``, which changes the one that is there.
        """

    def change(self, resource: str, changes: Mapping[str, Any], **keys: Any) -> None:
        """Give the one with these keys other values in the fields that are named; ``ObjectNotFound``."""

    def delete(self, resource: str, **keys: Any) -> None:
        """Remove the one with these keys, and what is part of it; ``ObjectNotFound``."""

    # -- runs -------------------------------------------------------------------------------------------------------

    def create_flow_run(self, run: runs.FlowRun) -> runs.FlowRun:
        """Store a run of the flow ``run.flow_name`` in its state; with a known idempotency key, the run it made."""

    def create_run_of_deployment(self, deployment_id: UUID, wanted: Mapping[str, Any]) -> runs.FlowRun:
        """Store a run of a deployment; ``wanted`` has what differs from it: name, parameters, state, tags, ..."""

    def flow_run(self, run_id: UUID) -> runs.FlowRun:
        """The run of that id; ``ObjectNotFound`` when there is none."""

    def flow_run_states(self, run_id: UUID) -> list[states.State]:
        """All states of a flow run, oldest first."""

    def propose_flow_run_state(self, run_id: UUID, state: states.State, force: bool = False) -> rules.Decision:
        """Let the rules decide on a state; what they accept, or give instead, is the run's state from then on.

        With a run that crashed or was cancelled ends what it leaves behind: task runs, and subflows with theirs.
        """

    def record(self, batch: runs.Batch) -> None:
        """Store task runs and log lines; all of them, or none. A batch that was stored before changes nothing.

        While a server is away it waits on this disk, and all that is asked afterwards waits for it.
        """

    def task_run(self, run_id: UUID) -> runs.TaskRun:
        """The task run of that id; ``ObjectNotFound`` when there is none."""

    def task_run_states(self, run_id: UUID) -> list[states.State]:
        """All states of a task run, oldest first."""

    def propose_task_run_state(self, run_id: UUID, state: states.State, force: bool = False) -> rules.Decision:
        """Let the rules decide on the state of a task run that its own process does not record."""

    # -- work -------------------------------------------------------------------------------------------------------

    def scheduled_runs(self, work_pool_id: UUID, queues: Sequence[str], before: datetime, limit: int) -> Documents:
        """Runs that workers of a pool may start by then, most urgent first; each with the ids of pool and queue."""

    def claim_runs(
        self, work_pool_id: UUID, queues: Sequence[str], limit: int, holder: str, wait: float = 0.0
    ) -> Documents:
        """Take the most urgent runs that workers of a pool may start, waiting up to ``wait`` seconds for one.

        Each is Pending then, and has a ``claim_id``: a lease, and by it a fence against whoever held the run before.
        """

    def renew_claims(self, claim_ids: Sequence[UUID]) -> dict[UUID, str]:
        """Keep claims; those that are still held, each with the type of its run's state."""

    def end_claim(self, claim_id: UUID, message: str | None = None) -> None:
        """Give up a claim: the run's process has ended, or never began; ``message`` tells what went wrong."""

    def concurrency_limits(self) -> list[catalog.ConcurrencyLimit]:
        """All limits by name, with their slots in use."""

    def try_acquire(
        self, lease_id: UUID, names: Sequence[str], slots: int, seconds: float, remote: bool = False
    ) -> float | None:
        """Take slots of all the limits for ``seconds``; ``None`` when taken, else seconds until it may help to ask.

        They are free again when this process dies, unless somebody ``remote`` holds them.
        """

    def renew_lease(self, lease_id: UUID, seconds: float) -> bool:
        """Keep a lease for ``seconds`` from now; whether it was still there."""

    def release_lease(self, lease_id: UUID) -> None:
        """Give back the slots of a lease."""

    def take_back(self, name: str, slots: int | None = None) -> None:
        """Free so many of a limit's slots that were taken for ever; with ``None`` all slots, whoever holds them."""

    def close(self) -> None:
        """Release what the backend holds."""
