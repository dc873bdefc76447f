"""Results as bytes: there and back, compressed, and what cannot be."""

import threading
from typing import Any

import pytest

from orchestration import CompressedSerializer, JSONSerializer, PickleSerializer
from orchestration.domain.errors import SerializationError, UsageError
from orchestration.sdk.results import serializer_of

PLAIN = {"a": [1, 2.5, None, True], "b": "ä" * 1000}


@pytest.mark.parametrize("spec", ["pickle", "json", "compressed/pickle", "compressed/json", None])
def test_values_come_back_by_whoever_reads_the_document(spec: str | None) -> None:
    serializer = serializer_of(spec)
    blob = serializer.dumps(PLAIN)
    blob.decode("ascii")
    assert serializer.loads(blob) == PLAIN
    assert serializer_of(serializer.document).loads(blob) == PLAIN


def test_compression_makes_it_shorter() -> None:
    assert len(CompressedSerializer("json").dumps(PLAIN)) < len(JSONSerializer().dumps(PLAIN)) / 2


def test_documents_are_named_as_prefect_names_them() -> None:
    assert PickleSerializer().document["type"] == "pickle"
    assert JSONSerializer().document["type"] == "json"
    assert CompressedSerializer(PickleSerializer()).document == {
        "type": "compressed/pickle",
        "serializer": PickleSerializer().document,
        "compressionlib": "lzma",
    }


def test_a_serializer_is_given_as_itself_or_by_name() -> None:
    mine = JSONSerializer()
    assert serializer_of(mine) is mine
    assert CompressedSerializer(mine).document["serializer"] is mine.document
    assert serializer_of({"type": "compressed/json"}).document == CompressedSerializer("json").document


@pytest.mark.parametrize("spec", ["yaml", "compressed/yaml", {"type": "orjson"}, {}])
def test_an_unknown_serializer_is_refused(spec: Any) -> None:
    with pytest.raises(UsageError, match=r"There is no result serializer .*; use 'pickle', 'json'"):
        serializer_of(spec)


@pytest.mark.parametrize(
    ("spec", "value", "message"),
    [
        ("pickle", threading.Lock(), "A lock cannot be stored as pickle .*do not persist it"),
        ("json", {1, 2}, "A set cannot be stored as json .*return something else"),
        ("compressed/json", {1}, "A set cannot be stored as compressed/json"),
    ],
)
def test_a_value_that_cannot_be_written_is_named(spec: str, value: Any, message: str) -> None:
    with pytest.raises(SerializationError, match=message):
        serializer_of(spec).dumps(value)


@pytest.mark.parametrize("spec", ["pickle", "json", "compressed/json"])
def test_bytes_that_cannot_be_read_are_told(spec: str) -> None:
    with pytest.raises(SerializationError, match=f"A stored result cannot be read as {spec} .*run again to renew it"):
        serializer_of(spec).loads(b"\xff\xfe nothing")
