"""What people and runs keep here: artifacts, variables, concurrency limits and blocks."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Kept:
    """What all of them have: an id, and the times (UTC) of birth and last change, which a new one gets in the store."""

    id: UUID
    created: datetime | None = field(default=None, kw_only=True)
    updated: datetime | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Artifact(Kept):
    """One version of something that a run publishes for people to read."""

    key: str | None = None
    type: str | None = None
    description: str | None = None
    data: Any = None
    metadata_: Mapping[str, str] | None = None
    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class VariableRecord(Kept):
    """A named JSON value."""

    name: str
    value: Any = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConcurrencyLimit(Kept):
    """A named number of slots; with a decay, slots come back by themselves at that rate (per second)."""

    name: str
    limit: int
    active: bool = True
    active_slots: int = 0
    slot_decay_per_second: float = 0.0
    lease_ids: tuple[UUID, ...] = ()


# -- blocks ------------------------------------------------------------------------------------------------------------

UNVERSIONED = "non-versioned"
# What stands where a secret was.
MASK = "*" * 8


@dataclass(frozen=True, slots=True)
class BlockType(Kept):
    """A kind of block, known by its slug."""

    slug: str
    name: str
    logo_url: str | None = None
    documentation_url: str | None = None
    description: str | None = None
    code_example: str | None = None
    is_protected: bool = False


@dataclass(frozen=True, slots=True)
class BlockSchema(Kept):
    """The fields of a block type, as JSON schema; ``checksum`` is the identity of those fields."""

    checksum: str
    fields: Mapping[str, Any]
    block_type_id: UUID
    block_type: BlockType | None = None
    capabilities: tuple[str, ...] = ()
    version: str = UNVERSIONED


@dataclass(frozen=True, slots=True)
class BlockDocument(Kept):
    """The saved values of one block.

    ``references`` holds, by field, the documents of other saved blocks that this one points to; the
    store puts their values into ``data`` as well, so that a reader needs no second question.
    """

    name: str | None
    data: Mapping[str, Any]
    block_schema_id: UUID
    block_type_id: UUID
    block_schema: BlockSchema | None = None
    block_type: BlockType | None = None
    references: Mapping[str, BlockDocument] = field(default_factory=dict)
    is_anonymous: bool = False


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


_REFERENCE = re.compile(r'"\$ref": "#/definitions/([^"]+)"')


def checksum_of(fields: Mapping[str, Any]) -> str:
    """The identity of a block schema: ``sha256:`` and the hash of its fields, by Prefect's rule.

    Which fields are secret does not count, and definitions count only where they are not blocks
    themselves, since those have checksums of their own.
    """
    counted = without_keys({"secret_fields"}, dict(fields))
    if counted.get("definitions"):
        referred = set(_REFERENCE.findall(json.dumps(counted)))
        definitions = {name: each for name, each in counted.pop("definitions").items() if name in referred and each}
        if kept := {name: each for name, each in definitions.items() if each.get("block_type_slug") is None}:
            counted["definitions"] = kept
    text = json.dumps([[counted], {}], sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def without_keys(keys: set[str], value: Any) -> Any:
    """A copy of nested mappings without the named keys; lists are left as they are."""
    if not isinstance(value, dict):
        return value
    return {key: without_keys(keys, inner) for key, inner in value.items() if key not in keys}
