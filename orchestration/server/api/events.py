"""Events: told by clients, and listed."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

from fastapi import HTTPException
from starlette.datastructures import URL

from orchestration.backend.clock import utc_now
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document, moment_text
from orchestration.server.announcing import AnnouncingBackend
from orchestration.server.api.documents import Keys
from orchestration.server.event_filters import includes, is_found_by_store, where_of
from orchestration.server.models import kind_of

# Events that a request looks through one by one, where the store cannot find them by itself.
MOST_LOOKED_AT = 10_000
LOOK_BACK = timedelta(days=180)


def create(backend: AnnouncingBackend, keys: Keys, body: list[Any]) -> None:
    """Take events: those of task runs become task runs, all others are kept."""
    backend.take_events([document_of(event) for event in body], keys["key"])


def document_of(event: Any) -> Document:
    """An event as JSON; what came as JSON and is not looked into, which is most of it, is not copied."""
    follows = event.follows and str(event.follows)
    return {**vars(event), "id": str(event.id), "occurred": moment_text(event.occurred), "follows": follows}


def find(backend: AnnouncingBackend, keys: Keys, body: Any) -> Document:
    """The newest events that a filter lets through, and where the next ones are."""
    now = utc_now()
    wanted: Document = body.filter.whole() if body.filter else {"order": "DESC"}
    span = {"since": moment_text(now - LOOK_BACK), "until": moment_text(now)}
    given = {name: moment for name, moment in (wanted.get("occurred") or {}).items() if moment}
    return _page(backend, keys["request"].base_url, {**wanted, "occurred": {**span, **given}}, body.limit, 0)


def find_next(backend: AnnouncingBackend, keys: Keys, _body: None) -> Document:
    """The page that follows another one."""
    try:
        wanted, limit, offset = json.loads(base64.urlsafe_b64decode(keys["page_token"]))
        page = kind_of("EventListing")(filter=wanted, limit=limit)
        return _page(backend, keys["request"].base_url, page.filter.whole(), page.limit, max(0, int(offset)))
    except (ValueError, TypeError, AttributeError) as error:
        raise HTTPException(403, "This page-token is none that this server gave.") from error


def _page(backend: AnnouncingBackend, base_url: URL, wanted: Document, limit: int, offset: int) -> Document:
    if is_found_by_store(wanted):
        where = where_of(wanted)
        total = backend.count("events", where)
        found = backend.find("events", Query(where, f"OCCURRED_{wanted['order']}", limit, offset))
    else:
        every = looked_through(backend, wanted)
        total, found = len(every), every[offset : offset + limit]
    following = None
    if limit and offset + limit < total:
        token = base64.urlsafe_b64encode(json.dumps([wanted, limit, offset + limit]).encode()).decode()
        following = f"{base_url}api/events/filter/next?page-token={token}"
    return {"events": found, "total": total, "next_page": following}


def looked_through(backend: AnnouncingBackend, wanted: Document) -> list[Document]:
    """The newest events that a filter lets through, looked at one by one."""
    query = Query(where_of(wanted), f"OCCURRED_{wanted['order']}", MOST_LOOKED_AT)
    return [event for event in backend.find("events", query) if includes(wanted, event)]
