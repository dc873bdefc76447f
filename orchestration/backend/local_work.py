"""What workers and the scheduler ask of this machine's database: runs of slots, claims on runs, and their end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any
from uuid import UUID

from orchestration.backend import catalog
from orchestration.backend.clock import DICE, new_id, utc_now
from orchestration.backend.local import LocalBackend, _decide, _settle, _stamped
from orchestration.domain import schedules, states
from orchestration.domain.rules import Accept
from orchestration.domain.schedules import Schedule, schedule_of, slot_key
from orchestration.domain.schemas.runs import uuid7
from orchestration.domain.schemas.wire import Document, state_document
from orchestration.persistence import documents, runs
from orchestration.persistence.database import STATEMENTS, Transaction
from orchestration.persistence.values import micros, moment

# Schedules that one tick plans, so that others get their turn.
PLANNED_AT_ONCE = 20
# Between two looks for runs that are due; a look that finds none writes nothing.
POLL_SECONDS = 0.1
# After so long it is noted anew that a worker has asked for the runs of a queue.
NOTED_SECONDS = 10.0


class LocalWork(LocalBackend):
    """Each method is one transaction on the database, or one for each run that it concerns."""

    _noted = 0.0

    # -- claims, for workers -----------------------------------------------------------------------------------------

    def claim_runs(
        self, work_pool_id: UUID, queues: Sequence[str], limit: int, holder: str, wait: float = 0.0
    ) -> list[Document]:
        """Take the most urgent runs that may start; waits up to ``wait`` seconds for one."""
        end = time.monotonic() + wait
        while not (found := self._claimed(str(work_pool_id), queues, limit, holder)) and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
        return [{**self.read("flow_runs", id=run_id), "claim_id": str(claim_id)} for run_id, claim_id in found.items()]

    def renew_claims(self, claim_ids: Sequence[UUID]) -> dict[UUID, str]:
        """Keep claims; those that are still held, each with the type of its run's state."""
        with self._db.transaction() as tx:
            expires = _end_of_lease(utc_now())
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
        alive = now - timedelta(seconds=documents.HEARTBEAT_SECONDS * documents.HEARTBEATS_MISSED)
        for row in self._db.read(STATEMENTS["late"], {"late": micros(now - schedules.GRACE), "alive": micros(alive)}):
            state = states.Late(moment(row["slot"]), row["reason"])
            self._inside(self._enter, UUID(row["id"]), [state], now)

    def expire_claims(self, now: datetime) -> None:
        """End the claims of workers that were not heard of any more."""
        for row in self._db.read(STATEMENTS["expired_claims"], {"now": micros(now)}):
            self._inside(self._end, UUID(row["id"]), None, now, micros(now))

    def untold(self, since: datetime) -> Iterator[tuple[UUID, states.State, states.State | None]]:
        """The states that flow runs have entered since then and no event tells of: run, state, and the one before."""
        first = uuid7(round(since.timestamp() * 1000), 0)
        found = {row["id"]: row["flow_run_id"] for row in self._db.read(STATEMENTS["untold"], {"first": str(first)})}
        for run_id in map(UUID, dict.fromkeys(found.values())):
            for before, state in pairwise([None, *self.flow_run_states(run_id)]):
                if state is not None and str(state.id) in found:
                    yield run_id, state, before

    # -- one step each -----------------------------------------------------------------------------------------------

    def _claimed(self, pool_id: str, queues: Sequence[str], limit: int, holder: str) -> dict[str, UUID]:
        """The runs that are claimed now, each with its claim."""
        now, claimed = utc_now(), dict[str, UUID]()
        asked: dict[str, Any] = {"pool": pool_id, "now": micros(now), "most": limit}
        asked["queues"] = json.dumps(list(queues)) if queues else ""
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
                    claim = {"id": claim_id, "flow_run_id": run.id, "holder": holder, "expires": _end_of_lease(now)}
                    documents.insert(tx, "run_claims", claim)
                    if isinstance(_settle(tx, run, _decide(run, _stamped(states.Pending(), now), now), now), Accept):
                        claimed[row["id"]] = claim_id
        self._noted = time.monotonic()
        return claimed

    def _end(self, tx: Transaction, claim_id: UUID, message: str | None, now: datetime, before: int) -> None:
        """Remove a claim that was not renewed beyond ``before`` (microseconds), and let its run follow."""
        for row in tx.execute(STATEMENTS["end_claim"], {"id": str(claim_id), "now": before}):
            run = runs.read_flow_run(tx, UUID(row["flow_run_id"]), self._revive)
            self._enter(tx, run.id, schedules.left_behind(run, message, now, DICE.random()), now)
            runs.set_owner(tx, run.id, None)

    def _enter(self, tx: Transaction, run_id: UUID, entered: Iterable[states.State], now: datetime) -> None:
        """Give a run states that nobody proposed, and end what it leaves behind when it ends."""
        for state in entered:
            _settle(tx, runs.read_flow_run(tx, run_id, self._revive), Accept(_stamped(state, now)), now)
            if state.is_final():
                self._crash_inside(tx, run_id, state.message or state.name, now)

    def _plan(self, tx: Transaction, schedule_id: str, now: datetime) -> None:
        for schedule in documents.update(tx, "schedules", {"replan": 0}, {"id": schedule_id}):  # and so hold its row
            row = documents.rows(tx, "deployments", {"id": schedule["deployment_id"]})[0]
            deployment, times = documents.present("deployments", row, now), _times(json.dumps(schedule["schedule"]))
            since = datetime.fromisoformat(schedule["planned"] or schedule["created"]).astimezone(UTC)
            slots, until, again = schedules.plan(times, since, now, schedule["max_scheduled_runs"])
            for slot in slots:
                key, state = slot_key(deployment["id"], schedule["slug"] or schedule_id, slot), states.Scheduled(slot)
                wanted = {
                    "idempotency_key": key, "state": state_document(state), "parameters": schedule["parameters"],
                    "tags": ["auto-scheduled"], "auto_scheduled": True, "schedule_id": schedule_id,
                }  # fmt: skip
                self._create(tx, catalog.run_of(deployment, wanted, now))
            replan = micros(again) if again else sys.maxsize
            documents.update(tx, "schedules", {"planned": until, "replan": replan}, {"id": schedule_id})


@lru_cache(maxsize=10_000)
def _times(document: str) -> Schedule:
    """The schedule of a document; the same one every time, since to check a cron expression takes its time."""
    return schedule_of(json.loads(document))


def _end_of_lease(now: datetime) -> int:
    return micros(now) + round(schedules.LEASE_SECONDS * 1e6)
