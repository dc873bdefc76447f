"""What a listing may be narrowed to: the filter language of the REST interface, as data.

A filter is a JSON document such as ``{"flow_runs": {"state": {"type": {"any_": ["FAILED"]}}}}``. The server makes its
request models of this grammar, the store its statements, and a backend over HTTP sends the document as it is.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

# Rows of a listing unless more or fewer are asked for, and the most that a server gives at once.
PAGE = 200


class Field(NamedTuple):
    """A field to filter by: what kind of value it has, and by which operators.

    A ``derived`` field is no column: it depends on the clock, and is looked at once the rows have been read.
    """

    kind: str
    operators: tuple[str, ...]


Fields = Mapping[str, "Field | Fields"]


def _fields(lines: Mapping[str, Any]) -> Fields:
    """Fields by name, each ``"kind operator_ ..."`` or fields of its own."""
    return {
        name: Field(line.split()[0], tuple(line.split()[1:])) if isinstance(line, str) else _fields(line)
        for name, line in lines.items()
    }


_LISTINGS = json.loads(Path(__file__).with_name("filters.json").read_text(encoding="ascii"))
GRAMMAR: Mapping[str, Fields] = {resource: _fields(listing["fields"]) for resource, listing in _LISTINGS.items()}
# The orders of each listing; the first is what an own listing has unless asked for another.
SORTS: Mapping[str, tuple[str, ...]] = {resource: tuple(each["sorts"].split()) for resource, each in _LISTINGS.items()}


@dataclass(frozen=True, slots=True)
class Query:
    """A page of a listing: the rows that ``where`` lets through, in the order ``sort``."""

    where: Mapping[str, Any] = field(default_factory=dict)
    sort: str | None = None
    limit: int = PAGE
    offset: int = 0


EVERYTHING = Query()


def among(resource: str, **wanted: Any) -> dict[str, Any]:
    """The filter of a resource whose fields have one of the given values, a list each; an empty one does not narrow.

    ``state_type`` and ``state_name`` stand for the fields within ``state``.
    """
    document: dict[str, Any] = {}
    for name, values in wanted.items():
        if values:
            outer, _, inner = name.partition("_") if name.startswith("state_") else (name, "", "")
            any_of = {"any_": [str(value) for value in values]}
            document[outer] = {**document.get(outer, {}), inner: any_of} if inner else any_of
    return {resource: document} if document else {}
