"""Block types, their schemas, and the documents that hold the values of saved blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

UNVERSIONED = "non-versioned"
# What stands where a secret was.
MASK = "*" * 8


@dataclass(frozen=True, slots=True)
class BlockType:
    """A kind of block, known by its slug."""

    id: UUID
    slug: str
    name: str
    logo_url: str | None = None
    documentation_url: str | None = None
    description: str | None = None
    code_example: str | None = None
    is_protected: bool = False
    created: datetime | None = None
    updated: datetime | None = None


@dataclass(frozen=True, slots=True)
class BlockSchema:
    """The fields of a block type, as JSON schema; ``checksum`` is the identity of those fields."""

    id: UUID
    checksum: str
    fields: Mapping[str, Any]
    block_type_id: UUID
    block_type: BlockType | None = None
    capabilities: tuple[str, ...] = ()
    version: str = UNVERSIONED
    created: datetime | None = None
    updated: datetime | None = None


@dataclass(frozen=True, slots=True)
class BlockDocument:
    """The saved values of one block.

    ``references`` holds, by field, the documents of other saved blocks that this one points to; the
    store puts their values into ``data`` as well, so that a reader needs no second question.
    """

    id: UUID
    name: str | None
    data: Mapping[str, Any]
    block_schema_id: UUID
    block_type_id: UUID
    block_schema: BlockSchema | None = None
    block_type: BlockType | None = None
    references: Mapping[str, BlockDocument] = field(default_factory=dict)
    is_anonymous: bool = False
    created: datetime | None = None
    updated: datetime | None = None

    @property
    def block_type_name(self) -> str | None:
        """The name of the block's type."""
        return self.block_type.name if self.block_type else None


def masked(data: Mapping[str, Any], secret_fields: list[str]) -> dict[str, Any]:
    """A copy of a document's data with a mask in place of each secret.

    Args:
        data: the values by field.
        secret_fields: dotted paths as in a schema's ``secret_fields``; ``*`` stands for every key below.
    """
    document = dict(data)
    for path in secret_fields:
        head, _, rest = path.partition(".")
        for key in list(document) if head == "*" else {head} & document.keys():
            document[key] = _masked_value(document[key], head if head == "*" else rest)
    return document


def _masked_value(value: Any, rest: str) -> Any:
    """The value with its secrets masked; a path that stops short of them, or a list, is masked whole."""
    if rest and isinstance(value, Mapping):
        return masked(value, [rest])
    return None if value is None else MASK
