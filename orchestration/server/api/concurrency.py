"""Concurrency limits: those of tags (v1), those of any name (v2), and the leases on their slots.

A tag's limit is one whose name begins with ``tag:``, so both interfaces speak of the same limits.
"""

import math
from typing import Any
from uuid import UUID

from fastapi import HTTPException

from orchestration.backend.clock import new_id
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound, UsageError
from orchestration.domain.schemas.catalog import ConcurrencyLimit
from orchestration.domain.schemas.wire import Document, plain
from orchestration.server.api.documents import Keys

# How the name of a tag's limit begins, as in Prefect's client.
TAG = "tag:"
# Seconds until a client that waits for a release asks again.
SOONEST = 0.1
_SHOWN = ("id", "created", "updated", "active", "name", "limit", "active_slots", "slot_decay_per_second")
_SET = ("name", "limit", "slot_decay_per_second", "active")


def _limit(backend: Backend, keys: Keys) -> ConcurrencyLimit:
    """The limit of that tag, or of that name or id."""
    name = f"{TAG}{keys['tag']}" if "tag" in keys else str(keys.get("tag_id") or keys["name"])
    for limit in backend.concurrency_limits():
        if name in (limit.name, str(limit.id)):
            return limit
    raise ObjectNotFound(f"There is no concurrency limit {name.removeprefix(TAG)!r}.")


def _document(limit: ConcurrencyLimit, is_of_tag: bool = False) -> Document:
    shown = {name: plain(getattr(limit, name)) for name in _SHOWN}
    if is_of_tag:
        own = {"tag": limit.name.removeprefix(TAG), "concurrency_limit": limit.limit}
        return {**own, "active_slots": plain(limit.lease_ids), **{name: shown[name] for name in _SHOWN[:3]}}
    return {**shown, "denied_slots": 0, "avg_slot_occupancy_seconds": 2.0}


def _in_short(limit: ConcurrencyLimit) -> Document:
    return {"id": str(limit.id), "name": limit.name.removeprefix(TAG), "limit": limit.limit}


# -- limits ------------------------------------------------------------------------------------------------------------


def limits(begin: str, backend: Backend, _keys: Keys, page: Any) -> list[Document]:
    """The limits whose names begin so."""
    found = [_document(limit, bool(begin)) for limit in backend.concurrency_limits() if limit.name.startswith(begin)]
    return found[page.offset : page.offset + page.limit]


def read_limit(backend: Backend, keys: Keys, _body: None) -> Document:
    """The limit of that tag, or of that name or id."""
    return _document(_limit(backend, keys), "name" not in keys)


def delete_limit(backend: Backend, keys: Keys, _body: None) -> None:
    """Remove a limit."""
    backend.delete("concurrency_limits", name=_limit(backend, keys).name)


def set_tag_limit(backend: Backend, _keys: Keys, body: Any) -> Document:
    """Make or change the limit of a tag."""
    new = {"name": TAG + body.tag, "limit": body.concurrency_limit}
    backend.create("concurrency_limits", new, overwrite=True)
    return _document(_limit(backend, {"tag": body.tag}), is_of_tag=True)


def reset_tag_limit(backend: Backend, keys: Keys, _body: None) -> None:
    """Free all slots of a tag."""
    backend.take_back(_limit(backend, keys).name)


def create_limit(backend: Backend, _keys: Keys, body: Any) -> Document:
    """Make a limit."""
    backend.create("concurrency_limits", {name: getattr(body, name) for name in _SET})
    return _document(_limit(backend, {"name": body.name}))


def change_limit(backend: Backend, keys: Keys, body: Any) -> None:
    """Change a limit; ``active_slots`` frees all its slots, and then takes so many of them for ever."""
    limit, changes = _limit(backend, keys), body.model_dump(exclude_none=True)
    taken, name = changes.pop("active_slots", None), changes.get("name", limit.name)
    backend.change("concurrency_limits", changes, id=str(limit.id))
    if taken is not None:
        backend.take_back(name)
    if taken:
        backend.try_acquire(new_id(), [name], taken, math.inf, remote=True)


# -- slots -------------------------------------------------------------------------------------------------------------


def _named(backend: Backend, names: list[str]) -> list[ConcurrencyLimit]:
    return [limit for limit in backend.concurrency_limits() if limit.name in names]


def _take(backend: Backend, names: list[str], body: Any, lease_id: UUID, seconds: float = math.inf) -> list[Document]:
    """Take slots of all the limits that there are of these names; 423 when they are not free."""
    for limit in (limits := _named(backend, names)):
        if limit.active and 1 < body.slots > limit.limit:
            raise UsageError(f"{body.slots} slots are more than the limit {limit.name!r} has.")
        if body.mode == "rate_limit" and limit.slot_decay_per_second == 0:
            raise UsageError(f"A rate needs slots that come back by themselves, and {limit.name!r} has no decay.")
    wait = backend.try_acquire(lease_id, names, body.slots, seconds, remote=True)
    if wait is not None:
        said = f"The slots of {', '.join(sorted(names))} are taken."
        raise HTTPException(423, said, {"Retry-After": str(max(wait, SOONEST))})
    return [_in_short(limit) for limit in limits]


def take(begin: str, backend: Backend, _keys: Keys, body: Any) -> list[Document]:
    """Take slots until they are given back: those of tags by the task run that holds them, others by number."""
    return _take(backend, [begin + name for name in body.names], body, body.task_run_id if begin else new_id())


def give_tags(backend: Backend, _keys: Keys, body: Any) -> list[Document]:
    """Give back the slots of a task run."""
    backend.release_lease(body.task_run_id)
    return [_in_short(limit) for limit in _named(backend, [TAG + name for name in body.names])]


def give_slots(backend: Backend, _keys: Keys, body: Any) -> list[Document]:
    """Give back slots by number."""
    for name in body.names:
        backend.take_back(name, body.slots)
    return [_in_short(limit) for limit in _named(backend, body.names)]


def take_lease(backend: Backend, _keys: Keys, body: Any) -> Document:
    """Take slots for some time."""
    lease_id = body.lease_id or new_id()
    return {"limits": _take(backend, body.names, body, lease_id, body.lease_duration), "lease_id": str(lease_id)}


def end_lease(backend: Backend, _keys: Keys, body: Any) -> None:
    """Give back the slots of a lease."""
    backend.release_lease(body.lease_id)


def renew_lease(backend: Backend, keys: Keys, body: Any) -> None:
    """Keep a lease."""
    if not backend.renew_lease(keys["id"], body.lease_duration):
        raise HTTPException(410, f"The lease {keys['id']} has run out, or was given back.")
