"""How a result becomes bytes: pickle, JSON, or either of them compressed."""

from __future__ import annotations

import base64
import json
import lzma
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import cloudpickle

from orchestration.domain.errors import SerializationError, UsageError


class Serializer(ABC):
    """Turns values into bytes that can stand in a JSON document, and back."""

    # The serializer's name and options, as Prefect spells them in stored results.
    document: Mapping[str, Any]

    def dumps(self, value: Any) -> bytes:
        """The bytes of a value; ``SerializationError`` when it has none."""
        try:
            return self.packed(value)
        except Exception as error:
            what = f"A {type(value).__name__} cannot be stored as {self.document['type']} ({error})"
            raise SerializationError(f"{what}; return something else, or do not persist it.") from error

    def loads(self, blob: bytes) -> Any:
        """The value of bytes; ``SerializationError`` when they cannot be read."""
        try:
            return self.unpacked(blob)
        except Exception as error:
            what = f"A stored result cannot be read as {self.document['type']} ({error})"
            raise SerializationError(f"{what}; run again to renew it.") from error

    @abstractmethod
    def packed(self, value: Any) -> bytes:
        """The bytes of a value."""

    @abstractmethod
    def unpacked(self, blob: bytes) -> Any:
        """The value of bytes."""


class PickleSerializer(Serializer):
    """Any Python object, by cloudpickle; read only what you wrote yourself."""

    document: Mapping[str, Any] = {"type": "pickle", "picklelib": "cloudpickle", "picklelib_version": None}

    def packed(self, value: Any) -> bytes:
        """The value's pickle in base64."""
        return base64.b64encode(cloudpickle.dumps(value))

    def unpacked(self, blob: bytes) -> Any:
        """The value of a base64 pickle."""
        return cloudpickle.loads(base64.b64decode(blob))


class JSONSerializer(Serializer):
    """Values of JSON: text, numbers, lists, objects."""

    document: Mapping[str, Any] = {"type": "json", "jsonlib": "json", "object_encoder": None, "object_decoder": None}

    def packed(self, value: Any) -> bytes:
        """The value as JSON text."""
        return json.dumps(value).encode()

    def unpacked(self, blob: bytes) -> Any:
        """The value of JSON text."""
        return json.loads(blob)


class CompressedSerializer(Serializer):
    """Another serializer's bytes, compressed; the other one may be named, as in ``serializer="json"``."""

    def __init__(self, serializer: str | Serializer) -> None:
        self.serializer = inner = serializer_of(serializer)
        kind = f"compressed/{inner.document['type']}"
        self.document = {"type": kind, "serializer": inner.document, "compressionlib": "lzma"}

    def packed(self, value: Any) -> bytes:
        """The compressed bytes in base64."""
        return base64.b64encode(lzma.compress(self.serializer.packed(value)))

    def unpacked(self, blob: bytes) -> Any:
        """The value of compressed bytes."""
        return self.serializer.unpacked(lzma.decompress(base64.b64decode(blob)))


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
    known = "'pickle', 'json', 'compressed/pickle' or 'compressed/json'"
    raise UsageError(f"There is no result serializer {name!r}; use {known}.")
