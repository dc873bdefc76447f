"""Deployments in this machine's database: their queue, their schedules, their runs, and which of these may start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestration.backend.clock import made_up_name, new_id, utc_now
from orchestration.domain.errors import ObjectNotFound, UsageError
from orchestration.domain.schedules import check_policy, schedule_of
from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.schemas.wire import Document, policy_of, record_of, state_of
from orchestration.domain.states import Scheduled
from orchestration.persistence import documents
from orchestration.persistence.database import STATEMENTS, Database, Row, Transaction
from orchestration.persistence.presenting import is_online, present
from orchestration.persistence.values import micros

_POOL, _TAKEN, _DUE = Path(__file__).with_name("deployments.sql").read_text(encoding="ascii").split(";")[:3]
DEPLOYMENT_LABEL = "prefect.deployment.id"
_OF_THE_RUN = (
    "context", "idempotency_key", "parent_task_run_id", "job_variables", "auto_scheduled", "created_by", "schedule_id",
)  # fmt: skip
SCHEDULE_FIELDS = (
    "active", "schedule", "max_scheduled_runs", "parameters", "slug", "catchup", "max_lateness", "overlap",
)  # fmt: skip


def with_queue(tx: Transaction, deployment: Document) -> Document:
    """The deployment with the queue of its pool; a queue that is named for the first time is made."""
    pool_name, queue_name = deployment.get("work_pool_name"), deployment.get("work_queue_name")
    if pool_name is None and queue_name is None:
        return deployment
    pools = tx.execute(_POOL, {"name": pool_name, "deployment": str(deployment.get("id"))})
    if not pools:
        remedy = f"make it with `orchestrate work-pool create --type process {pool_name or 'NAME'}`"
        raise ObjectNotFound(f"There is no work pool {pool_name!r}; {remedy}.")
    return {**deployment, "work_queue_id": queue_of(tx, pools[0]["id"], queue_name or "default")["id"]}


def queue_of(tx: Transaction, work_pool_id: str, name: str) -> Document:
    """The queue of that name in a pool; made when it is not there, less urgent than those that are."""
    keys = {"work_pool_id": work_pool_id, "name": name}
    tx.lock(f"queues of {work_pool_id}")
    found = documents.read(tx, "work_queues", keys)
    if found:
        return found[0]
    now, others = utc_now(), documents.read(tx, "work_queues", {"work_pool_id": work_pool_id})
    priority = 1 + max((queue["priority"] for queue in others), default=0)
    new = {"id": str(new_id()), "created": now, "updated": now, "priority": priority, **keys}
    return documents.insert(tx, "work_queues", new)


def with_schedules(db: Database, found: Sequence[Document]) -> None:
    """Put into each deployment the schedules that it has."""
    for deployment in found:
        rows = documents.rows(db, "schedules", {"deployment_id": deployment["id"]})
        deployment["schedules"] = [present("schedules", row, utc_now()) for row in rows[::-1]]


def after_change(tx: Transaction, changed: Document, changes: Mapping[str, Any]) -> None:
    """Keep the schedules that a deployment is given, or those that it has, and let the planned runs follow."""
    schedules = changes.get("schedules")
    if schedules is not None:
        replace_schedules(tx, changed["id"], schedules)
    if schedules is not None or {"paused", "parameters"} & set(changes):
        forget_future_runs(tx, changed["id"])


def after_schedule(tx: Transaction, schedule: Document, _changes: Mapping[str, Any]) -> None:
    """Let the planned runs follow a schedule."""
    forget_future_runs(tx, schedule["deployment_id"])


def replace_schedules(tx: Transaction, deployment_id: str, wanted: Sequence[Mapping[str, Any]]) -> None:
    """Give a deployment these schedules; one that has a slug, or the same times, as before stays the same one."""
    known = documents.read(tx, "schedules", {"deployment_id": deployment_id})
    now = utc_now()
    for given in wanted:
        checked_schedule(tx, dict(given))
        same = next((each for each in known if _is_same(each, given)), None)
        fields = {name: given[name] for name in SCHEDULE_FIELDS if given.get(name) is not None}
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


def checked_schedule(_tx: Transaction, schedule: Document) -> Document:
    """The schedule, if slots can be made of it; or the scheduler would stumble over it at every tick."""
    check_policy(schedule)
    if schedule.get("schedule") is not None:
        schedule_of(schedule["schedule"])
    return schedule


def _is_same(known: Document, given: Mapping[str, Any]) -> bool:
    names = {name for name in (given.get("replaces"), given.get("slug")) if name}
    return known["slug"] in names if names else known["slug"] is None and known["schedule"] == given.get("schedule")


def forget_future_runs(tx: Transaction, deployment_id: str) -> None:
    """Remove the runs of slots to come, so that they are planned anew; of a removed deployment those that wait, too."""
    is_there = documents.read(tx, "deployments", {"id": deployment_id})
    which = {"deployment": deployment_id, "now": micros(utc_now()) if is_there else 0}
    tx.execute(STATEMENTS["plan_anew"], which)  # first, so that nobody plans by what was
    for run in tx.execute(STATEMENTS["forget_planned"], which):
        documents.delete(tx, "flow_run_states", {"flow_run_id": run["id"]})


def run_of(deployment: Document, wanted: Mapping[str, Any], now: datetime) -> FlowRun:
    """A run of a deployment; ``wanted`` has what differs from it. Without a state it is due at once."""
    state = state_of(wanted["state"]) if wanted.get("state") else Scheduled(now)
    if state.is_scheduled() and state.details.scheduled_time is None:
        state = Scheduled(now, name=state.name)
    run_id = new_id()
    document = {name: wanted.get(name) for name in _OF_THE_RUN} | {
        "flow_id": deployment["flow_id"], "flow_name": deployment["flow_name"],
        "deployment_id": deployment["id"], "deployment_version": deployment["version"],
        "work_queue_id": wanted.get("work_queue_id") or deployment["work_queue_id"],
        "parameters": {**deployment["parameters"], **(wanted.get("parameters") or {})},
        "tags": sorted({*deployment["tags"], *(wanted.get("tags") or ())}),
        "labels": {**(deployment["labels"] or {}), **(wanted.get("labels") or {}), DEPLOYMENT_LABEL: deployment["id"]},
    }
    return record_of(
        FlowRun, document, id=run_id, name=wanted.get("name") or made_up_name(), created=now,
        state=state.evolve(details=replace(state.details, flow_run_id=run_id)),
        policy=policy_of(wanted.get("empirical_policy")), expected_start_time=state.details.scheduled_time or now,
    )


def due(tx: Transaction, work_pool_id: str, names: Sequence[str], before: datetime, limit: int) -> list[Document]:
    """The most urgent runs of a pool that have a free slot, as (id, work_pool_id, work_queue_id).

    ``names`` narrows to some of its queues, of which it is noted that workers have asked for their runs.
    """
    pool = documents.read(tx, "work_pools", {"id": work_pool_id})[0]
    queues = documents.read(tx, "work_queues", {"work_pool_id": work_pool_id})
    asked = [queue for queue in queues if not names or queue["name"] in names]
    for queue in asked:
        documents.update(tx, "work_queues", {"last_polled": utc_now()}, {"id": queue["id"]})
    if pool["is_paused"]:
        return []
    taken = {row["id"]: row["number"] for row in tx.execute(_TAKEN, {"pool": work_pool_id})}
    free = {queue["id"]: _free(queue, taken.get(queue["id"], 0), limit) for queue in asked}
    most = _free(pool, sum(taken.values()), limit)
    found = tx.execute(_DUE, {"pool": work_pool_id, "before": micros(before)})
    return [{**run, "work_pool_id": work_pool_id} for run in _fitting(found, free)][:most]


def with_status(db: Database, pools: Sequence[Document]) -> None:
    """Tell of each work pool that is not paused whether a worker of it is there."""
    now = utc_now()
    ready = {each["work_pool_id"] for each in documents.read(db, "workers", {}) if is_online(each, now)}
    for pool in pools:
        if not pool["is_paused"] and pool["id"] in ready:
            pool["status"] = "READY"


def _free(limited: Document, taken: int, limit: int) -> int:
    own = limited["concurrency_limit"]
    return limit if own is None else max(0, min(limit, own - taken))


def _fitting(found: Sequence[Row], free: dict[str, int]) -> Iterator[Row]:
    for row in found:
        if free.get(row["work_queue_id"], 0) > 0:
            free[row["work_queue_id"]] -= 1
            yield row
