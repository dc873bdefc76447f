"""Work pools, their queues and workers, and the runs that workers ask for."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from fastapi import APIRouter

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.schemas.filters import Query, among
from orchestration.domain.schemas.wire import Document, moment_of
from orchestration.server import work_bodies as bodies
from orchestration.server.routes import Keys, add, add_create, add_listings, add_one, as_in_path

DAWN, EVER = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)

POOL = "/work_pools/{pool}"

router = APIRouter(tags=["Work Pools"])


def _in_pool(backend: Backend, keys: Keys) -> Keys:
    """The pool of a path, and where the path goes on, the name within it."""
    pool = {"work_pool_id": backend.read("work_pools", name=keys["pool"])["id"]}
    return {**pool, "name": keys["name"]} if "name" in keys else pool


def create_queue(backend: Backend, keys: Keys, body: Any) -> Document:
    """Make a queue, the least urgent one of its pool unless it has a priority."""
    pool = _in_pool(backend, keys)
    last = max((each["priority"] for each in _queues_of(backend, pool)), default=0)
    queue = backend.create("work_queues", {**body.whole(), **pool, "priority": body.priority or last + 1})
    _make_room(backend, queue)
    return queue


def change_queue(backend: Backend, keys: Keys, body: Any) -> None:
    """Change a queue; it keeps its name and priority where they are null."""
    queue = backend.read("work_queues", **(_in_pool if "pool" in keys else as_in_path)(backend, keys))
    given = body.given().items()
    changes = {name: value for name, value in given if value is not None or name not in ("name", "priority")}
    backend.change("work_queues", changes, id=queue["id"])
    _make_room(backend, {**queue, **changes})


def _queues_of(backend: Backend, pool: Keys) -> list[Document]:
    """The queues of a pool, the most urgent first."""
    found = backend.find("work_queues", Query(among("work_queues", work_pool_id=[pool["work_pool_id"]])))
    return sorted(found, key=itemgetter("priority"))


def _make_room(backend: Backend, queue: Document) -> None:
    """Move the queue that has the same priority as this one back, and those that it meets there."""
    taken = queue["priority"]
    for each in _queues_of(backend, queue):
        if each["priority"] == taken and each["id"] != queue["id"]:
            taken += 1
            backend.change("work_queues", {"priority": taken}, id=each["id"])


def heartbeat(backend: Backend, keys: Keys, body: Any) -> None:
    """Note that a worker lives."""
    alive = {**_in_pool(backend, keys), **body.whole(), "last_heartbeat_time": utc_now()}
    backend.create("workers", alive, overwrite=True)


def scheduled_runs(backend: Backend, keys: Keys, body: Any) -> list[Document]:
    """Runs that a worker of the pool may start, the most urgent first."""
    pool = _in_pool(backend, keys)
    unknown = set(body.work_queue_names) - {each["name"] for each in _queues_of(backend, pool)}
    if unknown:
        raise ObjectNotFound(f"The work pool {keys['pool']!r} has no queue {', '.join(sorted(unknown))}.")
    begin, end = body.scheduled_after or DAWN, body.scheduled_before or EVER
    found = backend.scheduled_runs(UUID(pool["work_pool_id"]), body.work_queue_names, end, body.limit)
    return [each for each in found if (moment_of(each["flow_run"]["expected_start_time"]) or EVER) >= begin]


add_create(router, "work_pools", bodies.WorkPoolCreate, "/work_pools/")
add_one(router, "work_pools", "/work_pools/{name}", bodies.WorkPoolUpdate)
add_listings(router, "work_pools", "work_pools", "/work_pools")
add(router, "POST", f"{POOL}/get_scheduled_flow_runs", scheduled_runs, body=bodies.WorkWanted)

add(router, "POST", f"{POOL}/queues", create_queue, body=bodies.WorkQueueCreate, status=201)
for path, locate in ((f"{POOL}/queues/{{name}}", _in_pool), ("/work_queues/{id:uuid}", as_in_path)):
    add_one(router, "work_queues", path, locate=locate)
    add(router, "PATCH", path, change_queue, body=bodies.WorkQueueUpdate, status=204)
add_one(router, "work_queues", "/work_queues/name/{name}", remove=False)
add_listings(router, "work_queues", "work_queues", f"{POOL}/queues", _in_pool, count=False)
add_listings(router, "work_queues", "work_queues", "/work_queues", count=False)

add(router, "POST", f"{POOL}/workers/heartbeat", heartbeat, body=bodies.Heartbeat, status=204)
add_one(router, "workers", f"{POOL}/workers/{{name}}", locate=_in_pool)
add_listings(router, "workers", "workers", f"{POOL}/workers", _in_pool, count=False)
