"""What documents of any kind have alike: they are listed, and one is made, read, changed or removed.

Blocks have their own forms of these, since their secrets are masked and they point to one another, and so have
concurrency limits: those of tags (v1) and those of any name (v2), with the leases on their slots. A tag's limit is one
whose name begins with ``tag:``, so both interfaces speak of the same limits.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from fastapi import HTTPException

from orchestration.backend.clock import new_id
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound, UsageError
from orchestration.domain.schemas.catalog import BlockDocument, ConcurrencyLimit
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document, plain
from orchestration.server.models import where_of

# Values in the path, by the fields of the document that they are about.
Keys = Mapping[str, Any]
MOST_SPANS = 500


def find(resource: str, backend: Backend, keys: Keys, body: Any) -> list[Document]:
    """A part of the listing."""
    return backend.find(resource, Query(where_of(body, resource, keys), body.sort, body.limit, body.offset))


def count(resource: str, backend: Backend, keys: Keys, body: Any) -> int:
    """How many there are."""
    return backend.count(resource, where_of(body, resource, keys))


def paginate(resource: str, backend: Backend, keys: Keys, body: Any) -> Document:
    """A page of the listing, and how many pages there are."""
    where = where_of(body, resource, keys)
    total = backend.count(resource, where)
    found = backend.find(resource, Query(where, body.sort, body.limit, (body.page - 1) * body.limit))
    pages = -(-total // body.limit)
    return {"results": found, "count": total, "limit": body.limit, "pages": pages, "page": body.page}


def history(resource: str, backend: Backend, keys: Keys, body: Any) -> list[Document]:
    """How many runs there were, by span of time and state."""
    seconds = body.history_interval_seconds
    spans = math.ceil((body.history_end - body.history_start).total_seconds() / seconds)
    number = max(0, min(spans, MOST_SPANS))
    where = where_of(body, resource, keys)
    return backend.history(resource, where, body.history_start, seconds, number) if number else []


def create(resource: str, backend: Backend, keys: Keys, body: Any) -> Document:
    """Make one."""
    return backend.create(resource, {**body.whole(), **keys})


def keep(resource: str, backend: Backend, _keys: Keys, body: Any) -> Document:
    """Make one, unless there is one of that name."""
    try:
        return backend.create(resource, body.whole())
    except ObjectAlreadyExists:
        return backend.read(resource, name=body.name)


def read(resource: str, backend: Backend, keys: Keys, _body: None) -> Document:
    """Read one."""
    return backend.read(resource, **keys)


def change(resource: str, backend: Backend, keys: Keys, body: Any) -> None:
    """Change one."""
    backend.change(resource, body.given(), **keys)


def delete(resource: str, backend: Backend, keys: Keys, _body: None) -> None:
    """Remove one."""
    backend.delete(resource, **keys)


def delete_all(resource: str, backend: Backend, keys: Keys, body: Any) -> Document:
    """Remove those that the filters let through, as many as one page has."""
    found = [each["id"] for each in find(resource, backend, keys, body)]
    for document_id in found:
        backend.delete(resource, id=document_id)
    return {"deleted": found}


def say(answer: Any, _backend: Backend, _keys: Keys, _body: None) -> Any:
    """The same to everybody."""
    return answer


def check_known(backend: Backend, **ids: Any) -> None:
    """Refuse (409, as Prefect does) what points to something that is not there; ``ids`` are by resource."""
    for resource, found in ids.items():
        try:
            backend.read(resource, id=found)
        except ObjectNotFound as error:
            raise HTTPException(409, str(error)) from None


# -- blocks ------------------------------------------------------------------------------------------------------------

_REFERENCE = ("id", "name", "block_type", "is_anonymous", "block_document_references")


def blocks_of_type(backend: Backend, keys: Keys, _body: None) -> list[Document]:
    """The blocks of a type."""
    backend.read("block_types", slug=keys["slug"])
    return [_block(each) for each in backend.block_documents(keys["slug"], keys["include_secrets"])]


def schema_of_checksum(backend: Backend, keys: Keys, _body: None) -> Document:
    """The schema of that checksum, the newest unless a version is named."""
    version = {"version": keys["version"]} if keys["version"] else {}
    return backend.read("block_schemas", checksum=keys["checksum"], **version)


def create_schema(backend: Backend, _keys: Keys, body: Any) -> Document:
    """Store a schema; the one of the same checksum and version is the answer where there is one."""
    check_known(backend, block_types=body.block_type_id)
    return backend.create("block_schemas", body.whole(), overwrite=True)


def create_block(backend: Backend, _keys: Keys, body: Any) -> Document:
    """Save a block."""
    if not body.name and not body.is_anonymous:
        raise UsageError("A block document needs a name, unless it is anonymous.")
    check_known(backend, block_types=body.block_type_id, block_schemas=body.block_schema_id)
    return _block(backend.create_block_document(BlockDocument(id=new_id(), **body.model_dump())))


def read_block(backend: Backend, keys: Keys, _body: None) -> Document:
    """A block; its secrets are masked unless they are asked for."""
    return _block(backend.block_document(**keys))


def change_block(backend: Backend, keys: Keys, body: Any) -> None:
    """Give a block other values: those that are named, or with ``merge_existing_data`` false all."""
    backend.update_block_document(keys["id"], body.data, body.block_schema_id, body.merge_existing_data)


def find_blocks(resource: str, backend: Backend, keys: Keys, body: Any) -> list[Document]:
    """Blocks by name."""
    found = find(resource, backend, keys, body)
    return [_block(backend.block_document(body.include_secrets, id=each["id"])) for each in found]


def _block(block: BlockDocument) -> Document:
    """The JSON of a block, with those that it points to."""
    name = block.block_type and block.block_type.name
    shown: Document = plain({**asdict(replace(block, references={})), "block_type_name": name})
    del shown["references"]
    if shown["block_schema"]:
        shown["block_schema"]["block_type"] = shown["block_type"]
    shown["block_document_references"] = {name: _reference(child) for name, child in block.references.items()}
    return shown


def _reference(block: BlockDocument) -> Document:
    return {"block_document": {name: value for name, value in _block(block).items() if name in _REFERENCE}}


# -- concurrency limits ------------------------------------------------------------------------------------------------

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


def give(begin: str, backend: Backend, _keys: Keys, body: Any) -> list[Document]:
    """Give back slots: all that a task run holds of tags, others by number."""
    if begin:
        backend.release_lease(body.task_run_id)
    for name in () if begin else body.names:
        backend.take_back(name, body.slots)
    return [_in_short(limit) for limit in _named(backend, [begin + name for name in body.names])]


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
