"""``LocalBackend``: the rules and this machine's database, in the caller's process.

Runs, their states and their claims; what else is kept here is in ``catalog``, which this one completes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from orchestration.backend.catalog import TOLD, LocalCatalog
from orchestration.backend.clock import DICE, made_up_name, new_id, utc_now
from orchestration.backend.port import Documents
from orchestration.backend.surroundings import DIED, is_dead, this_process
from orchestration.domain import schedules, states
from orchestration.domain.rules import Abort, Accept, Attempt, Decision, Reject, decide
from orchestration.domain.schemas import wire
from orchestration.domain.schemas.runs import Batch, FlowRun, TaskRun, TaskRunChange, uuid7
from orchestration.domain.settings import Settings
from orchestration.domain.states import State, StateType
from orchestration.persistence import documents, runs
from orchestration.persistence.database import STATEMENTS, Database, Transaction
from orchestration.persistence.documents import micros, moment

P = ParamSpec("P")
T = TypeVar("T")
LEFT_BEHIND = "The flow run around this task run has ended."
DEPLOYMENT_LABEL = "prefect.deployment.id"
# Schedules that one tick plans, so that others get their turn.
PLANNED_AT_ONCE = 20
# Between two looks for runs that are due; a look that finds none writes nothing.
POLL_SECONDS = 0.1
# After so long it is noted anew that a worker has asked for the runs of a queue.
NOTED_SECONDS = 10.0


class LocalBackend(LocalCatalog):
    """Each method is one transaction on the database, or one for each run that it concerns."""

    _noted = 0.0

    def __init__(self, database: Database, settings: Settings, revive: wire.Revive) -> None:
        super().__init__(database, settings)
        self._revive = revive

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
        if name := wanted.get("work_queue_name"):
            queue = self.read("work_queues", work_pool_id=deployment["work_queue_work_pool_id"], name=name)
            deployment["work_queue_id"] = queue["id"]
        return self.create_flow_run(run_of(deployment, wanted, utc_now()))

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
            decision = _proposed(tx, run, state, now, force)
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
            return _proposed(tx, runs.read_task_run(tx, run_id, self._revive), state, now, force)

    def scheduled_runs(self, work_pool_id: UUID, queues: Sequence[str], before: datetime, limit: int) -> Documents:
        """Runs that workers of a pool may start by then, most urgent first."""
        asked = _asked(work_pool_id, queues, limit)
        with self._db.transaction() as tx:
            tx.execute(STATEMENTS["note_poll"], {**asked, "now": micros(utc_now())})
            due = [dict(row) for row in tx.execute(STATEMENTS["scheduled"], {**asked, "before": micros(before)})]
        return [{**run, "flow_run": self.read("flow_runs", id=run.pop("id"))} for run in due]

    # -- claims, for workers -----------------------------------------------------------------------------------------

    def claim_runs(
        self, work_pool_id: UUID, queues: Sequence[str], limit: int, holder: str, wait: float = 0.0
    ) -> Documents:
        """Take the most urgent runs that may start; waits up to ``wait`` seconds for one."""
        end = time.monotonic() + wait
        while not (found := self._claimed(work_pool_id, queues, limit, holder)) and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
        return [{**self.read("flow_runs", id=run_id), "claim_id": str(claim_id)} for run_id, claim_id in found.items()]

    def renew_claims(self, claim_ids: Sequence[UUID]) -> dict[UUID, str]:
        """Keep claims; those that are still held, each with the type of its run's state."""
        with self._db.transaction() as tx:
            expires = self._expiry(schedules.LEASE_SECONDS)
            found = [tx.execute(STATEMENTS["renew_claim"], {"expires": expires, "id": str(each)}) for each in claim_ids]
        return {each: rows[0]["state_type"] for each, rows in zip(claim_ids, found, strict=True) if rows}

    def end_claim(self, claim_id: UUID, message: str | None = None) -> None:
        """Give up a claim: the run's process has ended, or never began; ``message`` tells what went wrong."""
        self._inside(self._end, claim_id, message, utc_now(), sys.maxsize)

    # -- ticks, for the scheduler ------------------------------------------------------------------------------------

    def plan(self, now: datetime) -> bool:
        """Make the runs of slots that are coming or have passed; whether there may be more to make."""
        found = self._db.read(STATEMENTS["to_plan"], {"now": micros(now), "most": PLANNED_AT_ONCE})
        for row in found:
            self._inside(self._plan, row["id"], now)
        return len(found) == PLANNED_AT_ONCE

    def mark_late(self, now: datetime) -> None:
        """Let go of slots that schedules do not catch up, and say of other waiting runs why they have not started."""
        for row in self._db.read(STATEMENTS["overdue"], {"now": micros(now)}):
            self._inside(self._enter, UUID(row["id"]), [states.Cancelled(row["reason"], name="Missed")], now)
        alive = now - timedelta(seconds=runs.HEARTBEAT_SECONDS * runs.HEARTBEATS_MISSED)
        for row in self._db.read(STATEMENTS["late"], {"late": micros(now - schedules.GRACE), "alive": micros(alive)}):
            state = states.Late(moment(row["slot"]), row["reason"])
            self._inside(self._enter, UUID(row["id"]), [state], now)

    def expire_claims(self, now: datetime) -> None:
        """End the claims of workers that were not heard of any more."""
        for row in self._db.read(STATEMENTS["expired_claims"], {"now": micros(now)}):
            self._inside(self._end, UUID(row["id"]), None, now, micros(now))

    def untold(self, since: datetime) -> Iterator[tuple[UUID, State, State | None]]:
        """The states that flow runs have entered since then and no event tells of: run, state, and the one before."""
        first = uuid7(round(since.timestamp() * 1000), 0)
        found = {row["id"]: row["flow_run_id"] for row in self._db.read(STATEMENTS["untold"], {"first": str(first)})}
        for run_id in map(UUID, dict.fromkeys(found.values())):
            for before, state in pairwise([None, *self.flow_run_states(run_id)]):
                if state is not None and str(state.id) in found:
                    yield run_id, state, before

    # -- one step each -----------------------------------------------------------------------------------------------

    def _claimed(self, pool_id: UUID, queues: Sequence[str], limit: int, holder: str) -> dict[str, UUID]:
        """The runs that are claimed now, each with its claim."""
        now, expires, claimed = utc_now(), self._expiry(schedules.LEASE_SECONDS), dict[str, UUID]()
        asked = {**_asked(pool_id, queues, limit), "now": micros(now)}
        if not self._db.read(STATEMENTS["claimable"], asked) and time.monotonic() < self._noted + NOTED_SECONDS:
            return claimed
        with self._db.transaction() as tx:
            tx.lock(f"claims of {pool_id}")
            tx.execute(STATEMENTS["note_poll"], asked)
            while len(claimed) < limit and (rows := tx.execute(STATEMENTS["claimable"], asked)):
                free = 1 if any(row["is_limited"] for row in rows) else limit - len(claimed)
                for row in rows[:free]:
                    run, claim_id = runs.read_flow_run(tx, UUID(row["id"]), self._revive), new_id()
                    documents.delete(tx, "run_claims", {"flow_run_id": run.id})
                    claim = {"id": claim_id, "flow_run_id": run.id, "holder": holder, "expires": expires}
                    documents.insert(tx, "run_claims", claim)
                    if isinstance(_proposed(tx, run, states.Pending(), now), Accept):
                        claimed[row["id"]] = claim_id
        self._noted = time.monotonic()
        return claimed

    def _end(self, tx: Transaction, claim_id: UUID, message: str | None, now: datetime, before: int) -> None:
        """Remove a claim that was not renewed beyond ``before`` (microseconds), and let its run follow."""
        for row in tx.execute(STATEMENTS["end_claim"], {"id": str(claim_id), "now": before}):
            run = runs.read_flow_run(tx, UUID(row["flow_run_id"]), self._revive)
            self._enter(tx, run.id, schedules.left_behind(run, message, now, DICE.random()), now)
            runs.set_owner(tx, run.id, None)

    def _enter(self, tx: Transaction, run_id: UUID, entered: Iterable[State], now: datetime) -> None:
        """Give a run states that nobody proposed, and end what it leaves behind when it ends."""
        for state in entered:
            _settle(tx, runs.read_flow_run(tx, run_id, self._revive), Accept(state), now)
            if state.is_final():
                self._crash_inside(tx, run_id, state.message or state.name, now)

    def _plan(self, tx: Transaction, schedule_id: str, now: datetime) -> None:
        for schedule in documents.update(tx, "schedules", {"replan": 0}, {"id": schedule_id}):  # and so hold its row
            row = documents.rows(tx, "deployments", {"id": schedule["deployment_id"]})[0]
            deployment, times = runs.present("deployments", row, now), _times(json.dumps(schedule["schedule"]))
            since = datetime.fromisoformat(schedule["planned"] or schedule["created"]).astimezone(UTC)
            slots, until, again = schedules.plan(times, since, now, schedule["max_scheduled_runs"])
            for slot in slots:
                state = wire.state_document(states.Scheduled(slot))
                wanted = {
                    "idempotency_key": schedules.slot_key(deployment["id"], schedule["slug"] or schedule_id, slot),
                    "state": state, "parameters": schedule["parameters"],
                    "tags": ["auto-scheduled"], "auto_scheduled": True, "schedule_id": schedule_id,
                }  # fmt: skip
                self._create(tx, run_of(deployment, wanted, now))
            replan = micros(again) if again else sys.maxsize
            documents.update(tx, "schedules", {"planned": until, "replan": replan}, {"id": schedule_id})

    def crash_dead_runs(self) -> list[UUID]:
        """Mark Crashed every run whose process, on this host, has died."""
        suspects = runs.owned(self._db.read(STATEMENTS["unfinished_of_host"], {"host": this_process().host}))
        lone_tasks = runs.unfinished_without_flow(self._db)
        crashed = [run_id for run_id, owner in suspects if is_dead(owner) and self._inside(self._crash, run_id)]
        crash, dead = runs.crash_task_run, [run_id for run_id, owner in lone_tasks if is_dead(owner)]
        return crashed + [run_id for run_id in dead if self._inside(crash, run_id, utc_now(), DIED, new_id)]

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def _inside(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a piece of work gives, done in a transaction of its own."""
        with self._db.transaction() as tx:
            return work(tx, *args, **kwargs)

    def _crash(self, tx: Transaction, run_id: UUID) -> bool:
        """Crash one dead run, unless somebody else has done so by now."""
        run = runs.read_flow_run(tx, run_id, self._revive)
        is_left = run.state is not None and not run.state.is_final() and run.owner is not None and is_dead(run.owner)
        self._enter(tx, run_id, [states.Crashed(DIED)] if is_left else [], utc_now())
        return is_left

    def _crash_inside(self, tx: Transaction, flow_run_id: UUID, message: str, now: datetime) -> None:
        """Crash what a flow run leaves behind, subflows within subflows as well."""
        for row in tx.execute(STATEMENTS["unfinished_subflows"], {"run": str(flow_run_id)}):
            self._enter(tx, UUID(row["id"]), [states.Crashed(message)], now)
        runs.crash_task_runs(tx, flow_run_id, now, message, new_id)


def _stamped(state: State, now: datetime) -> State:
    """The state with an id and a time; those it has are kept, so that a re-sent one is recognised."""
    return state.evolve(id=state.id or new_id(), timestamp=state.timestamp or now)


def _proposed(tx: Transaction, run: FlowRun | TaskRun, state: State, now: datetime, force: bool = False) -> Decision:
    """Let the rules decide on a state, and write the outcome."""
    attempt = Attempt(now, run.run_count, run.policy, state.details.retriable is not False, DICE.random())
    return _settle(tx, run, Accept(state) if force else decide(run.state, state, attempt), now)


def _settle(tx: Transaction, run: FlowRun | TaskRun, decision: Decision, now: datetime) -> Decision:
    """Write what the rules decided; the answer carries the state as it was written."""
    if not isinstance(decision, Accept | Reject) or decision.state is run.state:
        return decision
    state = _stamped(decision.state, now)
    changed = runs.after(run, state, now)
    if isinstance(changed, TaskRun):
        runs.write_task_runs(tx, [TaskRunChange(changed, [state], is_new=False)], None)
    elif not runs.write_state(tx, changed, run.state_id):
        return Abort("Another process changed the run's state at the same moment.")
    elif state.details.pause_reschedule:  # suspended: its process ends by intent, and another one will go on
        runs.set_owner(tx, run.id, None)
    return decision._replace(state=state)


def run_of(deployment: wire.Document, wanted: Mapping[str, Any], now: datetime) -> FlowRun:
    """A run of a deployment; ``wanted`` has what differs from it. Without a state it is due at once."""
    state = wire.state_of(wanted["state"]) if wanted.get("state") else states.Scheduled(now)
    if state.is_scheduled() and state.details.scheduled_time is None:
        state = states.Scheduled(now, name=state.name)
    run_id = new_id()
    document = {name: wanted.get(name) for name in TOLD["of_run"]} | {
        **{name: deployment[field] for name, field in TOLD["of_deployment"].items()},
        "parameters": {**deployment["parameters"], **(wanted.get("parameters") or {})},
        "tags": sorted({*deployment["tags"], *(wanted.get("tags") or ())}),
        "labels": {**(deployment["labels"] or {}), **(wanted.get("labels") or {}), DEPLOYMENT_LABEL: deployment["id"]},
    }
    return wire.record_of(
        FlowRun, document, id=run_id, name=wanted.get("name") or made_up_name(), created=now,
        state=state.evolve(details=replace(state.details, flow_run_id=run_id)),
        policy=wire.policy_of(wanted.get("empirical_policy")), expected_start_time=state.details.scheduled_time or now,
    )


def _asked(work_pool_id: UUID, queues: Sequence[str], most: int) -> dict[str, Any]:
    """What a worker asks for; no queues stand for all of the pool."""
    return {"pool": str(work_pool_id), "queues": ",".join(f'"{name}"' for name in queues), "most": most}


@lru_cache(maxsize=10_000)
def _times(document: str) -> schedules.Schedule:
    """The schedule of a document; the same one every time, since to check a cron expression takes its time."""
    return schedules.schedule_of(json.loads(document))
