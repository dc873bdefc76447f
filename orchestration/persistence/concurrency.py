"""Concurrency limits: slots are counted from leases that have not run out, never from a counter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from orchestration.domain.schemas.catalog import ConcurrencyLimit
from orchestration.domain.schemas.runs import Owner
from orchestration.domain.schemas.wire import record_of
from orchestration.persistence import documents
from orchestration.persistence.database import STATEMENTS, Database, Transaction
from orchestration.persistence.runs import owned, owner_columns

# Microseconds since the epoch, in a far century: a lease that runs so long is held without being renewed.
NEVER = 10**18

# Who counts slots and takes them does so alone, over all limits, because a lease may have slots of several.
_TURN = "concurrency"


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
    for row in db.read(STATEMENTS["held_leases"], {"now": now}):
        held.setdefault(row["limit_id"], []).append(UUID(row["id"]))
    return [
        record_of(
            ConcurrencyLimit, documents.to_document("concurrency_limits", row), limit=row["slot_limit"],
            active_slots=round(row["taken"]), lease_ids=tuple(held.get(row["id"], ())),
        )
        for row in db.read(STATEMENTS["all_limits"], {"now": now})
    ]  # fmt: skip


def try_acquire(tx: Transaction, lease: Lease, now: int) -> float | None:
    """Take the slots of all the named limits, or none of them.

    Names without a limit, and limits that are switched off, always let pass. Returns ``None`` when the
    slots are taken, else the seconds after which asking again may help (0 where only a release can tell).
    """
    tx.lock(_TURN)
    tx.execute(STATEMENTS["forget_leases"], {"now": now, "id": str(lease.id)})
    asked = ({"name": name, "now": now} for name in dict.fromkeys(lease.names))
    limits = [row for each in asked for row in tx.execute(STATEMENTS["limit_of_name"], each)]
    for row in limits:
        missing = row["taken"] + lease.slots - row["slot_limit"]
        if missing > 0:
            decay = row["slot_decay_per_second"]
            return missing / decay if decay > 0 else 0.0
    for row in limits:
        if row["slot_decay_per_second"] > 0:
            spent = {"decaying_slots": row["taken"] + lease.slots, "decayed_at": now}
            documents.update(tx, "concurrency_limits", spent, {"id": row["id"]})
        else:
            taken = {"id": lease.id, "limit_id": row["id"], "slots": lease.slots, "expires": lease.expires}
            documents.insert(tx, "leases", {**taken, **owner_columns(lease.owner)})
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


def leases_of_host(db: Database, host: str) -> list[tuple[UUID, Owner]]:
    """The leases that processes of this host hold."""
    return list(dict.fromkeys(owned(documents.rows(db, "leases", {"owner_host": host}))))
