"""Documents of this machine's database: the part of ``LocalBackend`` that knows no runs in the making.

Most are kept as they come; deployments bring their queue and their schedules, which planned runs follow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from orchestration.backend.clock import made_up_name, new_id, utc_now
from orchestration.backend.port import Documents, Where
from orchestration.domain import schedules, states
from orchestration.domain.errors import ObjectNotFound, UsageError
from orchestration.domain.schemas.catalog import checksum_of
from orchestration.domain.schemas.filters import EVERYTHING, Query
from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.schemas.wire import Document, moment_text, policy_of, record_of, state_of
from orchestration.persistence import documents
from orchestration.persistence.database import NO_PARAMS, STATEMENTS, Database, Row, Transaction
from orchestration.persistence.documents import present
from orchestration.persistence.values import micros

# What goes with a document that is removed: resources, and the column that names the one they are part of. What a run
# of a deployment has besides what its deployment says, and what a schedule says.
_TOLD = json.loads(Path(__file__).with_name("catalog.json").read_text("ascii"))
DEPLOYMENT_LABEL = "prefect.deployment.id"


class LocalCatalog:
    """Each method is one transaction on the database it is given."""

    def __init__(self, database: Database) -> None:
        self._db = database

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
            before = _BEFORE.get(resource)
            stored = documents.insert(tx, resource, before(tx, whole) if before else whole, overwrite)
            if after := _AFTER.get(resource):
                after(tx, stored, whole)
        keys = ("id",) if "id" in stored else documents.SPECS[resource].key
        return self.read(resource, **{name: stored[name] for name in keys})

    def change(self, resource: str, changes: Mapping[str, Any], **keys: Any) -> None:
        """Give the one with these keys other values in the fields that are named."""
        with self._db.transaction() as tx:
            before = _BEFORE.get(resource)
            row = before(tx, {**keys, **changes}) if before else changes
            changed = documents.update(tx, resource, {**row, "updated": utc_now()}, keys)
            if not changed:
                raise documents.not_found(resource, keys)
            if after := _AFTER.get(resource):
                after(tx, changed[0], changes)

    def delete(self, resource: str, **keys: Any) -> None:
        """Remove the one with these keys, and what is part of it."""
        with self._db.transaction() as tx:
            if not remove(tx, resource, keys):
                raise documents.not_found(resource, keys)

    def _completed(self, resource: str, rows: Sequence[Row]) -> list[Document]:
        now = utc_now()
        found = [present(resource, row, now) for row in rows]
        if complete := _COMPLETE.get(resource):
            complete(self._db, found)
        return found


def remove(tx: Transaction, resource: str, keys: Mapping[str, Any]) -> list[Document]:
    """Remove the documents with these keys, and what is part of them; those that were there."""
    removed = documents.delete(tx, resource, keys)
    for document in removed:
        for part, column in _TOLD["parts"].get(resource, ()):
            remove(tx, part, {column: document["id"]})
        if resource in _FOLLOWED:
            _AFTER[resource](tx, document, document)
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
        fields = {name: given[name] for name in _TOLD["of_schedule"] if given.get(name) is not None}
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


def run_of(deployment: Document, wanted: Mapping[str, Any], now: datetime) -> FlowRun:
    """A run of a deployment; ``wanted`` has what differs from it. Without a state it is due at once."""
    state = state_of(wanted["state"]) if wanted.get("state") else states.Scheduled(now)
    if state.is_scheduled() and state.details.scheduled_time is None:
        state = states.Scheduled(now, name=state.name)
    run_id = new_id()
    document = {name: wanted.get(name) for name in _TOLD["of_run"]} | {
        "flow_id": deployment["flow_id"], "flow_name": deployment["flow_name"],
        "deployment_id": deployment["id"], "deployment_version": deployment["version"],
        "work_queue_id": deployment["work_queue_id"],
        "parameters": {**deployment["parameters"], **(wanted.get("parameters") or {})},
        "tags": sorted({*deployment["tags"], *(wanted.get("tags") or ())}),
        "labels": {**(deployment["labels"] or {}), **(wanted.get("labels") or {}), DEPLOYMENT_LABEL: deployment["id"]},
    }
    return record_of(
        FlowRun, document, id=run_id, name=wanted.get("name") or made_up_name(), created=now,
        state=state.evolve(details=replace(state.details, flow_run_id=run_id)),
        policy=policy_of(wanted.get("empirical_policy")), expected_start_time=state.details.scheduled_time or now,
    )


# What a listing's documents show beyond their rows and the rows that these point to.
_COMPLETE: Mapping[str, Callable[[Database, Sequence[Document]], None]] = {
    "deployments": _with_schedules, "block_schemas": _with_types,
}

_BEFORE: Mapping[str, Callable[[Transaction, Document], Document]] = {
    "deployments": _with_queue, "schedules": _checked_schedule,
    "block_schemas": lambda _tx, schema: {**schema, "checksum": checksum_of(schema["fields"])},
}
_AFTER: Mapping[str, Callable[[Transaction, Document, Mapping[str, Any]], None]] = {
    "artifacts": _point_at_latest, "work_pools": _with_default_queue, "deployments": _after_change,
    "schedules": lambda tx, schedule, _changes: _forget_future_runs(tx, schedule["deployment_id"]),
}
# Those whose removal changes others as a change of all their fields does.
_FOLLOWED = ("artifacts", "schedules", "deployments")
