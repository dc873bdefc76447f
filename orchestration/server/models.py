"""Models of requests, made from tables of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, create_model

from orchestration.server.values import Body, Count, Mapped, Moment, Tags

Positive = Annotated[int, Field(gt=0, le=2**31 - 1)]
KINDS: Mapping[str, Any] = {
    "text": (str | None, None), "id": (UUID | None, None), "moment": (Moment | None, None), "tags": Tags,
    "count": (Count | None, None), "positive": (Positive | None, None), "document": (dict[str, Any] | None, None),
    "documents": (list[dict[str, Any]] | None, None), "mapped": Mapped, "off": (bool, False), "on": (bool, True),
    "switch": (bool | None, None),
}
"""What a field that may be left out holds, by the word that tables have for it, and what it is then."""


def model(name: str, base: type[Body] = Body, own: Mapping[str, Any] | None = None, **by_kind: str) -> Any:
    """The model of a request.

    Args:
        name: what ``/openapi.json`` calls it.
        base: the model whose fields it has as well; those that are named here take their place.
        own: fields of a kind that only this model has: the kind, or the kind and the default.
        by_kind: the names of fields that may be left out, by their kind, one of ``KINDS``.
    """
    fields = {field: KINDS[kind] for kind, names in by_kind.items() for field in names.split()}
    fields |= {field: kind if isinstance(kind, tuple) else (kind, ...) for field, kind in (own or {}).items()}
    return create_model(name, __base__=base, **fields)
