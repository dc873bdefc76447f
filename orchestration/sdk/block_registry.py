"""From the slug of a block type to its class: defined so far, built in, or offered by an installed package."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from orchestration.sdk.block_errors import UnknownBlockType

GROUP = "orchestration.blocks"

_BUILT_IN = (
    EntryPoint("secret", "orchestration.sdk.secret_block:Secret", GROUP),
    EntryPoint("local-file-system", "orchestration.sdk.filesystems:LocalFileSystem", GROUP),
)
_classes: dict[str, type[Any]] = {}


def register(slug: str, block_class: type[Any]) -> None:
    """Make a class known by its slug; a later class of the same slug takes the earlier one's place."""
    _classes[slug] = block_class


def class_of(slug: str) -> type[Any]:
    """The class of a block type.

    Raises:
        UnknownBlockType: no class of that slug is defined, built in or installed.
    """
    if slug not in _classes:
        for entry_point in (*_BUILT_IN, *entry_points(group=GROUP)):
            if entry_point.name == slug:
                register(slug, entry_point.load())
    if slug not in _classes:
        remedy = "import the module that defines it, or install a package that offers it in the entry-point group"
        raise UnknownBlockType(f"No class of the block type {slug!r} is known here; {remedy} {GROUP!r}.")
    return _classes[slug]
