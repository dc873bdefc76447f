"""Work pools, their queues and workers, and the runs that workers ask for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document, moment_of
from orchestration.server import work_bodies as bodies
from orchestration.server.answers import Json
from orchestration.server.routes import BackendOf, Keys, add, add_create, add_listings, add_one

EVER = datetime(9999, 1, 1, tzinfo=UTC)
DEFAULT_POOL = "default-agent-pool"
"""The pool of queues that are made without one, as with Prefect."""
MOST_LATE, POLLED_WITHIN = 0, 60
TAKEN = ("PENDING", "RUNNING", "CANCELLING")
"""States in which a run has a slot."""

router = APIRouter()
pools = APIRouter(prefix="/work_pools", tags=["Work Pools"])
queues = APIRouter(prefix="/work_queues", tags=["Work Queues"])


def _in_pool(backend: Backend, keys: Keys) -> Keys:
    """The pool of a path, and where the path goes on, the name within it."""
    pool = {"work_pool_id": backend.read("work_pools", name=keys["pool"])["id"]}
    return {**pool, "name": keys["name"]} if "name" in keys else pool


add_create(pools, "work_pools", bodies.WorkPoolCreate)
add_one(pools, "work_pools", "/{name}", bodies.WorkPoolUpdate)
add_listings(pools, "work_pools", "work_pools")
add_listings(pools, "workers", "workers", "/{pool}/workers", _in_pool, count=False)
add_listings(pools, "work_queues", "work_queues", "/{pool}/queues", _in_pool, count=False)
add_listings(queues, "work_queues", "work_queues", count=False)


# -- queues ----------------------------------------------------------------------------------------------------------


@pools.post("/{pool}/queues", status_code=201, response_model=None)
def create_queue(pool: str, body: bodies.WorkQueueCreate, backend: BackendOf) -> Json:
    """Make a queue; with a priority that another has, that one and the less urgent ones move back."""
    pool_id = backend.read("work_pools", name=pool)["id"]
    return Json(_create_queue(backend, pool_id, body), 201)


@queues.post("/", status_code=201, response_model=None)
def create_queue_without_pool(body: bodies.WorkQueueCreate, backend: BackendOf) -> Json:
    """Make a queue in the default pool."""
    try:
        pool = backend.read("work_pools", name=DEFAULT_POOL)
    except ObjectNotFound:
        pool = backend.create("work_pools", {"name": DEFAULT_POOL, "type": "prefect-agent"})
    return Json(_create_queue(backend, pool["id"], body), 201)


def _create_queue(backend: Backend, pool_id: str, body: bodies.WorkQueueCreate) -> Document:
    others = _queues_of(backend, pool_id)
    if any(each["name"] == body.name for each in others):
        raise ObjectAlreadyExists(f"The work pool has a queue {body.name!r} already.")
    priority = body.priority or 1 + max((each["priority"] for each in others), default=0)
    _make_room(backend, others, priority)
    return backend.create("work_queues", {**body.whole(), "work_pool_id": pool_id, "priority": priority})


def _queues_of(backend: Backend, pool_id: str) -> list[Document]:
    return backend.find("work_queues", Query({"work_queues": {"work_pool_id": {"any_": [pool_id]}}}))


def _make_room(backend: Backend, others: list[Document], priority: int) -> None:
    """Move queues back, where one has that priority."""
    for each in sorted(others, key=lambda queue: int(queue["priority"])):
        if each["priority"] == priority:
            priority += 1
            backend.change("work_queues", {"priority": priority}, id=each["id"])


def _change_queue(backend: Backend, keys: Keys, body: bodies.WorkQueueUpdate) -> None:
    given = body.given().items()
    changes = {name: value for name, value in given if value is not None or name not in ("name", "priority")}
    queue = backend.read("work_queues", **keys)
    if changes.get("priority"):
        others = _queues_of(backend, queue["work_pool_id"])
        _make_room(backend, [each for each in others if each["id"] != queue["id"]], changes["priority"])
    backend.change("work_queues", changes, id=queue["id"])


@pools.patch("/{pool}/queues/{name}", status_code=204, response_model=None)
def change_queue(pool: str, name: str, body: bodies.WorkQueueUpdate, backend: BackendOf) -> None:
    """Change a queue of a pool."""
    _change_queue(backend, _in_pool(backend, {"pool": pool, "name": name}), body)


@queues.patch("/{id:uuid}", status_code=204, response_model=None)
def change_queue_by_id(id: UUID, body: bodies.WorkQueueUpdate, backend: BackendOf) -> None:
    """Change a queue."""
    _change_queue(backend, {"id": id}, body)


add_one(pools, "work_queues", "/{pool}/queues/{name}", locate=_in_pool)
add_one(queues, "work_queues")
add_one(queues, "work_queues", "/name/{name}", remove=False)


# -- workers ---------------------------------------------------------------------------------------------------------


@pools.post("/{pool}/workers/heartbeat", status_code=204, response_model=None)
def heartbeat(pool: str, body: bodies.Heartbeat, backend: BackendOf) -> None:
    """Note that a worker lives."""
    keys = _in_pool(backend, {"pool": pool})
    backend.create("workers", {**keys, **body.whole(), "last_heartbeat_time": utc_now()}, overwrite=True)


@pools.delete("/{pool}/workers/{name}", status_code=204, response_model=None)
def delete_worker(pool: str, name: str, backend: BackendOf) -> None:
    """Forget a worker."""
    backend.delete("workers", **_in_pool(backend, {"pool": pool, "name": name}))


@pools.post("/{pool}/get_scheduled_flow_runs", response_model=None)
def scheduled_runs(pool: str, backend: BackendOf, body: bodies.WorkWanted | None = None) -> Json:
    """Runs that a worker of the pool may start, the most urgent first."""
    asked, pool_id = body or bodies.WorkWanted(), backend.read("work_pools", name=pool)["id"]
    unknown = set(asked.work_queue_names) - {each["name"] for each in _queues_of(backend, pool_id)}
    if unknown:
        raise ObjectNotFound(f"The work pool {pool!r} has no queue {', '.join(sorted(unknown))}.")
    before = asked.scheduled_before or EVER
    found = backend.scheduled_runs(UUID(pool_id), asked.work_queue_names, before, asked.limit)
    after = asked.scheduled_after
    return Json([each for each in found if after is None or _due(each["flow_run"]) >= after])


def _due(run: Document) -> datetime:
    return moment_of(run["expected_start_time"]) or EVER


@queues.post("/{id:uuid}/get_runs", response_model=None)
def runs_of_queue(id: UUID, backend: BackendOf, body: bodies.WorkWanted | None = None) -> Json:
    """Runs of a queue that may start."""
    asked, queue = body or bodies.WorkWanted(), backend.read("work_queues", id=id)
    before = asked.scheduled_before or EVER
    found = backend.scheduled_runs(UUID(queue["work_pool_id"]), [queue["name"]], before, asked.limit)
    return Json([each["flow_run"] for each in found])


@queues.get("/{id:uuid}/status", response_model=None)
def status_of_queue(id: UUID, backend: BackendOf) -> Json:
    """Whether workers ask for the runs of a queue, and none is late."""
    queue = backend.read("work_queues", id=id)
    where = {"flow_runs": {"state": {"name": {"any_": ["Late"]}}}, "work_queues": {"id": {"any_": [str(id)]}}}
    late, polled = backend.count("flow_runs", where), moment_of(queue["last_polled"])
    recently = polled is not None and (utc_now() - polled).total_seconds() <= POLLED_WITHIN
    policy = {"maximum_late_runs": MOST_LATE, "maximum_seconds_since_last_polled": POLLED_WITHIN}
    shown = {"late_runs_count": late, "last_polled": queue["last_polled"], "health_check_policy": policy}
    return Json({"healthy": recently and late <= MOST_LATE, **shown})


# -- slots -----------------------------------------------------------------------------------------------------------


def _taken(backend: Backend, resource: str, id: str, limit: int = 0, offset: int = 0) -> tuple[int, list[Document]]:
    """How many runs have a slot of a pool or queue, and a page of them."""
    where = {"flow_runs": {"state": {"type": {"any_": list(TAKEN)}}}, resource: {"id": {"any_": [id]}}}
    return backend.count("flow_runs", where), backend.find("flow_runs", Query(where, "ID_DESC", limit, offset))


def _page(body: Any, count: int) -> Document:
    return {"count": count, "limit": body.limit, "pages": -(-count // (body.limit or 1)), "page": body.page}


def concurrency_of_pool(backend: Backend, keys: Mapping[str, Any], body: Any) -> Document:
    """The slots of a pool, and by queue the runs that have them."""
    pool = backend.read("work_pools", name=keys["name"])
    found = sorted(_queues_of(backend, pool["id"]), key=lambda queue: int(queue["priority"]))
    start = (body.page - 1) * body.limit
    shown = []
    for queue in found[start : start + body.limit]:
        count, runs = _taken(backend, "work_queues", queue["id"], body.flow_run_limit)
        about = {"queue_id": queue["id"], "queue_name": queue["name"], "concurrency_limit": queue["concurrency_limit"]}
        shown.append({**about, "active_slots": count, "flow_runs": runs, "flow_run_count": count})
    taken = _taken(backend, "work_pools", pool["id"])[0]
    about = {"active_slots": taken, "concurrency_limit": pool["concurrency_limit"], "queues": shown}
    return {**about, **_page(body, len(found))}


def concurrency_of_queue(backend: Backend, keys: Mapping[str, Any], body: Any) -> Document:
    """The slots of a queue, and the runs that have them."""
    queue = backend.read("work_queues", id=keys["id"])
    count, runs = _taken(backend, "work_queues", queue["id"], body.limit, (body.page - 1) * body.limit)
    about = {"active_slots": count, "concurrency_limit": queue["concurrency_limit"], "flow_runs": runs}
    return {**about, **_page(body, count)}


_POOL_PAGE = bodies.paged("PoolSlots", flow_run_limit=(bodies.Limit, 10))
add(pools, "POST", "/{name}/concurrency_status", concurrency_of_pool, body=_POOL_PAGE)
add(queues, "POST", "/{id:uuid}/concurrency_status", concurrency_of_queue, body=bodies.paged("QueueSlots"))

router.include_router(pools)
router.include_router(queues)
