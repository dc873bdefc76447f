"""Concurrency limits: those of tags (v1), those of any name (v2), and the leases on their slots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound, UsageError
from orchestration.domain.schemas.catalog import ConcurrencyLimit
from orchestration.domain.schemas.wire import Document, plain
from orchestration.server import work_bodies as bodies
from orchestration.server.answers import Json
from orchestration.server.routes import BackendOf, Keys, add

TAG = "tag:"
"""How the name of a tag's limit begins, as in Prefect's client."""

SOONEST = 0.1
"""Seconds until a client that waits for a release asks again."""

FOR_EVER = math.inf

router = APIRouter()
v1 = APIRouter(prefix="/concurrency_limits", tags=["Concurrency Limits"])
v2 = APIRouter(prefix="/v2/concurrency_limits", tags=["Concurrency Limits V2"])


def _limit(backend: Backend, keys: Keys) -> ConcurrencyLimit:
    """The limit that a path names by its tag, or by its name or id."""
    wanted = TAG + keys["tag"] if "tag" in keys else str(keys["id"])
    for limit in backend.concurrency_limits():
        if wanted in (limit.name, str(limit.id)):
            return limit
    raise ObjectNotFound(f"There is no concurrency limit {wanted.removeprefix(TAG)!r}.")


def _document(limit: ConcurrencyLimit) -> Document:
    names = ("id", "created", "updated", "active", "name", "limit", "active_slots", "slot_decay_per_second")
    shown = {name: plain(getattr(limit, name)) for name in names}
    return {**shown, "denied_slots": 0, "avg_slot_occupancy_seconds": 2.0}


def _of_tag(limit: ConcurrencyLimit) -> Document:
    return {
        **{name: plain(getattr(limit, name)) for name in ("id", "created", "updated")},
        "tag": limit.name.removeprefix(TAG),
        "concurrency_limit": limit.limit,
        "active_slots": plain(limit.lease_ids),
    }


def _take(backend: Backend, names: Sequence[str], lease_id: UUID, slots: int, seconds: float) -> list[Document]:
    """Take slots of all the limits that there are of these names; 423 when they are not free."""
    limits = [limit for limit in backend.concurrency_limits() if limit.name in names]
    short = [limit.name for limit in limits if limit.active and slots > limit.limit]
    if short and slots > 1:
        raise UsageError(f"{slots} slots are more than the limit {short[0]!r} has.")
    wait = backend.try_acquire(lease_id, names, slots, seconds, remote=True)
    if wait is not None:
        said = f"The slots of {', '.join(sorted(names))} are taken."
        raise HTTPException(423, said, {"Retry-After": str(max(wait, SOONEST))})
    return _few(limits)


def _few(limits: Sequence[ConcurrencyLimit]) -> list[Document]:
    return [{"id": str(limit.id), "name": limit.name.removeprefix(TAG), "limit": limit.limit} for limit in limits]


# -- limits of tags --------------------------------------------------------------------------------------------------


@v1.post("/", response_model=None)
def set_tag_limit(body: bodies.TagLimitCreate, backend: BackendOf) -> Json:
    """Make or change the limit of a tag."""
    began, name = utc_now(), TAG + body.tag
    backend.set_concurrency_limit(name, body.concurrency_limit)
    limit = _limit(backend, {"id": name})
    return Json(_of_tag(limit), 201 if limit.created >= began else 200)


def tag_limits(backend: Backend, _keys: Keys, page: Any) -> list[Document]:
    """The limits of tags."""
    found = [_of_tag(limit) for limit in backend.concurrency_limits() if limit.name.startswith(TAG)]
    return found[page.offset : page.offset + page.limit]


def read_tag_limit(backend: Backend, keys: Keys, _body: None) -> Document:
    """The limit of a tag, with the task runs that hold its slots."""
    return _of_tag(_limit(backend, keys))


def reset_tag_limit(backend: Backend, keys: Keys, _body: None) -> None:
    """Free all slots of a tag."""
    backend.take_back(_limit(backend, keys).name)


def delete_limit(backend: Backend, keys: Keys, _body: None) -> None:
    """Remove a limit."""
    backend.delete_concurrency_limit(_limit(backend, keys).name)


add(v1, "POST", "/filter", tag_limits, body=bodies.Page)
add(v1, "POST", "/tag/{tag}/reset", reset_tag_limit)
for path in ("/tag/{tag}", "/{id:uuid}"):
    add(v1, "GET", path, read_tag_limit)
    add(v1, "DELETE", path, delete_limit)


@v1.post("/increment", response_model=None)
def take_tags(body: bodies.TagSlots, backend: BackendOf) -> Json:
    """Take a slot of each tag for a task run, which keeps them until it gives them back."""
    return Json(_take(backend, [TAG + name for name in body.names], body.task_run_id, 1, FOR_EVER))


@v1.post("/decrement", response_model=None)
def give_tags(body: bodies.TagSlots, backend: BackendOf) -> Json:
    """Give back the slots of a task run."""
    backend.release_lease(body.task_run_id)
    names = [TAG + name for name in body.names]
    return Json(_few([limit for limit in backend.concurrency_limits() if limit.name in names]))


# -- limits of any name ----------------------------------------------------------------------------------------------


@v2.post("/", status_code=201, response_model=None)
def create_limit(body: bodies.LimitCreate, backend: BackendOf) -> Json:
    """Make a limit."""
    if any(limit.name == body.name for limit in backend.concurrency_limits()):
        raise ObjectAlreadyExists(f"There is already a concurrency limit {body.name!r}.")
    backend.set_concurrency_limit(body.name, body.limit, body.slot_decay_per_second, body.active)
    return Json(_document(_limit(backend, {"id": body.name})), 201)


def limits(backend: Backend, _keys: Keys, page: Any) -> list[Document]:
    """The limits by name."""
    return [_document(limit) for limit in backend.concurrency_limits()][page.offset : page.offset + page.limit]


def read_limit(backend: Backend, keys: Keys, _body: None) -> Document:
    """The limit of that name or id."""
    return _document(_limit(backend, keys))


add(v2, "POST", "/filter", limits, body=bodies.Page)
add(v2, "GET", "/{id}", read_limit)
add(v2, "DELETE", "/{id}", delete_limit, status=204)


@v2.patch("/{id}", status_code=204, response_model=None)
def change_limit(id: str, body: bodies.LimitUpdate, backend: BackendOf) -> None:
    """Change a limit; ``active_slots`` frees all its slots, and then takes so many of them for ever."""
    limit, changes = _limit(backend, {"id": id}), body.model_dump(exclude_none=True)
    if changes.get("name", limit.name) != limit.name:
        raise UsageError("A concurrency limit keeps its name; create another one and delete this.")
    decay, active = (
        changes.get("slot_decay_per_second", limit.slot_decay_per_second),
        changes.get("active", limit.active),
    )
    backend.set_concurrency_limit(limit.name, changes.get("limit", limit.limit), decay, active)
    if "active_slots" in changes:
        backend.take_back(limit.name)
        if taken := changes["active_slots"]:
            backend.try_acquire(new_id(), [limit.name], taken, FOR_EVER, remote=True)


@v2.post("/increment", response_model=None)
def take_slots(body: bodies.SlotsWanted, backend: BackendOf) -> Json:
    """Take slots until they are given back by number."""
    decaying = {limit.name: limit.slot_decay_per_second for limit in backend.concurrency_limits()}
    steady = [name for name in body.names if decaying.get(name) == 0]
    if body.mode == "rate_limit" and steady:
        raise UsageError(f"A rate needs limits whose slots come back by themselves, and {steady[0]!r} has no decay.")
    return Json(_take(backend, body.names, new_id(), body.slots, FOR_EVER))


@v2.post("/decrement", response_model=None)
def give_slots(body: bodies.SlotsWanted, backend: BackendOf) -> Json:
    """Give back slots by number."""
    for name in body.names:
        backend.take_back(name, body.slots)
    return Json(_few([limit for limit in backend.concurrency_limits() if limit.name in body.names]))


@v2.post("/increment-with-lease", response_model=None)
def take_lease(body: bodies.LeaseWanted, backend: BackendOf) -> Json:
    """Take slots for some time."""
    lease_id = body.lease_id or new_id()
    found: Any = _take(backend, body.names, lease_id, body.slots, body.lease_duration)
    return Json({"lease_id": str(lease_id), "limits": found})


@v2.post("/decrement-with-lease", status_code=204, response_model=None)
def end_lease(body: bodies.LeaseEnd, backend: BackendOf) -> None:
    """Give back the slots of a lease."""
    backend.release_lease(body.lease_id)


@v2.post("/leases/{id:uuid}/renew", status_code=204, response_model=None)
def renew_lease(id: UUID, backend: BackendOf, body: bodies.LeaseRenewal | None = None) -> None:
    """Keep a lease."""
    if not backend.renew_lease(id, (body or bodies.LeaseRenewal()).lease_duration):
        raise HTTPException(410, f"The lease {id} has run out, or was given back.")


router.include_router(v1)
router.include_router(v2)
