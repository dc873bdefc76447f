"""``LocalBackend``: the rules and this machine's database, in the caller's process."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from orchestration.backend import deployments
from orchestration.backend.blocks import BlockStore
from orchestration.backend.catalog import LocalCatalog
from orchestration.backend.clock import DICE, new_id, utc_now
from orchestration.backend.port import Documents
from orchestration.backend.processes import DIED, is_dead, this_process
from orchestration.domain.rules import Abort, Accept, Attempt, Decision, Reject, decide
from orchestration.domain.schemas import catalog, wire
from orchestration.domain.schemas.runs import Batch, FlowRun, TaskRun, changed_task_run
from orchestration.domain.states import Crashed, State, StateType
from orchestration.persistence import concurrency, documents, runs
from orchestration.persistence.database import Database, Transaction
from orchestration.persistence.values import micros

P = ParamSpec("P")
T = TypeVar("T")
LEFT_BEHIND = "The flow run around this task run has ended."


class LocalBackend(LocalCatalog):
    """Each method is one transaction on the database it is given."""

    def __init__(self, database: Database, blocks: BlockStore, revive: wire.Revive) -> None:
        super().__init__(database)
        self._revive = revive
        self.blocks = blocks

    def create_flow_run(self, run: FlowRun) -> FlowRun:
        """Store a run and its flow; with a known idempotency key, the run that it made is the answer."""
        return self._inside(self._create, run)

    def _create(self, tx: Transaction, run: FlowRun) -> FlowRun:
        flow_id = runs.flow_id_of(tx, run.flow_name, new_id(), run.created)
        if run.idempotency_key is not None:
            known = runs.flow_run_by_key(tx, flow_id, run.idempotency_key, self._revive)
            if known is not None:
                return known
        expected = run.expected_start_time or run.created
        created = run.evolve(flow_id=flow_id, state=None, expected_start_time=expected)
        runs.insert_flow_run(tx, created)
        if run.state is None:
            return created
        started = runs.after(created, _stamped(run.state, run.created), run.created)
        runs.write_state(tx, started, None)
        return started

    def create_run_of_deployment(self, deployment_id: UUID, wanted: Mapping[str, Any]) -> FlowRun:
        """Store a run of a deployment."""
        deployment = self.read("deployments", id=str(deployment_id))
        return self.create_flow_run(deployments.run_of(deployment, wanted, utc_now()))

    def flow_run(self, run_id: UUID) -> FlowRun:
        """The run of that id."""
        return runs.read_flow_run(self._db, run_id, self._revive)

    def flow_run_states(self, run_id: UUID) -> list[State]:
        """All states of a flow run, oldest first."""
        return runs.read_states(self._db, run_id, self._revive)

    def propose_flow_run_state(self, run_id: UUID, state: State, force: bool = False) -> Decision:
        """Decide on a state and write the outcome, in one transaction."""
        now = utc_now()
        proposed = _stamped(state, now)
        with self._db.transaction() as tx:
            run = runs.read_flow_run(tx, run_id, self._revive)
            claim_id = state.details.claim_id
            if claim_id and not documents.read(tx, "run_claims", {"id": claim_id, "flow_run_id": run_id}):
                return Abort("The lease of this process on the run has ended; another worker may have taken it over.")
            decision = _settle(tx, run, Accept(proposed) if force else _decide(run, proposed, now), now)
            if isinstance(decision, Accept) and decision.state.type in (StateType.CRASHED, StateType.CANCELLED):
                self._crash_inside(tx, run_id, LEFT_BEHIND, now)
            return decision

    def record(self, batch: Batch) -> None:
        """Store a batch of task runs and log lines, unless it came before."""
        with self._db.transaction() as tx:
            if batch.id is None or runs.is_new_batch(tx, batch.id, utc_now()):
                runs.write_task_runs(tx, batch.task_runs, None if batch.is_foreign else this_process())
                runs.write_logs(tx, batch.logs)

    def task_run(self, run_id: UUID) -> TaskRun:
        """The task run of that id."""
        return runs.read_task_run(self._db, run_id, self._revive)

    def task_run_states(self, run_id: UUID) -> list[State]:
        """All states of a task run, oldest first."""
        return runs.read_task_run_states(self._db, run_id, self._revive)

    def propose_task_run_state(self, run_id: UUID, state: State, force: bool = False) -> Decision:
        """Decide on the state of a task run, and write the outcome."""
        now = utc_now()
        proposed = _stamped(state, now)
        with self._db.transaction() as tx:
            run = runs.read_task_run(tx, run_id, self._revive)
            decision = Accept(proposed) if force else _decide(run, proposed, now)
            if isinstance(decision, Accept | Reject) and decision.state is not run.state:
                decision = replace(decision, state=_stamped(decision.state, now))
                changed = changed_task_run(runs.after(run, decision.state, now), [decision.state])
                runs.write_task_runs(tx, [changed], None)
            return decision

    def scheduled_runs(self, work_pool_id: UUID, queues: Sequence[str], before: datetime, limit: int) -> Documents:
        """Runs that workers of a pool may start by then, most urgent first."""
        due = self._inside(deployments.due, str(work_pool_id), queues, before, limit)
        return [{**run, "flow_run": self.read("flow_runs", id=run.pop("id"))} for run in due]

    def concurrency_limits(self) -> list[catalog.ConcurrencyLimit]:
        """All limits by name."""
        return concurrency.read_limits(self._db, micros(utc_now()))

    def try_acquire(
        self, lease_id: UUID, names: Sequence[str], slots: int, seconds: float, remote: bool = False
    ) -> float | None:
        """Take slots of all the named limits, or none; slots of processes that died are free."""
        now = micros(utc_now())
        expires = concurrency.NEVER if math.isinf(seconds) else now + round(seconds * 1e6)
        lease = concurrency.Lease(lease_id, names, slots, expires, None if remote else this_process())
        wait = self._inside(concurrency.try_acquire, lease, now)
        if wait is None or not self._release_dead_leases():
            return wait
        return self._inside(concurrency.try_acquire, lease, now)

    def renew_lease(self, lease_id: UUID, seconds: float) -> bool:
        """Keep a lease for ``seconds`` from now."""
        return self._inside(concurrency.renew, lease_id, micros(utc_now()) + round(seconds * 1e6))

    def release_lease(self, lease_id: UUID) -> None:
        """Give back the slots of a lease."""
        self._inside(concurrency.release, lease_id)

    def take_back(self, name: str, slots: int | None = None) -> None:
        """Free slots of a limit that were taken for ever, or all its slots."""
        self._inside(concurrency.take_back, name, slots)

    def crash_dead_runs(self) -> list[UUID]:
        """Mark Crashed every run whose process, on this host, has died."""
        suspects = runs.unfinished_of_host(self._db, this_process().host)
        lone_tasks = runs.unfinished_without_flow(self._db)
        crashed = [run_id for run_id, owner in suspects if is_dead(owner) and self._crash(run_id)]
        crash, dead = runs.crash_task_run, [run_id for run_id, owner in lone_tasks if is_dead(owner)]
        return crashed + [run_id for run_id in dead if self._inside(crash, run_id, utc_now(), DIED, new_id)]

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def _inside(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a piece of work gives, done in a transaction of its own."""
        with self._db.transaction() as tx:
            return work(tx, *args, **kwargs)

    def _crash(self, run_id: UUID) -> bool:
        """Crash one dead run, unless somebody else has done so by now."""
        now = utc_now()
        with self._db.transaction() as tx:
            run = runs.read_flow_run(tx, run_id, self._revive)
            if run.state is None or run.state.is_final() or run.owner is None or not is_dead(run.owner):
                return False
            self._crash_inside(tx, run_id, DIED, now)
            return isinstance(_settle(tx, run, Accept(Crashed(DIED)), now), Accept)

    def _crash_inside(self, tx: Transaction, flow_run_id: UUID, message: str, now: datetime) -> None:
        """Crash what a flow run leaves behind, subflows within subflows as well."""
        for run_id in runs.unfinished_subflows(tx, flow_run_id):
            self._crash_inside(tx, run_id, message, now)
            _settle(tx, runs.read_flow_run(tx, run_id, self._revive), Accept(Crashed(message)), now)
        runs.crash_task_runs(tx, flow_run_id, now, message, new_id)

    def _release_dead_leases(self) -> bool:
        held = concurrency.leases_of_host(self._db, this_process().host)
        dead = [lease_id for lease_id, owner in held if is_dead(owner)]
        for lease_id in dead:
            self.release_lease(lease_id)
        return bool(dead)


def _stamped(state: State, now: datetime) -> State:
    """The state with an id and a time; those it has are kept, so that a re-sent one is recognised."""
    return state.evolve(id=state.id or new_id(), timestamp=state.timestamp or now)


def _decide(run: FlowRun | TaskRun, proposed: State, now: datetime) -> Decision:
    retriable = proposed.details.retriable is not False
    return decide(run.state, proposed, Attempt(now, run.run_count, run.policy, retriable, DICE.random()))


def _settle(tx: Transaction, run: FlowRun, decision: Decision, now: datetime) -> Decision:
    """Write what the rules decided; the answer carries the state as it was written."""
    if not isinstance(decision, Accept | Reject) or decision.state is run.state:
        return decision
    state = _stamped(decision.state, now)
    if not runs.write_state(tx, runs.after(run, state, now), run.state_id):
        return Abort("Another process changed the run's state at the same moment.")
    if state.details.pause_reschedule:  # suspended: its process ends by intent, and another one will go on
        runs.set_owner(tx, run.id, None)
    return replace(decision, state=state)
