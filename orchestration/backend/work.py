"""Which scheduled runs the workers of a pool may start."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from orchestration.backend.clock import utc_now
from orchestration.domain.schemas.wire import Document
from orchestration.persistence import documents
from orchestration.persistence.database import Database, Row, Transaction
from orchestration.persistence.presenting import is_online
from orchestration.persistence.values import micros

_TAKEN = """
SELECT r.work_queue_id AS id, COUNT(*) AS number FROM flow_run r JOIN work_queue q ON q.id = r.work_queue_id
WHERE q.work_pool_id = :pool AND r.state_type IN ('PENDING', 'RUNNING', 'CANCELLING') GROUP BY r.work_queue_id
"""
_DUE = """
SELECT r.id, r.work_queue_id FROM flow_run r JOIN work_queue q ON q.id = r.work_queue_id
LEFT JOIN deployment d ON d.id = r.deployment_id
WHERE q.work_pool_id = :pool AND q.is_paused = 0 AND r.state_type = 'SCHEDULED' AND r.expected_start_time <= :before
AND (r.auto_scheduled = 0 OR COALESCE(d.paused, 0) = 0)
ORDER BY q.priority, r.expected_start_time, r.id LIMIT 1000
"""


class Due(NamedTuple):
    """Runs as (id, work_pool_id, work_queue_id), and the queues that were looked at."""

    runs: list[Document]
    queues: list[Document]


def due(tx: Transaction, work_pool_id: str, names: Sequence[str], before: datetime, limit: int) -> Due:
    """The most urgent runs of a pool that have a free slot; ``names`` narrows to some of its queues."""
    pool = documents.read(tx, "work_pools", {"id": work_pool_id})[0]
    asked = [
        queue
        for queue in documents.read(tx, "work_queues", {"work_pool_id": work_pool_id})
        if not names or queue["name"] in names
    ]
    if pool["is_paused"]:
        return Due([], asked)
    taken = {row["id"]: row["number"] for row in tx.execute(_TAKEN, {"pool": work_pool_id})}
    free = {queue["id"]: _free(queue, taken.get(queue["id"], 0), limit) for queue in asked}
    most = _free(pool, sum(taken.values()), limit)
    found = tx.execute(_DUE, {"pool": work_pool_id, "before": micros(before)})
    return Due([{**run, "work_pool_id": work_pool_id} for run in _fitting(found, free)][:most], asked)


def with_status(db: Database, pools: Sequence[Document]) -> None:
    """Tell of each work pool that is not paused whether a worker of it is there."""
    now = utc_now()
    ready = {each["work_pool_id"] for each in documents.read(db, "workers", {}) if is_online(each, now)}
    for pool in pools:
        if not pool["is_paused"] and pool["id"] in ready:
            pool["status"] = "READY"


def mark_polled(tx: Transaction, queues: Sequence[Document], now: datetime) -> None:
    """Note that workers have asked for the runs of these queues."""
    for queue in queues:
        documents.update(tx, "work_queues", {"last_polled": now}, {"id": queue["id"]})


def _free(limited: Document, taken: int, limit: int) -> int:
    own = limited["concurrency_limit"]
    return limit if own is None else max(0, min(limit, own - taken))


def _fitting(found: Sequence[Row], free: dict[str, int]) -> list[Document]:
    fitting = []
    for row in found:
        if free.get(row["work_queue_id"], 0) > 0:
            free[row["work_queue_id"]] -= 1
            fitting.append(dict(row))
    return fitting
