"""Placeholders in the files of a project: ``{{ $VARIABLE }}``, saved blocks, variables, and what steps gave."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import reduce
from typing import Any

from orchestration.domain.errors import ConfigurationError, ObjectNotFound
from orchestration.domain.schemas.catalog import BlockDocument
from orchestration.sdk.logs import remember_secret
from orchestration.sdk.runtime import current_session

# What of a file may be left to the run, which fills it in: all but outputs of steps, blocks, or nothing.
ALL, BLOCKS, NONE = r".", r"(prefect|orchestration)\.blocks\.", r"(?!)"
_PLACE = re.compile(r"\{\{\s*([\w.$-]+)\s*\}\}")


def filled(value: Any, outputs: Mapping[str, Any], left: str = NONE) -> Any:
    """A value with each placeholder, however deep, replaced by what it stands for, whose type it keeps.

    Args:
        value: any JSON.
        outputs: what earlier steps gave, by name.
        left: the placeholders that stay as they are.

    Raises:
        ConfigurationError: one stands for nothing; the message names it.
    """
    if isinstance(value, Mapping):
        return {key: filled(each, outputs, left) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, outputs, left) for each in value]
    if not isinstance(value, str):
        return value
    if whole := _PLACE.fullmatch(value.strip()):
        return _meant(whole, outputs, left)
    return _PLACE.sub(lambda place: str(_meant(place, outputs, left)), value)


def _meant(place: re.Match[str], outputs: Mapping[str, Any], left: str) -> Any:
    head, *path = place[1].split(".")
    try:
        if head in outputs:
            return reduce(_part, path, outputs[head])
        if re.match(left, place[1]):
            return place[0]
        if head.startswith("$"):
            return os.environ[head[1:]]
        where, name, *deeper = path
        if where == "blocks":
            return reduce(_part, deeper[1:], _block(name, deeper[0]))
        return reduce(_part, deeper, current_session().backend.read("variables", name=name)["value"])
    except (KeyError, IndexError, TypeError, ValueError, ObjectNotFound):
        hint = "set that variable" if head[0] == "$" else "see `orchestrate block ls` and `orchestrate variable ls`"
        raise ConfigurationError(f"{place[0]} stands for nothing; {hint}.") from None


def _part(value: Any, name: str) -> Any:
    return value[int(name) if isinstance(value, list) else name]


def _block(slug: str, name: str) -> Any:
    """The values of a saved block; that of a block with a single one is it. What the store masks is redacted."""
    blocks = current_session().backend.blocks
    clear, masked = (_data(blocks.block_document_by_name(slug, name, shown)) for shown in (True, False))
    _remember(clear, masked)
    return clear["value"] if clear.keys() == {"value"} else clear


def _data(document: BlockDocument) -> dict[str, Any]:
    return {**document.data, **{name: _data(part) for name, part in document.references.items()}}


def _remember(clear: Any, masked: Any) -> None:
    if isinstance(clear, Mapping) and isinstance(masked, Mapping):
        for name in clear:
            _remember(clear[name], masked.get(name))
    elif clear != masked:
        remember_secret(str(clear))
