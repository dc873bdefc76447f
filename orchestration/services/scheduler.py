"""The scheduler: makes the runs of slots, says which are late, and ends what dead workers and processes left."""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestration.backend.local_work import LocalWork
from orchestration.domain.schedules import LEASE_SECONDS

TICK_SECONDS = 1.0
# A pause after which leases get their time anew: nobody could renew them while the store or the machine slept.
GAP = timedelta(seconds=10 * TICK_SECONDS)


class Scheduler:
    """Several may tick on one store; each slot still yields one run, and each claim ends once."""

    def __init__(self, backend: LocalWork) -> None:
        self._backend = backend
        self._last: datetime | None = None
        self._patient_until: datetime | None = None

    def tick(self, now: datetime) -> float:
        """Do what is to be done at ``now`` (UTC); the seconds until the next time."""
        if self._last is None or now - self._last > GAP:
            self._patient_until = now + timedelta(seconds=LEASE_SECONDS)
        self._last = now
        has_more = self._backend.plan(now)
        self._backend.mark_late(now)
        if self._patient_until is None or now >= self._patient_until:
            self._backend.expire_claims(now)
        self._backend.crash_dead_runs()
        return 0.0 if has_more else TICK_SECONDS
