"""What schedules and leases decide, as pure functions: which slots become runs, and what becomes of a left run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any, NamedTuple, Self

from orchestration.domain.errors import UsageError
from orchestration.domain.schedules import Schedule
from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.states import Cancelled, Crashed, Scheduled, State, StateType, awaiting_retry

LEASE_SECONDS = 15.0
"""How long a claim lasts that its worker does not renew."""
GRACE = timedelta(seconds=15)
"""After so much time a run that nobody has started is late."""
NO_CATCHUP = 60.0
"""Seconds; a slot that could not start within them is missed where nothing is to be caught up."""
AHEAD, SOON, MOST = 3, timedelta(minutes=10), 100
"""How many runs a schedule has ahead at least, those of which time it has in any case, and how many at most."""
MOST_PASSED = 20_000
"""Slots that are looked back at in one go."""
VANISHED = "The worker of this run was not heard of any more."
_CATCHUPS, _OVERLAPS = ("none", "latest", "all"), ("allow", "skip", "queue")


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for slots that did not start in time: how many of them are kept, and for how many seconds."""

    keep: int | None = None
    lateness: float | None = None
    skips: bool = False

    @classmethod
    def of(cls, schedule: Mapping[str, Any]) -> Self:
        """The policy that a schedule's ``catchup``, ``max_lateness`` (seconds) and ``overlap`` describe.

        Raises:
            UsageError: one of them says nothing that is known.
        """
        catchup, lateness = str(schedule.get("catchup") or "all").replace(" ", ""), schedule.get("max_lateness")
        overlap, number = schedule.get("overlap") or "allow", catchup.removeprefix("all(").removesuffix(")")
        if not (catchup in _CATCHUPS or number.isdecimal()) or overlap not in _OVERLAPS:
            known = "catchup is none, latest, all or all(n), and overlap allow, skip or queue"
            raise UsageError(f"A schedule's {known}; this one has {catchup!r} and {overlap!r}.")
        if catchup == "none":
            return cls(1, NO_CATCHUP if lateness is None else lateness, overlap == "skip")
        keep = {"latest": 1, "all": None}.get(catchup, int(number) if number.isdecimal() else None)
        return cls(keep, lateness, overlap == "skip")

    def why_missed(self, newer: int, late: timedelta, is_busy: bool = False) -> str | None:
        """Why a slot does not become a run any more: ``newer`` slots wait as well, and it is ``late`` so much."""
        if self.skips and is_busy:
            return "An earlier run of this schedule was still active, and overlap is 'skip'."
        if self.lateness is not None and late.total_seconds() > self.lateness:
            return f"Nobody started it within {self.lateness:g} seconds of its slot."
        if self.keep is not None and newer >= self.keep:
            return f"{newer} later slot(s) had come before anybody started it, and so many are not caught up."
        return None


class Plan(NamedTuple):
    """Slots that become runs, those that were missed, up to when all are known, and when to plan again."""

    wanted: list[datetime]
    missed: list[datetime]
    until: datetime
    again: datetime | None


def plan(schedule: Schedule, policy: Policy, since: datetime, now: datetime, most: int | None) -> Plan:
    """What is to be made of the slots after ``since``, of which those before ``now`` passed while nobody looked."""
    passed = list(islice(takewhile(lambda slot: slot <= now, schedule.slots(since)), MOST_PASSED))
    late = {slot: policy.why_missed(newer, now - slot) for newer, slot in enumerate(reversed(passed))}
    kept, missed = [slot for slot in passed if not late[slot]], [slot for slot in passed if late[slot]]
    if len(passed) == MOST_PASSED:
        return Plan(kept, missed, passed[-1], now)
    ahead = schedule.upcoming(now, min(most or MOST, MOST))
    ahead = ahead[: max(AHEAD, sum(slot <= now + SOON for slot in ahead))]
    again = ahead[len(ahead) // 2] if ahead else None
    return Plan(kept + [slot for slot in ahead if slot > since], missed, max([now, since, *ahead]), again)


def left_behind(run: FlowRun, message: str | None, now: datetime, unit_random: float) -> list[State]:
    """The states of a run whose process is gone, one after the other.

    A run that was being cancelled is; one that had not begun goes back, unless ``message`` says what was wrong with
    it; one that was running crashed, and starts again where its flow's retries allow that.
    """
    state, found = run.state, list[State]()
    if state is None or state.is_scheduled() or state.details.pause_reschedule:
        return []
    if state.is_cancelling():
        return [Cancelled("The run was cancelled.", timestamp=now)]
    if state.is_pending() and message is None:
        return [Scheduled(run.expected_start_time or now, f"{VANISHED} Another one may start it.")]
    if not state.is_final():
        found.append(Crashed(message or VANISHED, timestamp=now))
    if (found or state.type is StateType.CRASHED) and run.policy.allows(run.run_count):
        found.append(awaiting_retry(now, run.policy.delay(run.run_count, unit_random), "Retrying after a crash."))
    return found


def why_late(facts: Mapping[str, Any]) -> str:
    """Why nobody has started a run whose time has come, by what the store knows of its way to a worker."""
    reasons = {
        "paused": "its deployment is paused", "no_queue": "it has no work pool, and no process serves its flow",
        "pool_paused": f"the work pool {facts['pool']!r} is paused",
        "queue_paused": f"the work queue {facts['queue']!r} is paused",
        "no_worker": f"no worker of the pool {facts['pool']!r} is there; start one with "
        f"`orchestrate worker start -p {facts['pool']}`",
        "is_full": f"the work pool {facts['pool']!r}, its queue or the deployment has as many runs as it may",
    }
    found = next((text for name, text in reasons.items() if facts[name]), "all workers are busy")
    return f"It has not started: {found}."
