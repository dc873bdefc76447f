"""Events: told by clients, listed, and streamed as Prefect's clients want them."""

import base64
import json
import re
from collections.abc import AsyncIterator, Callable, Container, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from anyio import create_task_group
from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, WebSocket, WebSocketDisconnect, WebSocketException
from starlette.datastructures import URL

from orchestration.backend.clock import utc_now
from orchestration.domain.errors import UsageError
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import ID, ROLE, Document, moment_of, moment_text
from orchestration.server.api.documents import Keys
from orchestration.server.feed import AnnouncingBackend
from orchestration.server.models import kind_of

# Events that a request looks through one by one, where the store cannot find them by itself.
MOST_LOOKED_AT = 10_000
# So far back a request looks, and a stream, unless told otherwise.
LOOK_BACK, BACKFILL = timedelta(days=180), timedelta(days=5)
PROTOCOL_ERROR, INVALID, REFUSED = 1002, 1003, 1008

# Conditions of a filter that the store has too, by its own names for them.
_STORED: Mapping[str, str] = json.loads(Path(__file__).with_name("events.json").read_text(encoding="ascii"))

# Where words are looked for.
_WORDS = ("event", "resource", "related", "payload")
# Conditions by their names in a filter, for a resource; what is no resource stands for itself as one with that id.
_CHECKS: Mapping[str, Callable[[Any, Mapping[str, Any]], bool]] = {
    "id": lambda wanted, about: about[ID] in wanted,
    "name": lambda wanted, about: about[ID] in wanted,
    "exclude_name": lambda wanted, about: about[ID] not in wanted,
    "prefix": lambda wanted, about: about[ID].startswith(tuple(wanted)),
    "id_prefix": lambda wanted, about: about[ID].startswith(tuple(wanted)),
    "exclude_prefix": lambda wanted, about: not about[ID].startswith(tuple(wanted)),
    "since": lambda wanted, about: datetime.fromisoformat(about[ID]) >= datetime.fromisoformat(wanted),
    "until": lambda wanted, about: datetime.fromisoformat(about[ID]) <= datetime.fromisoformat(wanted),
    "role": lambda wanted, about: about.get(ROLE) in wanted,
    "resources_in_roles": lambda wanted, about: [about[ID], about.get(ROLE)] in wanted,
    "query": lambda wanted, event: _mentions(wanted, [event[name] for name in _WORDS]),
    "labels": lambda wanted, about: all(_is_labelled(about, *label) for label in wanted.items()),
}

router = APIRouter(prefix="/api/events")


def where_of(wanted: Document) -> tuple[Document, bool]:
    """What of a filter the store can find by, and whether that is all of it."""
    where: dict[str, Document] = {}
    conditions = [(f"{part} {name}", given) for part, one in _parts(wanted) for name, given in one]
    for condition, given in conditions:
        if condition in _STORED:
            field, operator = _STORED[condition].split()
            where.setdefault(field, {})[operator] = given
    return {"events": where}, all(condition in _STORED for condition, _ in conditions)


def includes(wanted: Document, event: Document) -> bool:
    """Whether an event fulfils all of a filter; where it names a kind of resource, one of those must."""
    own, related = event["resource"], event["related"]
    about = {"resource": [own], "related": related, "any_resource": [own, *related], "text": [event]}
    about |= {name: [{ID: event[name]}] for name in ("occurred", "event", "id")}
    return all(
        any(all(_CHECKS[name](given, each) for name, given in conditions) for each in about[part])
        for part, conditions in _parts(wanted)
    )


def _parts(wanted: Document) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """The parts of a filter that say anything, each with its conditions and what is wanted."""
    for part, given in wanted.items():
        for one in given if isinstance(given, list) else [given if isinstance(given, dict) else {}]:
            if conditions := [(name, said) for name, said in one.items() if said and name in _CHECKS]:
                yield part, conditions


def _is_labelled(resource: Mapping[str, Any], name: str, patterns: str | list[str]) -> bool:
    value = resource.get(name)
    listed = [patterns] if isinstance(patterns, str) else patterns
    literals = {pattern: pattern.removeprefix("!").replace("[", "[[]") for pattern in listed}
    return value is not None and any(
        fnmatchcase(str(value), literal) is not pattern.startswith("!") for pattern, literal in literals.items()
    )


def _mentions(query: str, parts: list[Any]) -> bool:
    """Words and "quoted phrases" of which one is enough; with ``-`` or ``!`` none may be there, with ``+`` all must."""
    said, found = json.dumps(parts, ensure_ascii=False).lower(), {sign: [True] * 0 for sign in ("", "+", "-", "!")}
    for sign, phrase, word in re.findall(r'([-+!]?)(?:"([^"]+)"|(\S+))', query.lower()):
        found[sign].append((phrase or word) in said)
    return (any(found[""]) or not found[""]) and all(found["+"]) and not any(found["-"] + found["!"])


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
    where, is_all = where_of(wanted)
    if is_all:
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
    query = Query(where_of(wanted)[0], f"OCCURRED_{wanted['order']}", MOST_LOOKED_AT)
    return [event for event in backend.find("events", query) if includes(wanted, event)]


# -- by websocket ------------------------------------------------------------------------------------------------------


async def accept(websocket: WebSocket) -> None:
    """Take a connection; a client that speaks Prefect's protocol first says who it is, which is the gate's to judge."""
    speaks = "prefect" in websocket.scope["subprotocols"]
    await websocket.accept("prefect" if speaks else None)
    if speaks:
        if (await next_message(websocket)).get("type") != "auth":
            raise WebSocketException(REFUSED, "Expected 'auth' message")
        await websocket.send_json({"type": "auth_success"})


async def next_message(websocket: WebSocket) -> Document:
    """The next message as a document; an empty one when it is none."""
    try:
        said = await websocket.receive_json()
    except (ValueError, KeyError):
        return {}
    return said if isinstance(said, dict) else {}


@router.websocket("/in")
async def take(websocket: WebSocket) -> None:
    """Take events one by one."""
    with suppress(WebSocketDisconnect):
        await accept(websocket)
        async for text in websocket.iter_text():
            try:
                event = document_of(kind_of("Event").model_validate_json(text))
                await run_sync(websocket.app.state.backend.take_events, [event])
            except (ValueError, UsageError) as error:
                raise WebSocketException(INVALID, f"Invalid event: {error}"[:120]) from error


@router.websocket("/out")
async def send(websocket: WebSocket) -> None:
    """Send the events that a filter lets through: those of late, unless they are not wanted, and those that come."""
    with suppress(WebSocketDisconnect):
        await accept(websocket)
        try:
            wanted = kind_of("EventsWanted").model_validate(await next_message(websocket))
        except ValueError as error:
            raise WebSocketException(PROTOCOL_ERROR, f"Invalid filter: {error}"[:120]) from error
        await _send_all(websocket, wanted.filter.whole(), wanted.backfill)


async def _send_all(websocket: WebSocket, wanted: Document, backfill: bool) -> None:
    """Send events until the client goes: with ``backfill`` those of late, then those that come."""
    occurred, earliest = wanted["occurred"] or {}, utc_now() - BACKFILL
    since = max(moment_of(occurred.get("since")) or earliest, earliest)
    wanted |= {"order": "ASC", "occurred": {**occurred, "since": moment_text(since)}}
    state = websocket.app.state
    async with state.events.listen() as events:
        seen = set()
        for event in await run_sync(looked_through, state.backend, wanted) if backfill else ():
            seen.add(event["id"])
            await websocket.send_json({"type": "event", "event": event})
        async with create_task_group() as group:
            group.start_soon(_send, websocket, events, wanted, seen)
            with suppress(WebSocketDisconnect, RuntimeError):  # it has gone, or says so
                while True:
                    await websocket.receive()
            group.cancel_scope.cancel()


async def _send(websocket: WebSocket, events: AsyncIterator[Document], wanted: Document, seen: Container[str]) -> None:
    with suppress(WebSocketDisconnect):
        async for event in events:
            if event["id"] not in seen and includes(wanted, event):
                await websocket.send_json({"type": "event", "event": event})
