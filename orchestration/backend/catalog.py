"""Documents of this machine's database: the part of ``LocalBackend`` that knows no runs in the making.

Most are kept as they come; deployments bring their queue and their schedules, which planned runs follow. Of concurrency
limits, slots are counted from leases that have not run out, never from a counter.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from orchestration.backend.blocks import LocalBlockStore
from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Documents, Where
from orchestration.backend.surroundings import is_dead, this_process
from orchestration.domain import schedules
from orchestration.domain.errors import ObjectNotFound, UsageError
from orchestration.domain.schemas.catalog import ConcurrencyLimit, checksum_of
from orchestration.domain.schemas.filters import EVERYTHING, Query
from orchestration.domain.schemas.wire import Document, moment_text, record_of
from orchestration.persistence import documents, runs
from orchestration.persistence.database import NO_PARAMS, STATEMENTS, Database, Row, Transaction
from orchestration.persistence.documents import micros
from orchestration.persistence.runs import present

# What goes with a document that is removed: resources, and the column that names the one they are part of. What a run
# of a deployment has besides what its deployment says, what it has from that one, and what a schedule says.
TOLD = json.loads(Path(__file__).with_name("catalog.json").read_text("ascii"))
# Microseconds since the epoch, in a far century: a lease that runs so long is held without being renewed.
NEVER = 10**18


class LocalCatalog(LocalBlockStore):
    """Each method is one transaction on the database it is given."""

    def find(self, resource: str, query: Query = EVERYTHING) -> list[Document]:
        """A page of any resource's listing."""
        from orchestration.persistence.listings import rows

        found = self._completed(resource, rows(self._db, resource, query))
        wanted = (query.where.get(resource) or {}).get("status")  # it follows from the clock, and is no column
        if not wanted:
            return found
        among, but = wanted.get("any_"), wanted.get("not_any_") or ()
        return [each for each in found if (among is None or each["status"] in among) and each["status"] not in but]

    def count(self, resource: str, where: Mapping[str, Any] = NO_PARAMS) -> int:
        """How many there are that the filters let through."""
        from orchestration.persistence.listings import count

        return count(self._db, resource, where)

    def history(self, resource: str, where: Where, start: datetime, seconds: float, number: int) -> Documents:
        """What became of the runs that were expected within each of ``number`` spans of time."""
        from orchestration.persistence.listings import history

        spans = {"start": micros(start), "width": round(seconds * 1e6), "number": number, "now": micros(utc_now())}
        found: dict[int, list[Document]] = {}
        for row in history(self._db, resource, where, spans):
            found.setdefault(row["span"], []).append({name: row[name] for name in row.keys() if name != "span"})  # noqa: SIM118
        edges = [moment_text(start + timedelta(seconds=seconds * place)) for place in range(number + 1)]
        return [
            {"interval_start": edges[place], "interval_end": edges[place + 1], "states": found.get(place, [])}
            for place in range(number)
        ]

    def read(self, resource: str, **keys: Any) -> Document:
        """The one whose fields have these values."""
        found = self._completed(resource, documents.rows(self._db, resource, keys, limit=1))
        if not found:
            raise documents.not_found(resource, keys)
        return found[0]

    def create(self, resource: str, document: Mapping[str, Any], overwrite: bool = False) -> Document:
        """Store one; id and times are given where they are missing."""
        now = utc_now()
        given = {name: value for name, value in document.items() if name not in ("id", "created") or value is not None}
        whole = {"id": str(new_id()), "created": now, "updated": now, **given}
        with self._db.transaction() as tx:
            stored = documents.insert(tx, resource, _OWN[resource].before(tx, whole), overwrite)
            _OWN[resource].after(tx, stored, whole)
        keys = ("id",) if "id" in stored else documents.SPECS[resource].key
        return self.read(resource, **{name: stored[name] for name in keys})

    def change(self, resource: str, changes: Mapping[str, Any], **keys: Any) -> None:
        """Give the one with these keys other values in the fields that are named."""
        with self._db.transaction() as tx:
            row = {**_OWN[resource].before(tx, {**keys, **changes}), "updated": utc_now()}
            changed = documents.update(tx, resource, row, keys)
            if not changed:
                raise documents.not_found(resource, keys)
            _OWN[resource].after(tx, changed[0], changes)

    def delete(self, resource: str, **keys: Any) -> None:
        """Remove the one with these keys, and what is part of it."""
        with self._db.transaction() as tx:
            if not remove(tx, resource, keys):
                raise documents.not_found(resource, keys)

    # -- concurrency limits ------------------------------------------------------------------------------------------

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
        lease |= runs.owner_columns(None if remote else this_process())
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
        held = runs.owned(documents.rows(self._db, "leases", {"owner_host": this_process().host}))
        dead = {lease_id for lease_id, owner in held if is_dead(owner)}
        for lease_id in dead:
            self.release_lease(lease_id)
        return bool(dead)

    @contextmanager
    def _turn(self) -> Iterator[Transaction]:
        """Who counts slots and takes them does so alone, over all limits, since a lease may have slots of several."""
        with self._db.transaction() as tx:
            tx.lock("concurrency")
            yield tx

    def _expiry(self, seconds: float) -> int:
        return NEVER if math.isinf(seconds) else self._instant() + round(seconds * 1e6)

    def _instant(self) -> int:
        return micros(utc_now())

    def _completed(self, resource: str, rows: Sequence[Row]) -> list[Document]:
        now = utc_now()
        found = [present(resource, row, now) for row in rows]
        _OWN[resource].complete(self._db, found)
        return found


def remove(tx: Transaction, resource: str, keys: Mapping[str, Any]) -> list[Document]:
    """Remove the documents with these keys, and what is part of them; those that were there."""
    removed = documents.delete(tx, resource, keys)
    for document in removed:
        for part, column in TOLD["parts"].get(resource, ()):
            remove(tx, part, {column: document["id"]})
        _OWN[resource].after(tx, document, document)  # as a change of all its fields does
    return removed


def _point_at_latest(tx: Transaction, artifact: Document, _given: Mapping[str, Any]) -> None:
    """Make the newest version of a key the one that its collection shows; a collection without versions goes."""
    if artifact["key"] is None:
        return
    tx.lock(f"artifact {artifact['key']}")
    newest = documents.rows(tx, "artifacts", {"key": artifact["key"]}, limit=1)
    if not newest:
        documents.delete(tx, "artifact_collections", {"key": artifact["key"]})
    for row in newest:
        collection = {name: row[name] for name in ("key", "created", "updated", "id")}
        documents.insert(tx, "artifact_collections", {**collection, "latest_id": row["id"]}, overwrite=True)


def _with_default_queue(tx: Transaction, pool: Document, given: Mapping[str, Any]) -> None:
    if pool["default_queue_id"] is None:
        queue = _queue_of(tx, pool["id"], "default")
        documents.update(tx, "work_pools", {"default_queue_id": queue["id"]}, {"id": pool["id"]})


def _with_types(db: Database, found: Sequence[Document]) -> None:
    """Put into each block schema the type that it is of."""
    types = {each["id"]: present("block_types", each, utc_now()) for each in documents.rows(db, "block_types", {})}
    for schema in found:
        schema["block_type"] = types.get(schema["block_type_id"])


def _with_queue(tx: Transaction, deployment: Document) -> Document:
    """The deployment with the queue of its pool; a queue that is named for the first time is made."""
    pool_name, queue_name = deployment.get("work_pool_name"), deployment.get("work_queue_name")
    if pool_name is None and queue_name is None:
        return deployment
    pools = tx.execute(STATEMENTS["pool_of_deployment"], {"name": pool_name, "deployment": str(deployment.get("id"))})
    if not pools:
        remedy = f"make it with `orchestrate work-pool create --type process {pool_name or 'NAME'}`"
        raise ObjectNotFound(f"There is no work pool {pool_name!r}; {remedy}.")
    return {**deployment, "work_queue_id": _queue_of(tx, pools[0]["id"], queue_name or "default")["id"]}


def _queue_of(tx: Transaction, work_pool_id: str, name: str) -> Document:
    """The queue of that name in a pool; made when it is not there, less urgent than those that are."""
    tx.lock(f"queues of {work_pool_id}")
    known = {queue["name"]: queue for queue in documents.read(tx, "work_queues", {"work_pool_id": work_pool_id})}
    if name in known:
        return known[name]
    now, priority = utc_now(), 1 + max((queue["priority"] for queue in known.values()), default=0)
    born = {"id": str(new_id()), "created": now, "updated": now, "work_pool_id": work_pool_id}
    return documents.insert(tx, "work_queues", {**born, "name": name, "priority": priority})


def _with_schedules(db: Database, found: Sequence[Document]) -> None:
    """Put into each deployment the schedules that it has."""
    for deployment in found:
        rows = documents.rows(db, "schedules", {"deployment_id": deployment["id"]})
        deployment["schedules"] = [present("schedules", row, utc_now()) for row in rows[::-1]]


def _after_change(tx: Transaction, changed: Document, changes: Mapping[str, Any]) -> None:
    """Keep the schedules that a deployment is given, or those that it has, and let the planned runs follow."""
    wanted = changes.get("schedules")
    if wanted is not None:
        _replace_schedules(tx, changed["id"], wanted)
    if wanted is not None or {"paused", "parameters"} & set(changes):
        _forget_future_runs(tx, changed["id"])


def _replace_schedules(tx: Transaction, deployment_id: str, wanted: Sequence[Mapping[str, Any]]) -> None:
    """Give a deployment these schedules; one that has a slug, or the same times, as before stays the same one."""
    known = documents.read(tx, "schedules", {"deployment_id": deployment_id})
    now = utc_now()
    for given in wanted:
        _checked_schedule(tx, dict(given))
        same = next((each for each in known if _is_same(each, given)), None)
        fields = {name: given[name] for name in TOLD["of_schedule"] if given.get(name) is not None}
        if same is None and "schedule" not in fields:
            raise UsageError(f"There is no schedule {given.get('slug')!r} to change; a new one needs a 'schedule'.")
        if same is None:
            born = {"id": str(new_id()), "deployment_id": deployment_id, "created": now, "updated": now}
            documents.insert(tx, "schedules", {**born, **fields})
        else:
            known.remove(same)
            documents.update(tx, "schedules", {**fields, "updated": now}, {"id": same["id"]})
    for each in known:
        documents.delete(tx, "schedules", {"id": each["id"]})


def _checked_schedule(_tx: Transaction, schedule: Document) -> Document:
    """The schedule, if slots can be made of it; or the scheduler would stumble over it at every tick."""
    schedules.check_policy(schedule)
    if schedule.get("schedule") is not None:
        schedules.schedule_of(schedule["schedule"])
    return schedule


def _is_same(known: Document, given: Mapping[str, Any]) -> bool:
    names = {name for name in (given.get("replaces"), given.get("slug")) if name}
    return known["slug"] in names if names else known["slug"] is None and known["schedule"] == given.get("schedule")


def _forget_future_runs(tx: Transaction, deployment_id: str) -> None:
    """Remove the runs of slots to come, so that they are planned anew; of a removed deployment those that wait, too."""
    is_there = documents.read(tx, "deployments", {"id": deployment_id})
    which = {"deployment": deployment_id, "now": micros(utc_now()) if is_there else 0}
    tx.execute(STATEMENTS["plan_anew"], which)  # first, so that nobody plans by what was
    for run in tx.execute(STATEMENTS["forget_planned"], which):
        documents.delete(tx, "flow_run_states", {"flow_run_id": run["id"]})


class Own(NamedTuple):
    """What documents of a resource do besides being kept.

    ``before`` gives what is stored in place of what came, ``after`` lets others follow it, ``complete`` puts into
    those of a listing what is beyond their rows and the rows that these point to.
    """

    before: Callable[[Transaction, Document], Document] = lambda _tx, document: document
    after: Callable[[Transaction, Document, Mapping[str, Any]], None] = lambda _tx, _stored, _given: None
    complete: Callable[[Database, Sequence[Document]], None] = lambda _db, _found: None


_OWN = defaultdict(Own, {
    "artifacts": Own(after=_point_at_latest), "work_pools": Own(after=_with_default_queue),
    "deployments": Own(_with_queue, _after_change, _with_schedules),
    "schedules": Own(_checked_schedule, lambda tx, each, _given: _forget_future_runs(tx, each["deployment_id"])),
    "block_schemas": Own(lambda _tx, each: {**each, "checksum": checksum_of(each["fields"])}, complete=_with_types),
})  # fmt: skip
