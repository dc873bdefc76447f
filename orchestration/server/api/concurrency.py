"""Concurrency limits: those of tags (v1), those of any name (v2), and the leases on their slots.

A tag's limit is one whose name begins with ``tag:``, so both interfaces speak of the same limits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
from orchestration.server.routes import Keys, add

SOONEST = 0.1
"""Seconds until a client that waits for a release asks again."""
_SHOWN = ("id", "created", "updated", "active", "name", "limit", "active_slots", "slot_decay_per_second")
_SET = ("name", "limit", "slot_decay_per_second", "active")

V1, V2 = "/concurrency_limits", "/v2/concurrency_limits"

router = APIRouter(tags=["Concurrency Limits"])


def _limit(backend: Backend, name: str) -> ConcurrencyLimit:
    """The limit of that name or id."""
    for limit in backend.concurrency_limits():
        if name in (limit.name, str(limit.id)):
            return limit
    raise ObjectNotFound(f"There is no concurrency limit {name.removeprefix(bodies.TAG)!r}.")


def _of_name(limit: ConcurrencyLimit) -> Document:
    shown = {name: plain(getattr(limit, name)) for name in _SHOWN}
    return {**shown, "denied_slots": 0, "avg_slot_occupancy_seconds": 2.0}


def _of_tag(limit: ConcurrencyLimit) -> Document:
    own = {"tag": limit.name.removeprefix(bodies.TAG), "concurrency_limit": limit.limit}
    return {**own, "active_slots": plain(limit.lease_ids), **{name: plain(getattr(limit, name)) for name in _SHOWN[:3]}}


def _in_short(limit: ConcurrencyLimit) -> Document:
    return {"id": str(limit.id), "name": limit.name.removeprefix(bodies.TAG), "limit": limit.limit}


# -- limits ----------------------------------------------------------------------------------------------------------


def _add_limits(at: str, path: str, begin: str, document_of: Callable[..., Document], deleted: int) -> None:
    """Add listing, reading and removing the limits whose names begin so; ``path`` has the rest of the name."""

    def limits(backend: Backend, _keys: Keys, page: Any) -> list[Document]:
        found = [document_of(limit) for limit in backend.concurrency_limits() if limit.name.startswith(begin)]
        return found[page.offset : page.offset + page.limit]

    def read_limit(backend: Backend, keys: Keys, _body: None) -> Document:
        return document_of(_limit(backend, begin + keys["name"]))

    def delete_limit(backend: Backend, keys: Keys, _body: None) -> None:
        backend.delete("concurrency_limits", name=_limit(backend, begin + keys["name"]).name)

    add(router, "POST", f"{at}/filter", limits, body=bodies.Page)
    add(router, "GET", at + path, read_limit)
    add(router, "DELETE", at + path, delete_limit, status=deleted)


def set_tag_limit(backend: Backend, _keys: Keys, body: Any) -> Json:
    """Make or change the limit of a tag."""
    began = utc_now()
    new = {"name": bodies.TAG + body.tag, "limit": body.concurrency_limit}
    backend.create("concurrency_limits", new, overwrite=True)
    limit = _limit(backend, bodies.TAG + body.tag)
    return Json(_of_tag(limit), 201 if limit.created >= began else 200)


def reset_tag_limit(backend: Backend, keys: Keys, _body: None) -> None:
    """Free all slots of a tag."""
    backend.take_back(_limit(backend, bodies.TAG + keys["name"]).name)


def create_limit(backend: Backend, _keys: Keys, body: Any) -> Document:
    """Make a limit."""
    if any(limit.name == body.name for limit in backend.concurrency_limits()):
        raise ObjectAlreadyExists(f"There is already a concurrency limit {body.name!r}.")
    backend.create("concurrency_limits", {name: getattr(body, name) for name in _SET}, overwrite=True)
    return _of_name(_limit(backend, body.name))


def change_limit(backend: Backend, keys: Keys, body: Any) -> None:
    """Change a limit; ``active_slots`` frees all its slots, and then takes so many of them for ever."""
    limit = _limit(backend, keys["name"])
    new = {**_of_name(limit), "active_slots": None, **body.model_dump(exclude_none=True)}
    if new["name"] != limit.name:
        raise UsageError("A concurrency limit keeps its name; create another one and delete this.")
    backend.create("concurrency_limits", {name: new[name] for name in _SET}, overwrite=True)
    if new["active_slots"] is not None:
        backend.take_back(limit.name)
    if new["active_slots"]:
        backend.try_acquire(new_id(), [limit.name], new["active_slots"], math.inf, remote=True)


def _named(backend: Backend, body: Any) -> list[ConcurrencyLimit]:
    return [limit for limit in backend.concurrency_limits() if limit.name in body.names]


# -- slots -----------------------------------------------------------------------------------------------------------


def _take(backend: Backend, body: Any, lease_id: UUID, seconds: float = math.inf) -> list[Document]:
    """Take slots of all the limits that there are of these names; 423 when they are not free."""
    for limit in (limits := _named(backend, body)):
        if limit.active and 1 < body.slots > limit.limit:
            raise UsageError(f"{body.slots} slots are more than the limit {limit.name!r} has.")
        if body.mode == "rate_limit" and limit.slot_decay_per_second == 0:
            raise UsageError(f"A rate needs slots that come back by themselves, and {limit.name!r} has no decay.")
    wait = backend.try_acquire(lease_id, body.names, body.slots, seconds, remote=True)
    if wait is not None:
        said = f"The slots of {', '.join(sorted(body.names))} are taken."
        raise HTTPException(423, said, {"Retry-After": str(max(wait, SOONEST))})
    return [_in_short(limit) for limit in limits]


def take_tags(backend: Backend, _keys: Keys, body: Any) -> list[Document]:
    """Take a slot of each tag for a task run, which keeps them until it gives them back."""
    return _take(backend, body, body.task_run_id)


def give_tags(backend: Backend, _keys: Keys, body: Any) -> list[Document]:
    """Give back the slots of a task run."""
    backend.release_lease(body.task_run_id)
    return [_in_short(limit) for limit in _named(backend, body)]


def take_slots(backend: Backend, _keys: Keys, body: Any) -> list[Document]:
    """Take slots until they are given back by number."""
    return _take(backend, body, new_id())


def give_slots(backend: Backend, _keys: Keys, body: Any) -> list[Document]:
    """Give back slots by number."""
    for name in body.names:
        backend.take_back(name, body.slots)
    return [_in_short(limit) for limit in _named(backend, body)]


def take_lease(backend: Backend, _keys: Keys, body: Any) -> Document:
    """Take slots for some time."""
    lease_id = body.lease_id or new_id()
    return {"limits": _take(backend, body, lease_id, body.lease_duration), "lease_id": str(lease_id)}


def end_lease(backend: Backend, _keys: Keys, body: Any) -> None:
    """Give back the slots of a lease."""
    backend.release_lease(body.lease_id)


def renew_lease(backend: Backend, keys: Keys, body: Any) -> None:
    """Keep a lease."""
    if not backend.renew_lease(keys["id"], body.lease_duration):
        raise HTTPException(410, f"The lease {keys['id']} has run out, or was given back.")


add(router, "POST", f"{V1}/", set_tag_limit, body=bodies.TagLimitCreate)
add(router, "POST", f"{V1}/tag/{{name}}/reset", reset_tag_limit)
add(router, "POST", f"{V1}/increment", take_tags, body=bodies.TagSlots)
add(router, "POST", f"{V1}/decrement", give_tags, body=bodies.TagSlots)
_add_limits(V1, "/tag/{name}", bodies.TAG, _of_tag, deleted=200)

add(router, "POST", f"{V2}/", create_limit, body=bodies.LimitCreate, status=201)
add(router, "PATCH", f"{V2}/{{name}}", change_limit, body=bodies.LimitUpdate, status=204)
add(router, "POST", f"{V2}/increment", take_slots, body=bodies.SlotsWanted)
add(router, "POST", f"{V2}/decrement", give_slots, body=bodies.SlotsWanted)
add(router, "POST", f"{V2}/increment-with-lease", take_lease, body=bodies.LeaseWanted)
add(router, "POST", f"{V2}/decrement-with-lease", end_lease, body=bodies.LeaseEnd, status=204)
add(router, "POST", f"{V2}/leases/{{id:uuid}}/renew", renew_lease, body=bodies.LeaseRenewal, status=204)
_add_limits(V2, "/{name}", "", _of_name, deleted=204)
