"""Concurrency limits: slots are counted from leases that have not run out, never from a counter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from orchestration.domain.schemas.catalog import ConcurrencyLimit
from orchestration.domain.schemas.runs import Owner
from orchestration.persistence import values
from orchestration.persistence.database import Database, Row, Transaction

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


def upsert_limit(tx: Transaction, limit: ConcurrencyLimit) -> None:
    """Store a limit, or change the one of that name."""
    tx.execute(
        "INSERT INTO concurrency_limit (id, name, slot_limit, active, slot_decay_per_second, created, updated) "
        "VALUES (:id, :name, :limit, :active, :decay, :created, :updated) "
        "ON CONFLICT (name) DO UPDATE SET slot_limit = excluded.slot_limit, active = excluded.active, "
        "slot_decay_per_second = excluded.slot_decay_per_second, updated = excluded.updated",
        {
            "id": str(limit.id),
            "name": limit.name,
            "limit": limit.limit,
            "active": int(limit.active),
            "decay": limit.slot_decay_per_second,
            "created": values.micros(limit.created),
            "updated": values.micros(limit.updated),
        },
    )


def read_limits(db: Database, now: int) -> list[ConcurrencyLimit]:
    """All limits by name, with the slots that are taken at ``now`` (microseconds), and the leases that take them."""
    held: dict[str, list[UUID]] = {}
    for row in db.read("SELECT id, limit_id FROM concurrency_lease WHERE expires > :now ORDER BY id", {"now": now}):
        held.setdefault(row["limit_id"], []).append(UUID(row["id"]))
    limits = db.read(_ACTIVE + "ORDER BY c.name", {"now": now})
    return [_limit(row, now, tuple(held.get(row["id"], ()))) for row in limits]


def delete_limit(tx: Transaction, name: str) -> bool:
    """Remove a limit with its leases; whether there was one."""
    tx.lock(_TURN)
    rows = tx.execute("DELETE FROM concurrency_limit WHERE name = :name RETURNING id", {"name": name})
    for row in rows:
        tx.execute("DELETE FROM concurrency_lease WHERE limit_id = :id", {"id": row["id"]})
    return bool(rows)


def try_acquire(tx: Transaction, lease: Lease, now: int) -> float | None:
    """Take the slots of all the named limits, or none of them.

    Names without a limit, and limits that are switched off, always let pass. Returns ``None`` when the
    slots are taken, else the seconds after which asking again may help (0 where only a release can tell).
    """
    tx.lock(_TURN)
    gone = {"now": now, "id": str(lease.id)}  # asked again after the answer was lost, a lease takes its own place
    tx.execute("DELETE FROM concurrency_lease WHERE expires <= :now OR id = :id", gone)
    found = [_find(tx, name, now) for name in dict.fromkeys(lease.names)]
    limits = [row for row in found if row is not None and row["active"]]
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
    rows = tx.execute(
        "UPDATE concurrency_lease SET expires = :expires WHERE id = :id RETURNING id",
        {"id": str(lease_id), "expires": expires},
    )
    return bool(rows)


def release(tx: Transaction, lease_id: UUID) -> None:
    """Give back the slots of a lease."""
    tx.lock(_TURN)
    tx.execute("DELETE FROM concurrency_lease WHERE id = :id", {"id": str(lease_id)})


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
        key, freed = {"id": row["id"], "limit": row["limit_id"]}, min(slots, row["slots"])
        tx.execute(
            "UPDATE concurrency_lease SET slots = slots - :freed WHERE id = :id AND limit_id = :limit",
            {**key, "freed": freed},
        )
        slots -= freed
    tx.execute("DELETE FROM concurrency_lease WHERE slots <= 0", {})


def leases_of_host(db: Database, host: str) -> list[tuple[UUID, Owner]]:
    """The leases that processes of this host hold."""
    rows = db.read(
        "SELECT DISTINCT id, owner_host, owner_boot, owner_pid, owner_started FROM concurrency_lease "
        "WHERE owner_host = :host",
        {"host": host},
    )
    return [
        (UUID(row["id"]), Owner(row["owner_host"], row["owner_boot"], row["owner_pid"], row["owner_started"]))
        for row in rows
    ]


def _find(tx: Transaction, name: str, now: int) -> Row | None:
    rows = tx.execute(_ACTIVE + "WHERE c.name = :name", {"name": name, "now": now})
    return rows[0] if rows else None


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
        tx.execute(
            "UPDATE concurrency_limit SET decaying_slots = :slots, decayed_at = :now WHERE id = :id",
            {"id": row["id"], "slots": _taken(row, now) + lease.slots, "now": now},
        )
        return
    owner = lease.owner
    columns = "id, limit_id, slots, expires, owner_host, owner_boot, owner_pid, owner_started"
    holder = (owner.host, owner.boot, owner.pid, owner.started) if owner else (None,) * 4
    tx.insert_many(
        f"INSERT INTO concurrency_lease ({columns})", [(str(lease.id), row["id"], lease.slots, lease.expires, *holder)]
    )


def _limit(row: Row, now: int, lease_ids: tuple[UUID, ...]) -> ConcurrencyLimit:
    return ConcurrencyLimit(
        UUID(row["id"]),
        row["name"],
        row["slot_limit"],
        values.known_moment(row["created"]),
        values.known_moment(row["updated"]),
        bool(row["active"]),
        round(_taken(row, now)),
        row["slot_decay_per_second"],
        lease_ids,
    )
