"""Results that outlive their run: where they lie, under which key, and how they are read again.

A stored result is one JSON file, ``{"metadata": {...}, "result": "..."}``, in the form that Prefect
writes, so that either reads what the other stored. It lies in a folder or in a saved block.

How a result becomes bytes: pickle, JSON, or either of them compressed.
"""

from __future__ import annotations

import json
import lzma
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import cloudpickle

from orchestration.domain.errors import MissingResult, SerializationError, UsageError
from orchestration.domain.states import StoredResult
from orchestration.sdk.awaiting import plainly


@dataclass(frozen=True)
class Serializer:
    """Turns values into bytes that can stand in a JSON document, and back."""

    # The serializer's name and options, as Prefect spells them in stored results.
    document: Mapping[str, Any]
    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]

    def dumps(self, value: Any) -> bytes:
        """The bytes of a value; ``SerializationError`` when it has none."""
        try:
            return self.pack(value)
        except Exception as error:
            what = f"A {type(value).__name__} cannot be stored as {self.document['type']} ({error})"
            raise SerializationError(f"{what}; return something else, or do not persist it.") from error

    def loads(self, blob: bytes) -> Any:
        """The value of bytes; ``SerializationError`` when they cannot be read."""
        try:
            return self.unpack(blob)
        except Exception as error:
            what = f"A stored result cannot be read as {self.document['type']} ({error})"
            raise SerializationError(f"{what}; run again to renew it.") from error


def PickleSerializer() -> Serializer:
    """Any Python object, by cloudpickle and in base64; read only what you wrote yourself."""
    document = {"type": "pickle", "picklelib": "cloudpickle", "picklelib_version": None}
    return Serializer(
        document, lambda value: b64encode(cloudpickle.dumps(value)), lambda blob: cloudpickle.loads(b64decode(blob))
    )


def JSONSerializer() -> Serializer:
    """Values of JSON: text, numbers, lists, objects."""
    document = {"type": "json", "jsonlib": "json", "object_encoder": None, "object_decoder": None}
    return Serializer(document, lambda value: json.dumps(value).encode(), json.loads)


def CompressedSerializer(serializer: str | Serializer) -> Serializer:
    """Another serializer's bytes, compressed; the other one may be named, as in ``serializer="json"``."""
    inner = serializer_of(serializer)
    document = {"type": f"compressed/{inner.document['type']}", "serializer": inner.document, "compressionlib": "lzma"}
    return Serializer(
        document, lambda value: b64encode(lzma.compress(inner.pack(value))),
        lambda blob: inner.unpack(lzma.decompress(b64decode(blob))),
    )  # fmt: skip


def serializer_of(spec: str | Mapping[str, Any] | Serializer | None) -> Serializer:
    """The serializer that a decorator's argument or a stored document names; pickle unless named.

    Raises:
        UsageError: there is no serializer of that name.
    """
    if isinstance(spec, Serializer):
        return spec
    name = str(spec.get("type") if isinstance(spec, Mapping) else spec or "pickle")
    if name.startswith("compressed/"):
        return CompressedSerializer(name.removeprefix("compressed/"))
    if name in ("pickle", "json"):
        return PickleSerializer() if name == "pickle" else JSONSerializer()
    raise UsageError(f"There is no result serializer {name!r}; use 'pickle', 'json', or either after 'compressed/'.")


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
            raise UsageError(f"The result key {key!r} leads out of the result storage; use one without '..' or a root.")
        return path


@dataclass(slots=True)
class BlockStorage:
    """A block that reads and writes paths, such as ``LocalFileSystem`` or ``S3Bucket``.

    One that is known by its id only is loaded when it is needed: listing states must not load blocks.
    """

    block: Any = None
    # The id of the block's document, by which another process finds it; ``None`` unless it was saved.
    block_id: str | None = None

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


def _default_storage() -> Storage:
    """The folder of the settings; the session by name, because it knows results."""
    return FolderStorage(resolve_name("orchestration.sdk.context:current_session")().settings.storage_path)


_NOT_LOADED = object()


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
                where = self.storage.describe(self.key)
                raise MissingResult(f"The stored result {where} is not there any more.") from None
            self.value = self.serializer.loads(_parts(content)[1])
        return self.value

    def as_document(self) -> dict[str, Any]:
        """What the state says of it, in Prefect's form."""
        return {
            "storage_key": self.storage.describe(self.key),
            "expiration": self.expiration.isoformat() if self.expiration else None,
            "serializer": self.serializer.document, "prefect_version": "3.8.8",
            "storage_block_id": getattr(self.storage, "block_id", None),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> StoredValue:
        """The stored result that a state's document names."""
        name, block_id = str(document.get("storage_key")), document.get("storage_block_id")
        serializer = serializer_of(document.get("serializer"))
        if block_id:
            return cls(name, BlockStorage(block_id=str(block_id)), serializer, _until(document))
        return cls(Path(name).name, FolderStorage(Path(name).parent), serializer, _until(document))


@dataclass(frozen=True, slots=True)
class ResultStore:
    """Where and how the results of one run, or one cache, are kept, and who may write a key at a time."""

    storage: Storage = field(default_factory=_default_storage)
    serializer: Serializer = field(default_factory=PickleSerializer)
    lock_manager: Any = None
    # Whether what was written stays in memory; if not, it is read again when it is asked for.
    in_memory: bool = True

    def write(self, key: str, value: Any, expiration: datetime | None = None) -> StoredValue:
        """Store a value under a key, for good or until ``expiration`` (UTC)."""
        stored = StoredValue(key, self.storage, self.serializer, expiration, value if self.in_memory else _NOT_LOADED)
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
            serializer = serializer_of(metadata.get("serializer"))
            return StoredValue(key, self.storage, serializer, _until(metadata), serializer.loads(packed))
        except (KeyError, SerializationError, UsageError, TypeError, ValueError):
            return None


def _until(document: Mapping[str, Any]) -> datetime | None:
    return datetime.fromisoformat(document["expiration"]) if document.get("expiration") else None


def _parts(content: bytes) -> tuple[Mapping[str, Any], bytes]:
    """The metadata and the packed value of a result file."""
    try:
        document = json.loads(content)
        return dict(document["metadata"]), document["result"].encode()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SerializationError(f"A stored result is damaged ({error!r}); run again to renew it.") from error
