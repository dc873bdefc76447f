"""What schedules and leases decide, as pure functions: which slots become runs, and what becomes of a left run."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any, NamedTuple

from orchestration.domain import states
from orchestration.domain.errors import UsageError
from orchestration.domain.schedules import Schedule
from orchestration.domain.schemas.runs import FlowRun

# How long a claim lasts that its worker does not renew.
LEASE_SECONDS = 15.0
# After so much time a run that nobody has started is late.
GRACE = timedelta(seconds=15)
# How many runs a schedule has ahead at least, those of which time it has in any case, and how many at most.
AHEAD, SOON, MOST = 3, timedelta(minutes=10), 100
# Slots that a schedule makes up for at most, the latest ones.
MOST_PASSED = 5_000
VANISHED = "The worker of this run was not heard of any more."


class Plan(NamedTuple):
    """Slots that become runs, up to when all are known then, and when to plan again."""

    slots: list[datetime]
    until: datetime
    again: datetime | None


def check_policy(schedule: Mapping[str, Any]) -> None:
    """Refuse what a schedule says of slots that did not start in time, if it says nothing known."""
    catchup, overlap = schedule.get("catchup") or "all", schedule.get("overlap") or "allow"
    if not re.fullmatch(r"none|latest|all(\(\d{1,9}\))?", catchup) or overlap not in ("allow", "skip", "queue"):
        known = "catchup is none, latest, all or all(n), and overlap allow, skip or queue"
        raise UsageError(f"A schedule's {known}; this one has {catchup!r} and {overlap!r}.")


def plan(schedule: Schedule, since: datetime, now: datetime, most: int | None = None) -> Plan:
    """What is to be made of the slots after ``since``, of which those before ``now`` passed while nobody looked."""
    passed = takewhile(lambda slot: slot <= now, schedule.slots(since) if since < now else ())
    coming = enumerate(islice(schedule.slots(now), min(most or MOST, MOST)))
    ahead = [slot for _, slot in takewhile(lambda each: each[0] < AHEAD or each[1] <= now + SOON, coming)]
    slots = [*deque(passed, MOST_PASSED), *(slot for slot in ahead if slot > since)]
    return Plan(slots, max([now, since, *ahead]), ahead[len(ahead) // 2] if ahead else None)


def left_behind(run: FlowRun, message: str | None, now: datetime, unit_random: float) -> list[states.State]:
    """The states of a run whose process is gone, one after the other.

    A run that was being cancelled is; one that had not begun goes back, unless ``message`` says what was wrong with
    it; one that was running crashed, and starts again where its flow's retries allow that.
    """
    state = run.state
    if state is None or state.is_scheduled() or state.details.pause_reschedule:
        return []
    if state.is_cancelling():
        return [states.Cancelled("The run was cancelled.", timestamp=now)]
    if state.is_pending() and message is None:
        return [states.Scheduled(run.expected_start_time or now, f"{VANISHED} Another one may start it.")]
    found = [] if state.is_final() else [states.Crashed(message or VANISHED, timestamp=now)]
    if (found or state.is_crashed()) and run.policy.allows(run.run_count):
        delay = run.policy.delay(run.run_count, unit_random)
        found.append(states.awaiting_retry(now, delay, "Retrying after a crash."))
    return found
