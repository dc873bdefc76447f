"""Results that outlive their run: where they lie, under which key, and how they are read again.

A stored result is one JSON file, ``{"metadata": {...}, "result": "..."}``, in the form that Prefect
writes, so that either reads what the other stored.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Protocol
from uuid import uuid4

from orchestration.domain.errors import MissingResult, SerializationError, UsageError
from orchestration.domain.states import StoredResult
from orchestration.sdk.awaiting import plainly
from orchestration.sdk.serializers import PickleSerializer, Serializer, serializer_of

_NOT_LOADED = object()


class Storage(Protocol):
    """Where results lie: bytes under a path."""

    def read(self, key: str) -> bytes:
        """The bytes under a key; ``KeyError`` when there are none."""

    def write(self, key: str, content: bytes) -> None:
        """Put bytes under a key, all of them or none."""

    def describe(self, key: str) -> str:
        """Where the key lies, for people and for the state's document."""


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
        """Write a temporary file, then rename it."""
        path = self._path(key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def describe(self, key: str) -> str:
        """The absolute path."""
        return str(self._path(key))

    def _path(self, key: str) -> Path:
        path = (self.folder / key).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise UsageError(
                f"The result key {key!r} leads out of the result storage; use a key without '..' or a root."
            )
        return path


@dataclass(frozen=True, slots=True)
class BlockStorage:
    """A saved block that reads and writes paths, such as ``LocalFileSystem`` or ``S3Bucket``."""

    block: Any

    @property
    def block_id(self) -> str | None:
        """The id of the block's document, by which another process finds it; ``None`` unless it was saved."""
        document_id = getattr(self.block, "_block_document_id", None)
        return str(document_id) if document_id is not None else None

    @classmethod
    def by_id(cls, block_id: str) -> BlockStorage:
        """The storage of a saved block."""
        # By name, because blocks open the session, and the session knows results.
        block_class = resolve_name("orchestration.sdk.blocks:Block")
        return cls(plainly(block_class.load_from_ref)({"block_document_id": block_id}))

    def read(self, key: str) -> bytes:
        """The bytes that the block has under that path."""
        try:
            content = plainly(self.block.read_path)(key)
        except (ValueError, FileNotFoundError, KeyError):
            raise KeyError(key) from None
        return bytes(content)

    def write(self, key: str, content: bytes) -> None:
        """Let the block write the bytes."""
        plainly(self.block.write_path)(key, content)

    def describe(self, key: str) -> str:
        """The key; only the block knows more."""
        return key


@dataclass(frozen=True, slots=True)
class _SavedBlock:
    """The storage of a block that is loaded when a result is read: listing states must not load blocks."""

    block_id: str

    def read(self, key: str) -> bytes:
        """The bytes that the block has under that path."""
        return BlockStorage.by_id(self.block_id).read(key)

    def write(self, key: str, content: bytes) -> None:
        """Let the block write the bytes."""
        BlockStorage.by_id(self.block_id).write(key, content)

    def describe(self, key: str) -> str:
        """The key."""
        return key


class Nowhere:
    """The storage of a result store that names none: ``ResultStore.or_else`` puts another in its place."""

    def read(self, key: str) -> bytes:
        """Nothing is here."""
        raise KeyError(key)

    def write(self, key: str, content: bytes) -> None:
        """Refuse to lose a result."""
        raise UsageError("This result store has no storage; give it one, or pass it to transaction().")

    def describe(self, key: str) -> str:
        """The key."""
        return key


_NOWHERE = Nowhere()


@dataclass(eq=False)
class StoredValue(StoredResult):
    """A result in storage; its value is read when it is asked for, and kept."""

    key: str
    storage: Storage
    serializer: Serializer
    expiration: datetime | None = None
    value: Any = field(default=_NOT_LOADED, repr=False)

    def load(self) -> Any:
        """The value.

        Raises:
            MissingResult: it is no longer there.
            SerializationError: it cannot be read.
        """
        if self.value is _NOT_LOADED:
            try:
                content = self.storage.read(self.key)
            except KeyError:
                raise MissingResult(
                    f"The stored result {self.storage.describe(self.key)} is not there any more."
                ) from None
            self.value = self.serializer.loads(_parts(content)[1])
        return self.value

    def forget(self) -> None:
        """Let go of the value; it is read from storage when it is asked for."""
        self.value = _NOT_LOADED

    def as_document(self) -> dict[str, Any]:
        """What the state says of it, in Prefect's form."""
        return {
            "storage_key": self.storage.describe(self.key),
            "expiration": self.expiration.isoformat() if self.expiration else None,
            "serializer": self.serializer.as_document(),
            "prefect_version": "3.8.8",
            "storage_block_id": self.storage.block_id if isinstance(self.storage, BlockStorage | _SavedBlock) else None,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> StoredValue:
        """The stored result that a state's document names."""
        name, block_id = str(document.get("storage_key")), document.get("storage_block_id")
        expiration = document.get("expiration")
        return cls(
            name if block_id else Path(name).name,
            _SavedBlock(str(block_id)) if block_id else FolderStorage(Path(name).parent),
            serializer_of(document.get("serializer")),
            datetime.fromisoformat(expiration) if expiration else None,
        )


@dataclass(frozen=True, slots=True)
class ResultStore:
    """Where and how the results of one run, or one cache, are kept, and who may write a key at a time."""

    storage: Storage = _NOWHERE
    serializer: Serializer = field(default_factory=PickleSerializer)
    lock_manager: Any = None

    def or_else(self, default: ResultStore) -> ResultStore:
        """This store, with the storage of ``default`` when it has none of its own."""
        return replace(self, storage=default.storage) if self.storage is _NOWHERE else self

    def write(self, key: str, value: Any, expiration: datetime | None = None) -> StoredValue:
        """Store a value under a key, for good or until ``expiration`` (UTC)."""
        stored = StoredValue(key, self.storage, self.serializer, expiration, value)
        content = {"metadata": stored.as_document(), "result": self.serializer.dumps(value).decode()}
        self.storage.write(key, json.dumps(content).encode())
        return stored

    def find(self, key: str) -> StoredValue | None:
        """The stored result of a key, expired or not, if there is one that can be read.

        One that cannot be, say because its file was cut off or its class is gone, counts as not there:
        the task then runs again and writes it anew.
        """
        try:
            metadata, packed = _parts(self.storage.read(key))
        except (KeyError, SerializationError):
            return None
        expiration = metadata.get("expiration")
        try:
            serializer = serializer_of(metadata.get("serializer"))
            until = datetime.fromisoformat(expiration) if expiration else None
            return StoredValue(key, self.storage, serializer, until, serializer.loads(packed))
        except (SerializationError, UsageError, TypeError, ValueError):
            return None


def _parts(content: bytes) -> tuple[Mapping[str, Any], bytes]:
    """The metadata and the packed value of a result file."""
    try:
        document = json.loads(content)
        metadata, packed = document["metadata"], document["result"].encode()
        if not isinstance(metadata, Mapping):
            raise TypeError("its metadata is no object")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SerializationError(f"A stored result is damaged ({error!r}); run again to renew it.") from error
    return metadata, packed


def new_result_key() -> str:
    """A key that no other result has."""
    return uuid4().hex
