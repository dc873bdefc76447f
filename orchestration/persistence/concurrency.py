"""Concurrency limits: slots are counted from leases that have not run out, never from a counter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from orchestration.domain.schemas.catalog import ConcurrencyLimit
from orchestration.domain.schemas.runs import Owner
from orchestration.domain.schemas.wire import record_of
from orchestration.persistence import documents
from orchestration.persistence.database import Database, Row, Transaction
from orchestration.persistence.documents import to_document
from orchestration.persistence.runs import owned, owner_columns

NEVER = 10**18
"""Microseconds since the epoch, in a far century: a lease that runs so long is held without being renewed."""

_ACTIVE = """
SELECT c.*, COALESCE((SELECT SUM(l.slots) FROM concurrency_lease l
    WHERE l.limit_id = c.id AND l.expires > :now), 0) AS leased
FROM concurrency_limit c
"""

_TURN = "concurrency"
"""Who counts slots and takes them does so alone, over all limits, because a lease may have slots of several."""


@dataclass(frozen=True, slots=True)
class Lease:
    """``slots`` of each named limit, held until ``expires`` (microseconds) unless renewed.

    A lease without an owner is held by somebody whose process this host cannot watch.
    """

    id: UUID
    names: Sequence[str]
    slots: int
    expires: int
    owner: Owner | None


def read_limits(db: Database, now: int) -> list[ConcurrencyLimit]:
    """All limits by name, with the slots that are taken at ``now`` (microseconds), and the leases that take them."""
    held: dict[str, list[UUID]] = {}
    for row in db.read("SELECT id, limit_id FROM concurrency_lease WHERE expires > :now ORDER BY id", {"now": now}):
        held.setdefault(row["limit_id"], []).append(UUID(row["id"]))
    return [
        record_of(
            ConcurrencyLimit, to_document("concurrency_limits", row), limit=row["slot_limit"],
            active_slots=round(_taken(row, now)), lease_ids=tuple(held.get(row["id"], ())),
        )
        for row in db.read(_ACTIVE + "ORDER BY c.name", {"now": now})
    ]  # fmt: skip


def try_acquire(tx: Transaction, lease: Lease, now: int) -> float | None:
    """Take the slots of all the named limits, or none of them.

    Names without a limit, and limits that are switched off, always let pass. Returns ``None`` when the
    slots are taken, else the seconds after which asking again may help (0 where only a release can tell).
    """
    tx.lock(_TURN)
    gone = {"now": now, "id": str(lease.id)}  # asked again after the answer was lost, a lease takes its own place
    tx.execute("DELETE FROM concurrency_lease WHERE expires <= :now OR id = :id", gone)
    asked = ({"name": name, "now": now} for name in dict.fromkeys(lease.names))
    limits = [row for each in asked for row in tx.execute(_ACTIVE + "WHERE c.name = :name", each) if row["active"]]
    for row in limits:
        missing = _taken(row, now) + lease.slots - row["slot_limit"]
        if missing > 0:
            decay = row["slot_decay_per_second"]
            return missing / decay if decay > 0 else 0.0
    for row in limits:
        _take(tx, row, lease, now)
    return None


def renew(tx: Transaction, lease_id: UUID, expires: int) -> bool:
    """Let a lease run until ``expires`` (microseconds); whether it was still there."""
    tx.lock(_TURN)
    return bool(documents.update(tx, "leases", {"expires": expires}, {"id": lease_id}))


def release(tx: Transaction, lease_id: UUID) -> None:
    """Give back the slots of a lease."""
    tx.lock(_TURN)
    documents.delete(tx, "leases", {"id": lease_id})


def take_back(tx: Transaction, name: str, slots: int | None) -> None:
    """Free so many slots of a limit, of those that are held without being renewed; with ``None`` all its slots."""
    tx.lock(_TURN)
    where = "FROM concurrency_lease WHERE limit_id = (SELECT id FROM concurrency_limit WHERE name = :name)"
    if slots is None:
        tx.execute(f"DELETE {where}", {"name": name})
        tx.execute("UPDATE concurrency_limit SET decaying_slots = 0 WHERE name = :name", {"name": name})
        return
    params = {"name": name, "never": NEVER}
    for row in tx.execute(f"SELECT id, limit_id, slots {where} AND expires >= :never ORDER BY id", params):
        freed = min(slots, row["slots"])
        key = {"id": row["id"], "limit_id": row["limit_id"]}
        documents.update(tx, "leases", {"slots": row["slots"] - freed}, key)
        slots -= freed
    tx.execute("DELETE FROM concurrency_lease WHERE slots <= 0", {})


def leases_of_host(db: Database, host: str) -> list[tuple[UUID, Owner]]:
    """The leases that processes of this host hold."""
    return list(dict.fromkeys(owned(documents.rows(db, "leases", {"owner_host": host}))))


def _taken(row: Row, now: int) -> float:
    """Slots in use: leased ones, or for a decaying limit those that have not come back yet."""
    decay = float(row["slot_decay_per_second"])
    if decay <= 0:
        return float(row["leased"])
    elapsed = max(0, now - row["decayed_at"]) / 1e6
    left: float = row["decaying_slots"] - elapsed * decay
    return max(0.0, left)


def _take(tx: Transaction, row: Row, lease: Lease, now: int) -> None:
    if row["slot_decay_per_second"] > 0:
        spent = {"decaying_slots": _taken(row, now) + lease.slots, "decayed_at": now}
        documents.update(tx, "concurrency_limits", spent, {"id": row["id"]})
    else:
        taken = {"id": lease.id, "limit_id": row["id"], "slots": lease.slots, "expires": lease.expires}
        documents.insert(tx, "leases", {**taken, **owner_columns(lease.owner)})
