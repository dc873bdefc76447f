"""The identity of a block schema: two programs that compute the same checksum mean the same block type."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

_REFERENCE = re.compile(r'"\$ref": "#/definitions/([^"]+)"')


def checksum_of(fields: Mapping[str, Any]) -> str:
    """The identity of a block schema: ``sha256:`` and the hash of its fields, by Prefect's rule.

    Which fields are secret does not count, and definitions count only where they are not blocks
    themselves, since those have checksums of their own.
    """
    counted = without_keys({"secret_fields"}, dict(fields))
    if counted.get("definitions"):
        definitions = counted.pop("definitions")
        kept = _definitions_without_blocks({**counted, "definitions": definitions}, definitions)
        if kept:
            counted["definitions"] = kept
    text = json.dumps([[counted], {}], sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def without_keys(keys: set[str], value: Any) -> Any:
    """A copy of nested mappings without the named keys; lists are left as they are."""
    if not isinstance(value, dict):
        return value
    return {key: without_keys(keys, inner) for key, inner in value.items() if key not in keys}


def _definitions_without_blocks(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The definitions that anything in the schema refers to, except those of blocks."""
    names = set(_REFERENCE.findall(json.dumps(schema)))
    referred = {name: definition for name, definition in definitions.items() if name in names and definition}
    return {name: each for name, each in referred.items() if each.get("block_type_slug") is None}
