"""Which events a request or a stream wants: the part that the store can find by, and the rest as a predicate."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from orchestration.domain.schemas.events import ID, ROLE
from orchestration.domain.schemas.wire import Document, moment_text
from orchestration.server.values import MOST_PATTERNS, MOST_VALUES, Body, Moment

Texts = Annotated[list[str], Field(max_length=MOST_VALUES)] | None
Patterns = Annotated[list[str], Field(max_length=MOST_PATTERNS)] | None
Specification = dict[str, str | list[str]] | None
"""Patterns by label: one of them must fit, and one that begins with ``!`` must not."""


class Occurred(Body):
    """When."""

    since: Moment | None = None
    until: Moment | None = None


class EventName(Body):
    """What happened."""

    prefix: Patterns = None
    exclude_prefix: Patterns = None
    name: Texts = None
    exclude_name: Texts = None


class AnyResource(Body):
    """A resource that an event is about, or that it is related to."""

    id: Texts = None
    id_prefix: Patterns = None
    labels: Specification = None


class Resource(AnyResource):
    """The resource that an event is about."""

    distinct: bool = False


class Related(Body):
    """A resource that an event is related to."""

    id: Texts = None
    role: Texts = None
    resources_in_roles: list[tuple[str, str]] | None = None
    labels: Specification = None


class EventId(Body):
    """Which one."""

    id: Annotated[list[UUID], Field(max_length=MOST_VALUES)] | None = None


class Text(Body):
    """Words anywhere in an event."""

    query: Annotated[str, Field(max_length=200)]


class EventFilter(Body):
    """Events that fulfil all of this."""

    occurred: Occurred = Field(default_factory=Occurred)
    event: EventName | None = None
    resource: Resource | None = None
    related: Related | list[Related] | None = None
    any_resource: AnyResource | list[AnyResource] | None = None
    id: EventId = Field(default_factory=EventId)
    text: Text | None = None
    order: Literal["ASC", "DESC"] = "DESC"

    def where(self) -> Document:
        """What of this the store can find by."""
        name, resource = self.event or EventName(), self.resource or Resource()
        fields: dict[str, dict[str, Any]] = {
            "occurred": {"after_": moment_text(self.occurred.since), "before_": moment_text(self.occurred.until)},
            "event": {
                "startswith_": name.prefix,
                "not_startswith_": name.exclude_prefix,
                "any_": name.name,
                "not_any_": name.exclude_name,
            },
            "resource_id": {"any_": resource.id, "startswith_": resource.id_prefix},
            "id": {"any_": [str(each) for each in self.id.id or ()]},
        }
        return {"events": {key: {name: given for name, given in of.items() if given} for key, of in fields.items()}}

    @property
    def needs_a_look(self) -> bool:
        """Whether the store alone cannot tell which events these are."""
        return bool(self.related or self.any_resource or self.text or (self.resource and self.resource.labels))

    def includes(self, event: Document) -> bool:
        """Whether an event is one of those."""
        return all(self._checks(event))

    def _checks(self, event: Document) -> Iterator[bool]:
        own, related = event["resource"], event["related"]
        yield _is_within(self.occurred, datetime.fromisoformat(event["occurred"]))
        yield not self.id.id or UUID(event["id"]) in self.id.id
        yield self.event is None or _is_named(self.event, event["event"])
        yield self.resource is None or _is_resource(self.resource, own)
        yield all(any(_is_related(wanted, each) for each in related) for wanted in _many(self.related))
        yield all(any(_is_resource(wanted, each) for each in [own, *related]) for wanted in _many(self.any_resource))
        yield self.text is None or _mentions(self.text.query, event)


def _many(given: Any) -> Sequence[Any]:
    return given if isinstance(given, list) else [given] if given else []


def _is_within(wanted: Occurred, moment: datetime) -> bool:
    return (wanted.since is None or wanted.since <= moment) and (wanted.until is None or moment <= wanted.until)


def _is_named(wanted: EventName, name: str) -> bool:
    return (
        (not wanted.prefix or name.startswith(tuple(wanted.prefix)))
        and not name.startswith(tuple(wanted.exclude_prefix or ()))
        and (not wanted.name or name in wanted.name)
        and name not in (wanted.exclude_name or ())
    )


def _is_resource(wanted: AnyResource, resource: Mapping[str, Any]) -> bool:
    known_as = str(resource.get(ID))
    return (
        (not wanted.id or known_as in wanted.id)
        and (not wanted.id_prefix or known_as.startswith(tuple(wanted.id_prefix)))
        and _is_labelled(wanted.labels, resource)
    )


def _is_related(wanted: Related, resource: Mapping[str, Any]) -> bool:
    pair = (str(resource.get(ID)), str(resource.get(ROLE)))
    return (
        (not wanted.id or pair[0] in wanted.id)
        and (not wanted.role or pair[1] in wanted.role)
        and (not wanted.resources_in_roles or pair in wanted.resources_in_roles)
        and _is_labelled(wanted.labels, resource)
    )


def _is_labelled(wanted: Specification, resource: Mapping[str, Any]) -> bool:
    return all(
        name in resource and any(_fits(pattern, str(resource[name])) for pattern in _patterns(given))
        for name, given in (wanted or {}).items()
    )


def _patterns(given: str | list[str]) -> list[str]:
    return [given] if isinstance(given, str) else given


def _fits(pattern: str, value: str) -> bool:
    literal = pattern.removeprefix("!").replace("[", "[[]")
    return fnmatchcase(value, literal) is not pattern.startswith("!")


def _mentions(query: str, event: Document) -> bool:
    parts = [event["event"], *event["resource"].values(), json.dumps([event["related"], event["payload"]])]
    return mentions(query, " ".join(map(str, parts)))


def mentions(query: str, text: str) -> bool:
    """Words and "quoted phrases" of which one is enough; with ``-`` or ``!`` none may be there, with ``+`` all must."""
    said, found = text.lower(), {sign: [True] * 0 for sign in ("", "+", "-", "!")}
    for sign, phrase, word in re.findall(r'([-+!]?)(?:"([^"]+)"|(\S+))', query.lower()):
        found[sign].append((phrase or word) in said)
    return (any(found[""]) or not found[""]) and all(found["+"]) and not any(found["-"] + found["!"])
