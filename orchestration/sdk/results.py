"""Results that outlive their run: where they lie, under which key, and how they are read again.

A stored result is one JSON file, ``{"metadata": {...}, "result": "..."}``, in the form that Prefect
writes, so that either reads what the other stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from orchestration.domain.errors import MissingResult, SerializationError, UsageError
from orchestration.domain.states import StoredResult
from orchestration.sdk.serializers import PickleSerializer, Serializer, serializer_of
from orchestration.sdk.storages import BlockStorage, FolderStorage, Storage

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

    def forget(self) -> None:
        """Let go of the value; it is read from storage when it is asked for."""
        self.value = _NOT_LOADED

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

    storage: Storage | None = None
    serializer: Serializer = field(default_factory=PickleSerializer)
    lock_manager: Any = None

    def or_else(self, default: ResultStore) -> ResultStore:
        """This store, with the storage of ``default`` when it has none of its own."""
        return replace(self, storage=default.storage) if self.storage is None else self

    def write(self, key: str, value: Any, expiration: datetime | None = None) -> StoredValue:
        """Store a value under a key, for good or until ``expiration`` (UTC)."""
        if self.storage is None:
            raise UsageError("This result store has no storage; give it one, or pass it to transaction().")
        stored = StoredValue(key, self.storage, self.serializer, expiration, value)
        content = {"metadata": stored.as_document(), "result": self.serializer.dumps(value).decode()}
        self.storage.write(key, json.dumps(content).encode())
        return stored

    def find(self, key: str) -> StoredValue | None:
        """The stored result of a key, expired or not, if there is one that can be read.

        One that cannot be, say because its file was cut off or its class is gone, counts as not there:
        the task then runs again and writes it anew.
        """
        if self.storage is None:
            return None
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


def new_result_key() -> str:
    """A key that no other result has."""
    return uuid4().hex
