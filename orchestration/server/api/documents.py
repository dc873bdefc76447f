"""What documents of any kind have alike: they are listed, and one is made, read, changed or removed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fastapi import HTTPException

from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document
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
