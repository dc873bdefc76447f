"""Where results lie: bytes under a key, in a folder or in a saved block."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from orchestration.domain.errors import UsageError
from orchestration.sdk.awaiting import plainly


@dataclass(frozen=True, slots=True)
class FolderStorage:
    """Files below one folder; a file appears whole, or not at all."""

    folder: Path

    def read(self, key: str) -> bytes:
        """The content of the file of that key."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise KeyError(key) from None

    def write(self, key: str, content: bytes) -> None:
        """Write a file that only this user can read."""
        path = self._path(key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, content, mode=0o600)

    def describe(self, key: str) -> str:
        """The absolute path."""
        return str(self._path(key))

    def _path(self, key: str) -> Path:
        path = (self.folder / key).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            what = f"The result key {key!r} leads out of the result storage"
            raise UsageError(f"{what}; use a key without '..' or a root.")
        return path


@dataclass(slots=True)
class BlockStorage:
    """A block that reads and writes paths, such as ``LocalFileSystem`` or ``S3Bucket``.

    One that is known by its id only is loaded when it is needed: listing states must not load blocks.
    """

    block: Any = None
    block_id: str | None = None
    """The id of the block's document, by which another process finds it; ``None`` unless it was saved."""

    def read(self, key: str) -> bytes:
        """The bytes that the block has under that path."""
        try:
            return bytes(plainly(self._loaded().read_path)(key))
        except (ValueError, FileNotFoundError, KeyError):
            raise KeyError(key) from None

    def write(self, key: str, content: bytes) -> None:
        """Let the block write the bytes."""
        plainly(self._loaded().write_path)(key, content)

    def describe(self, key: str) -> str:
        """The key; only the block knows more."""
        return key

    def _loaded(self) -> Any:
        if self.block is None:
            self.block = plainly(_block_class().load_from_ref)(self.block_id)
        return self.block


Storage = FolderStorage | BlockStorage


def storage_of(spec: Any, default_folder: Path) -> Storage:
    """The storage that a decorator's argument names: a folder, a block, a ``slug/name``, or the default folder.

    Raises:
        UsageError: the value names no storage.
    """
    if spec is None:
        return FolderStorage(default_folder)
    if isinstance(spec, Path):
        return FolderStorage(spec.expanduser().absolute())
    if isinstance(spec, Storage):
        return spec
    block = _block_class().load(spec) if isinstance(spec, str) else spec
    if hasattr(block, "read_path") and hasattr(block, "write_path"):
        saved_id = getattr(block, "_block_document_id", None)
        return BlockStorage(block, saved_id and str(saved_id))
    raise UsageError(f"{spec!r} is no result storage; give a folder, a block, or the text 'block-type/name'.")


def write_whole(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a file that appears whole or not at all: a temporary one beside it is renamed."""
    temporary = path.with_name(f".writing-{os.getpid()}-{os.urandom(8).hex()}")
    try:
        temporary.touch(mode)
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _block_class() -> Any:
    """By name, because blocks open the session, the session knows results, and they take long to load."""
    return resolve_name("orchestration.sdk.blocks:Block")
