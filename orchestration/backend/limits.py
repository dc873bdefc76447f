"""Concurrency limits: slots are counted from leases that have not run out, never from a counter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from orchestration.backend.catalog import LocalCatalog
from orchestration.backend.clock import utc_now
from orchestration.backend.processes import is_dead, this_process
from orchestration.domain.schemas.catalog import ConcurrencyLimit
from orchestration.domain.schemas.wire import record_of
from orchestration.persistence import documents
from orchestration.persistence.database import STATEMENTS, Transaction
from orchestration.persistence.runs import owned, owner_columns
from orchestration.persistence.values import micros

# Microseconds since the epoch, in a far century: a lease that runs so long is held without being renewed.
NEVER = 10**18


class LocalLimits(LocalCatalog):
    """Who counts slots and takes them does so alone, over all limits, because a lease may have slots of several."""

    def concurrency_limits(self) -> list[ConcurrencyLimit]:
        """All limits by name, with the slots that are taken, and the leases that take them."""
        now, held = {"now": self._instant()}, dict[str, list[UUID]]()
        for row in self._db.read(STATEMENTS["held_leases"], now):
            held.setdefault(row["limit_id"], []).append(UUID(row["id"]))
        return [
            record_of(
                ConcurrencyLimit, documents.to_document("concurrency_limits", row), limit=row["slot_limit"],
                active_slots=round(row["taken"]), lease_ids=tuple(held.get(row["id"], ())),
            )
            for row in self._db.read(STATEMENTS["all_limits"], now)
        ]

    def try_acquire(
        self, lease_id: UUID, names: Sequence[str], slots: int, seconds: float, remote: bool = False
    ) -> float | None:
        """Take slots of all the named limits, or none; slots of processes that died are free."""
        lease = {"id": lease_id, "slots": slots, "expires": self._expiry(seconds)}
        lease |= owner_columns(None if remote else this_process())
        wait = self._taken(names, lease)
        return wait if wait is None or not self._release_dead_leases() else self._taken(names, lease)

    def renew_lease(self, lease_id: UUID, seconds: float) -> bool:
        """Keep a lease for ``seconds`` from now."""
        with self._turn() as tx:
            return bool(documents.update(tx, "leases", {"expires": self._expiry(seconds)}, {"id": lease_id}))

    def release_lease(self, lease_id: UUID) -> None:
        """Give back the slots of a lease."""
        with self._turn() as tx:
            documents.delete(tx, "leases", {"id": lease_id})

    def take_back(self, name: str, slots: int | None = None) -> None:
        """Free slots of a limit, of those that are held without being renewed; with ``None`` all its slots."""
        with self._turn() as tx:
            if slots is None:
                tx.execute(STATEMENTS["forget_limit"], {"name": name})
                tx.execute(STATEMENTS["forget_decay"], {"name": name})
                return
            for row in tx.execute(STATEMENTS["unrenewed_leases"], {"name": name, "never": NEVER}):
                key, freed = {"id": row["id"], "limit_id": row["limit_id"]}, min(slots, row["slots"])
                slots -= freed
                if freed == row["slots"]:
                    documents.delete(tx, "leases", key)
                else:
                    documents.update(tx, "leases", {"slots": row["slots"] - freed}, key)

    def _taken(self, names: Sequence[str], lease: dict[str, Any]) -> float | None:
        """Take the slots of all the named limits, or none of them.

        Names without a limit, and limits that are switched off, always let pass. Returns ``None`` when the
        slots are taken, else the seconds after which asking again may help (0 where only a release can tell).
        """
        with self._turn() as tx:
            now = self._instant()
            tx.execute(STATEMENTS["forget_leases"], {"now": now, "id": str(lease["id"])})
            asked = ({"name": name, "now": now} for name in dict.fromkeys(names))
            limits = [row for each in asked for row in tx.execute(STATEMENTS["limit_of_name"], each)]
            for row in limits:
                missing = row["taken"] + lease["slots"] - row["slot_limit"]
                if missing > 0:
                    decay = row["slot_decay_per_second"]
                    return missing / decay if decay > 0 else 0.0
            for row in limits:
                if row["slot_decay_per_second"] > 0:
                    spent = {"decaying_slots": row["taken"] + lease["slots"], "decayed_at": now}
                    documents.update(tx, "concurrency_limits", spent, {"id": row["id"]})
                else:
                    documents.insert(tx, "leases", {**lease, "limit_id": row["id"]})
        return None

    def _release_dead_leases(self) -> bool:
        held = owned(documents.rows(self._db, "leases", {"owner_host": this_process().host}))
        dead = {lease_id for lease_id, owner in held if is_dead(owner)}
        for lease_id in dead:
            self.release_lease(lease_id)
        return bool(dead)

    @contextmanager
    def _turn(self) -> Iterator[Transaction]:
        with self._db.transaction() as tx:
            tx.lock("concurrency")
            yield tx

    def _expiry(self, seconds: float) -> int:
        return NEVER if math.isinf(seconds) else self._instant() + round(seconds * 1e6)

    def _instant(self) -> int:
        return micros(utc_now())
