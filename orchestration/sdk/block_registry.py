"""From the slug of a block type to its class, and what goes wrong with blocks; each error is a ``ValueError`` too."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from orchestration.domain.errors import ConfigurationError, ObjectAlreadyExists, ObjectNotFound, UsageError

GROUP = "orchestration.blocks"

_BUILT_IN = (
    EntryPoint("secret", "orchestration.sdk.secret_block:Secret", GROUP),
    EntryPoint("local-file-system", "orchestration.sdk.filesystems:LocalFileSystem", GROUP),
)
# By slug, the classes known so far; a later class of the same slug takes the earlier one's place.
CLASSES: dict[str, type[Any]] = {}


class BlockNotFound(ObjectNotFound, ValueError):
    """There is no saved block of that type and name."""

    is_users_mistake = True


class BlockExists(ObjectAlreadyExists, ValueError):
    """A block of that type and name is saved, and overwriting was not asked for."""

    is_users_mistake = True


class InvalidBlock(ConfigurationError, ValueError, RuntimeError):
    """A saved block does not fit the class that it is loaded into."""

    is_users_mistake = True


class BlockUsageError(UsageError, ValueError):
    """A block is used in a way that cannot work: without a name, under one that it cannot have, ..."""


class UnknownBlockType(UsageError, ValueError):
    """No class of that slug can be found here."""


def class_of(slug: str) -> type[Any]:
    """The class of a block type: defined so far, built in, or offered by an installed package.

    Raises:
        UnknownBlockType: there is none.
    """
    if slug not in CLASSES:
        for entry_point in (*_BUILT_IN, *entry_points(group=GROUP)):
            if entry_point.name == slug:
                CLASSES[slug] = entry_point.load()
    if slug not in CLASSES:
        remedy = "import the module that defines it, or install a package that offers it in the entry-point group"
        raise UnknownBlockType(f"No class of the block type {slug!r} is known here; {remedy} {GROUP!r}.")
    return CLASSES[slug]
