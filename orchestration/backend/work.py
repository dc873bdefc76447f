"""Which scheduled runs the workers of a pool may start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

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
