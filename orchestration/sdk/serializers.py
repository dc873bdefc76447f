"""How a result becomes bytes: pickle, JSON, or either of them compressed."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol

import cloudpickle

from orchestration.domain.errors import SerializationError, UsageError


class Serializer(Protocol):
    """Turns values into bytes and back; ``as_document`` names it in stored results."""

    def dumps(self, value: Any) -> bytes:
        """The bytes of a value; ``SerializationError`` when it has none."""

    def loads(self, blob: bytes) -> Any:
        """The value of bytes; ``SerializationError`` when they cannot be read."""

    def as_document(self) -> dict[str, Any]:
        """The serializer's name and options."""


@contextmanager
def _told(what: str, remedy: str = "run again to renew it") -> Iterator[None]:
    """Say in one sentence what cannot be written or read, why, and what to do."""
    try:
        yield
    except Exception as error:
        raise SerializationError(f"{what} ({error}); {remedy}.") from error


@dataclass(frozen=True)
class PickleSerializer:
    """Any Python object, by cloudpickle; read only what you wrote yourself."""

    type: str = field(default="pickle", init=False)

    def dumps(self, value: Any) -> bytes:
        """The value's pickle in base64, so that it can stand in a JSON document."""
        with _told(f"A {type(value).__name__} cannot be pickled", "return something else, or do not persist it"):
            return base64.b64encode(cloudpickle.dumps(value))

    def loads(self, blob: bytes) -> Any:
        """The value of a base64 pickle."""
        with _told("A stored result cannot be unpickled"):
            return cloudpickle.loads(base64.b64decode(blob))

    def as_document(self) -> dict[str, Any]:
        """As Prefect names it."""
        return {"type": "pickle", "picklelib": "cloudpickle", "picklelib_version": None}


@dataclass(frozen=True)
class JSONSerializer:
    """Values of JSON: text, numbers, lists, objects."""

    type: str = field(default="json", init=False)

    def dumps(self, value: Any) -> bytes:
        """The value as JSON text."""
        with _told(f"A {type(value).__name__} is not JSON", "use result_serializer='pickle'"):
            return json.dumps(value).encode()

    def loads(self, blob: bytes) -> Any:
        """The value of JSON text."""
        with _told("A stored result is not JSON"):
            return json.loads(blob)

    def as_document(self) -> dict[str, Any]:
        """As Prefect names it."""
        return {"type": "json", "jsonlib": "json", "object_encoder": None, "object_decoder": None}


_COMPRESSIONS: Mapping[str, ModuleType] = {"lzma": lzma, "bz2": bz2, "gzip": gzip, "zlib": zlib}


@dataclass(frozen=True)
class CompressedSerializer:
    """Another serializer's bytes, compressed by ``compressionlib`` (lzma, bz2, gzip or zlib)."""

    serializer: Serializer
    compressionlib: str = "lzma"

    def __post_init__(self) -> None:
        if self.compressionlib not in _COMPRESSIONS:
            known = ", ".join(_COMPRESSIONS)
            raise UsageError(f"There is no compression {self.compressionlib!r} here; use one of {known}.")
        if isinstance(self.serializer, str):  # Prefect's form, CompressedSerializer(serializer="json")
            object.__setattr__(self, "serializer", serializer_of(self.serializer))

    def dumps(self, value: Any) -> bytes:
        """The compressed bytes in base64."""
        packed: bytes = _COMPRESSIONS[self.compressionlib].compress(self.serializer.dumps(value))
        return base64.b64encode(packed)

    def loads(self, blob: bytes) -> Any:
        """The value of compressed bytes."""
        with _told("A stored result cannot be unpacked"):
            packed = _COMPRESSIONS[self.compressionlib].decompress(base64.b64decode(blob))
        return self.serializer.loads(packed)

    def as_document(self) -> dict[str, Any]:
        """As Prefect names it."""
        inner = self.serializer.as_document()
        return {"type": f"compressed/{inner['type']}", "serializer": inner, "compressionlib": self.compressionlib}


def serializer_of(spec: str | Mapping[str, Any] | Serializer | None) -> Serializer:
    """The serializer that a decorator's argument or a stored document names; pickle unless named.

    Raises:
        UsageError: there is no serializer of that name.
    """
    if spec is None:
        return PickleSerializer()
    if not isinstance(spec, str | Mapping):
        return spec
    name = spec if isinstance(spec, str) else str(spec.get("type"))
    if name.startswith("compressed/"):
        library = "lzma" if isinstance(spec, str) else str(spec.get("compressionlib", "lzma"))
        return CompressedSerializer(serializer_of(name.removeprefix("compressed/")), library)
    if name in ("pickle", "json"):
        return PickleSerializer() if name == "pickle" else JSONSerializer()
    known = "'pickle', 'json', 'compressed/pickle' or 'compressed/json'"
    raise UsageError(f"There is no result serializer {name!r}; use {known}.")
