"""Which events a request or a stream wants: the part that the store can find by, and all of it as a predicate."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from orchestration.domain.schemas.events import ID, ROLE
from orchestration.domain.schemas.wire import Document

# Conditions of a filter that the store has too, by its own names for them.
_STORED = {
    ("occurred", "since"): ("occurred", "after_"), ("occurred", "until"): ("occurred", "before_"),
    ("event", "prefix"): ("event", "startswith_"), ("event", "exclude_prefix"): ("event", "not_startswith_"),
    ("event", "name"): ("event", "any_"), ("event", "exclude_name"): ("event", "not_any_"),
    ("resource", "id"): ("resource_id", "any_"), ("resource", "id_prefix"): ("resource_id", "startswith_"),
    ("id", "id"): ("id", "any_"),
}  # fmt: skip

# Where words are looked for.
_WORDS = ("event", "resource", "related", "payload")
_time = datetime.fromisoformat
_Check = Callable[[Any, Mapping[str, Any]], bool]
# Conditions by their names in a filter, for a resource; what is no resource stands for itself as one with that id.
_CHECKS: Mapping[str, _Check] = {
    "id": lambda wanted, about: about[ID] in wanted,
    "name": lambda wanted, about: about[ID] in wanted,
    "exclude_name": lambda wanted, about: about[ID] not in wanted,
    "prefix": lambda wanted, about: about[ID].startswith(tuple(wanted)),
    "id_prefix": lambda wanted, about: about[ID].startswith(tuple(wanted)),
    "exclude_prefix": lambda wanted, about: not about[ID].startswith(tuple(wanted)),
    "since": lambda wanted, about: _time(about[ID]) >= _time(wanted),
    "until": lambda wanted, about: _time(about[ID]) <= _time(wanted),
    "role": lambda wanted, about: about.get(ROLE) in wanted,
    "resources_in_roles": lambda wanted, about: [about[ID], about.get(ROLE)] in wanted,
    "query": lambda wanted, event: _mentions(wanted, [event[name] for name in _WORDS]),
    "labels": lambda wanted, about: all(_is_labelled(about, *label) for label in wanted.items()),
}


def where_of(wanted: Document) -> Document:
    """What of a filter the store can find by."""
    where: dict[str, Document] = {}
    for part, name, given in _conditions(wanted):
        if (part, name) in _STORED:
            field, operator = _STORED[part, name]
            where.setdefault(field, {})[operator] = given
    return {"events": where}


def is_found_by_store(wanted: Document) -> bool:
    """Whether the store alone can tell which events these are."""
    return all((part, name) in _STORED for part, name, _ in _conditions(wanted))


def includes(wanted: Document, event: Document) -> bool:
    """Whether an event fulfils all of a filter; where it names a kind of resource, one of those must."""
    own, related = event["resource"], event["related"]
    about: dict[str, list[Document]] = {"resource": [own], "related": related, "any_resource": [own, *related]}
    about["text"] = [event]
    about |= {name: [{ID: event[name]}] for name in ("occurred", "event", "id")}
    return all(
        any(all(_CHECKS[name](given, each) for name, given in _given(one)) for each in about[part])
        for part, one in _parts(wanted)
    )


def _parts(wanted: Document) -> Iterator[tuple[str, Document]]:
    for part, given in wanted.items():
        if part != "order":
            yield from ((part, one) for one in (given if isinstance(given, list) else [given or {}]) if one)


def _given(part: Document) -> Iterator[tuple[str, Any]]:
    return ((name, given) for name, given in part.items() if given and name in _CHECKS)


def _conditions(wanted: Document) -> Iterator[tuple[str, str, Any]]:
    return ((part, name, given) for part, one in _parts(wanted) for name, given in _given(one))


def _is_labelled(resource: Mapping[str, Any], name: str, patterns: str | list[str]) -> bool:
    value = resource.get(name)
    listed = [patterns] if isinstance(patterns, str) else patterns
    return value is not None and any(_fits(pattern, str(value)) for pattern in listed)


def _fits(pattern: str, value: str) -> bool:
    literal = pattern.removeprefix("!").replace("[", "[[]")
    return fnmatchcase(value, literal) is not pattern.startswith("!")


def _mentions(query: str, parts: list[Any]) -> bool:
    """Words and "quoted phrases" of which one is enough; with ``-`` or ``!`` none may be there, with ``+`` all must."""
    said, found = json.dumps(parts, ensure_ascii=False).lower(), {sign: [True] * 0 for sign in ("", "+", "-", "!")}
    for sign, phrase, word in re.findall(r'([-+!]?)(?:"([^"]+)"|(\S+))', query.lower()):
        found[sign].append((phrase or word) in said)
    return (any(found[""]) or not found[""]) and all(found["+"]) and not any(found["-"] + found["!"])
