"""From what an option says to the storage that it means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestration.domain.errors import UsageError
from orchestration.sdk.results import BlockStorage, FolderStorage, Storage


def storage_of(spec: Any, default_folder: Path) -> Storage:
    """The storage that a decorator's argument names: a folder, a block, a ``slug/name``, or the default folder.

    Raises:
        UsageError: the value names no storage.
    """
    if spec is None:
        return FolderStorage(default_folder)
    if isinstance(spec, Path):
        return FolderStorage(spec.expanduser().absolute())
    if isinstance(spec, str):
        return _named_storage(spec)
    if isinstance(spec, FolderStorage | BlockStorage):
        return spec
    if hasattr(spec, "read_path") and hasattr(spec, "write_path"):
        return BlockStorage(spec)
    raise UsageError(f"{spec!r} is no result storage; give a folder, a block, or the text 'block-type/name'.")


def _named_storage(name: str) -> Storage:
    from orchestration.sdk.blocks import Block

    return BlockStorage(Block.load(name))
