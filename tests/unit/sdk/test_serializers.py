"""Results as bytes: there and back, compressed, and what cannot be."""

import threading
from typing import Any

import pytest

from orchestration import CompressedSerializer, JSONSerializer, PickleSerializer
from orchestration.domain.errors import SerializationError, UsageError
from orchestration.sdk.serializers import serializer_of

PLAIN = {"a": [1, 2.5, None, True], "b": "ä" * 1000}
LIBRARIES = ("lzma", "bz2", "gzip", "zlib")


@pytest.mark.parametrize("spec", ["pickle", "json", "compressed/pickle", "compressed/json", None])
def test_values_come_back_by_whoever_reads_the_document(spec: str | None) -> None:
    serializer = serializer_of(spec)
    blob = serializer.dumps(PLAIN)
    blob.decode("ascii")
    assert serializer.loads(blob) == PLAIN
    assert serializer_of(serializer.as_document()) == serializer
    assert serializer_of(serializer.as_document()).loads(blob) == PLAIN


@pytest.mark.parametrize("library", LIBRARIES)
def test_each_compression_makes_it_shorter(library: str) -> None:
    serializer = CompressedSerializer(JSONSerializer(), library)
    assert len(serializer.dumps(PLAIN)) < len(JSONSerializer().dumps(PLAIN)) / 2
    other = serializer_of(serializer.as_document())
    assert other == serializer
    assert other.loads(serializer.dumps(PLAIN)) == PLAIN


def test_documents_are_named_as_prefect_names_them() -> None:
    assert PickleSerializer().as_document()["type"] == "pickle"
    assert JSONSerializer().as_document()["type"] == "json"
    assert CompressedSerializer(PickleSerializer()).as_document() == {
        "type": "compressed/pickle",
        "serializer": PickleSerializer().as_document(),
        "compressionlib": "lzma",
    }


def test_a_serializer_is_given_as_itself_or_by_name() -> None:
    mine = JSONSerializer()
    assert serializer_of(mine) is mine
    assert CompressedSerializer("json").serializer == mine  # type: ignore[arg-type]  # Prefect's form
    assert serializer_of({"type": "compressed/json"}) == CompressedSerializer(mine, "lzma")


@pytest.mark.parametrize("spec", ["yaml", "compressed/yaml", {"type": "orjson"}, {}])
def test_an_unknown_serializer_is_refused(spec: Any) -> None:
    with pytest.raises(UsageError, match=r"There is no result serializer .*; use 'pickle', 'json'"):
        serializer_of(spec)


def test_an_unknown_compression_is_refused() -> None:
    with pytest.raises(UsageError, match="There is no compression 'snappy' here; use one of lzma, bz2, gzip, zlib"):
        serializer_of({"type": "compressed/json", "compressionlib": "snappy"})


@pytest.mark.parametrize(
    ("spec", "value", "message"),
    [
        ("pickle", threading.Lock(), "A lock cannot be pickled .*do not persist it"),
        ("json", {1, 2}, "A set is not JSON .*use result_serializer='pickle'"),
        ("compressed/json", {1}, "A set is not JSON"),
    ],
)
def test_a_value_that_cannot_be_written_is_named(spec: str, value: Any, message: str) -> None:
    with pytest.raises(SerializationError, match=message):
        serializer_of(spec).dumps(value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [("pickle", "cannot be unpickled"), ("json", "is not JSON"), ("compressed/json", "cannot be unpacked")],
)
def test_bytes_that_cannot_be_read_are_told(spec: str, message: str) -> None:
    with pytest.raises(SerializationError, match=f"A stored result {message} .*run again to renew it"):
        serializer_of(spec).loads(b"\xff\xfe nothing")
