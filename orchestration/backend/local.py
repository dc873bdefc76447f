"""``LocalBackend``: the rules and this machine's database, in the caller's process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from orchestration.backend import catalog
from orchestration.backend.blocks import BlockStore
from orchestration.backend.clock import DICE, new_id, utc_now
from orchestration.backend.limits import LocalLimits
from orchestration.backend.port import Documents
from orchestration.backend.processes import DIED, is_dead, this_process
from orchestration.domain.rules import Abort, Accept, Attempt, Decision, Reject, decide
from orchestration.domain.schemas import wire
from orchestration.domain.schemas.runs import Batch, FlowRun, TaskRun, changed_task_run
from orchestration.domain.states import Crashed, State, StateType
from orchestration.persistence import documents, runs
from orchestration.persistence.database import STATEMENTS, Database, Transaction
from orchestration.persistence.values import micros

P = ParamSpec("P")
T = TypeVar("T")
LEFT_BEHIND = "The flow run around this task run has ended."


class LocalBackend(LocalLimits):
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
        return self.create_flow_run(catalog.run_of(deployment, wanted, utc_now()))

    def flow_run(self, run_id: UUID) -> FlowRun:
        """The run of that id."""
        return runs.read_flow_run(self._db, run_id, self._revive)

    def flow_run_states(self, run_id: UUID) -> list[State]:
        """All states of a flow run, oldest first."""
        return runs.read_states(self._db, run_id, self._revive)

    def propose_flow_run_state(self, run_id: UUID, state: State, force: bool = False) -> Decision:
        """Decide on a state and write the outcome, in one transaction."""
        now = utc_now()
        with self._db.transaction() as tx:
            run = runs.read_flow_run(tx, run_id, self._revive)
            claim_id = state.details.claim_id
            if claim_id and not documents.read(tx, "run_claims", {"id": claim_id, "flow_run_id": run_id}):
                return Abort("The lease of this process on the run has ended; another worker may have taken it over.")
            decision = _settle(tx, run, _decide(run, _stamped(state, now), now, force), now)
            if isinstance(decision, Accept) and decision.state.type in (StateType.CRASHED, StateType.CANCELLED):
                self._crash_inside(tx, run_id, LEFT_BEHIND, now)
            return decision

    def record(self, batch: Batch) -> None:
        """Store a batch of task runs and log lines, unless it came before."""
        with self._db.transaction() as tx:
            told = {"id": str(batch.id), "now": micros(utc_now())}
            if batch.id is None or tx.execute(STATEMENTS["is_new_batch"], told):
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
        with self._db.transaction() as tx:
            run = runs.read_task_run(tx, run_id, self._revive)
            return _settle(tx, run, _decide(run, _stamped(state, now), now, force), now)

    def scheduled_runs(self, work_pool_id: UUID, queues: Sequence[str], before: datetime, limit: int) -> Documents:
        """Runs that workers of a pool may start by then, most urgent first."""
        names = ",".join(f'"{name}"' for name in queues)
        asked = {"pool": str(work_pool_id), "queues": names, "most": limit}
        with self._db.transaction() as tx:
            tx.execute(STATEMENTS["note_poll"], {**asked, "now": micros(utc_now())})
            due = [dict(row) for row in tx.execute(STATEMENTS["scheduled"], {**asked, "before": micros(before)})]
        return [{**run, "flow_run": self.read("flow_runs", id=run.pop("id"))} for run in due]

    def crash_dead_runs(self) -> list[UUID]:
        """Mark Crashed every run whose process, on this host, has died."""
        suspects = runs.owned(self._db.read(STATEMENTS["unfinished_of_host"], {"host": this_process().host}))
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
        for row in tx.execute(STATEMENTS["unfinished_subflows"], {"run": str(flow_run_id)}):
            run = runs.read_flow_run(tx, UUID(row["id"]), self._revive)
            self._crash_inside(tx, run.id, message, now)
            _settle(tx, run, Accept(Crashed(message)), now)
        runs.crash_task_runs(tx, flow_run_id, now, message, new_id)


def _stamped(state: State, now: datetime) -> State:
    """The state with an id and a time; those it has are kept, so that a re-sent one is recognised."""
    return state.evolve(id=state.id or new_id(), timestamp=state.timestamp or now)


def _decide(run: FlowRun | TaskRun, proposed: State, now: datetime, force: bool = False) -> Decision:
    attempt = Attempt(now, run.run_count, run.policy, proposed.details.retriable is not False, DICE.random())
    return Accept(proposed) if force else decide(run.state, proposed, attempt)


def _settle(tx: Transaction, run: FlowRun | TaskRun, decision: Decision, now: datetime) -> Decision:
    """Write what the rules decided; the answer carries the state as it was written."""
    if not isinstance(decision, Accept | Reject) or decision.state is run.state:
        return decision
    state = _stamped(decision.state, now)
    changed = runs.after(run, state, now)
    if isinstance(changed, TaskRun):
        runs.write_task_runs(tx, [changed_task_run(changed, [state])], None)
    elif not runs.write_state(tx, changed, run.state_id):
        return Abort("Another process changed the run's state at the same moment.")
    elif state.details.pause_reschedule:  # suspended: its process ends by intent, and another one will go on
        runs.set_owner(tx, run.id, None)
    return decision._replace(state=state)
