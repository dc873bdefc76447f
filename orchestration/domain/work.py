"""What schedules and leases decide, as pure functions: which slots become runs, and what becomes of a left run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any, NamedTuple, Self

from orchestration.domain import states
from orchestration.domain.errors import UsageError
from orchestration.domain.schedules import Schedule
from orchestration.domain.schemas.runs import FlowRun

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
        catchup, lateness = str(schedule.get("catchup") or "all"), schedule.get("max_lateness")
        overlap, number = schedule.get("overlap") or "allow", catchup.removeprefix("all(").removesuffix(")")
        is_known = catchup in ("none", "latest", "all") or number.isdecimal()
        if not is_known or overlap not in ("allow", "skip", "queue"):
            known = "catchup is none, latest, all or all(n), and overlap allow, skip or queue"
            raise UsageError(f"A schedule's {known}; this one has {catchup!r} and {overlap!r}.")
        keep = int(number) if number.isdecimal() else None if catchup == "all" else 1
        return cls(keep, NO_CATCHUP if (catchup, lateness) == ("none", None) else lateness, overlap == "skip")

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
    slots = schedule.slots(since) if since < now else ()
    passed = list(islice(takewhile(lambda slot: slot <= now, slots), MOST_PASSED))
    why = [policy.why_missed(newer, now - slot) for newer, slot in enumerate(reversed(passed))][::-1]
    kept = [slot for slot, reason in zip(passed, why, strict=True) if not reason]
    missed = [slot for slot, reason in zip(passed, why, strict=True) if reason]
    if len(passed) == MOST_PASSED:
        return Plan(kept, missed, passed[-1], now)
    coming = enumerate(islice(schedule.slots(now), min(most or MOST, MOST)))
    ahead = [slot for _, slot in takewhile(lambda each: each[0] < AHEAD or each[1] <= now + SOON, coming)]
    again = ahead[len(ahead) // 2] if ahead else None
    return Plan(kept + [slot for slot in ahead if slot > since], missed, max([now, since, *ahead]), again)


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
