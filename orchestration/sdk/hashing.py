"""From values to cache keys: equal values give equal keys in any process."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from typing import Any

import cloudpickle

from orchestration.domain.errors import HashError


def hash_objects(*values: Any) -> str:
    """A key of 32 hexadecimal digits for these values, in this order.

    Raises:
        HashError: a value cannot be written as bytes, such as a lock or an open file.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        for value in values:
            _feed(digest, value)
    except RecursionError as error:
        raise HashError(_sentence("that contains itself", error)) from error
    return digest.hexdigest()


def task_input_hash(context: Any, arguments: dict[str, Any]) -> str | None:
    """A ``cache_key_fn``: the same call is the same task, with the same code, called with equal arguments."""
    code = getattr(context.task.fn, "__code__", None)
    return hash_objects(context.task.task_key, code.co_code if code is not None else None, arguments)


def source_of(task: Any) -> str:
    """The source of a task's function; its byte code where no source is to be had, as in a shell."""
    fn: Any = task.fn
    while isinstance(fn, partial):
        fn = fn.func
    try:
        return inspect.getsource(fn if inspect.isroutine(fn) or inspect.isclass(fn) else type(fn))
    except (OSError, TypeError):
        code = getattr(fn, "__code__", None)
        return repr((code.co_code, code.co_consts)) if code is not None else repr(type(fn))


def _feed(digest: hashlib.blake2b, value: Any) -> None:
    """Feed a value so that neither its type nor where it ends is in doubt."""
    digest.update(type(value).__qualname__.encode() + b":")
    if value is None or isinstance(value, bool | int | float | complex):
        digest.update(repr(value).encode() + b";")
    elif isinstance(value, str | bytes | bytearray):
        _feed_bytes(digest, value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)
    elif type(value) in _CONTAINERS:
        _CONTAINERS[type(value)](digest, value)
    elif isinstance(value, Enum):
        _feed(digest, value.value)
    elif (record := _fields_of(value)) is not None:
        _feed_sorted(digest, record.items())
    else:
        _feed_bytes(digest, _pickled(value))


def _feed_bytes(digest: hashlib.blake2b, data: bytes | bytearray) -> None:
    digest.update(str(len(data)).encode() + b"#")
    digest.update(data)


def _feed_items(digest: hashlib.blake2b, items: Iterable[Any]) -> None:
    for item in items:
        _feed(digest, item)
    digest.update(b"]")


def _feed_sorted(digest: hashlib.blake2b, keys: Iterable[Any]) -> None:
    """Members of a set, or pairs of a mapping, in an order that does not depend on the process."""
    for key in sorted(hash_objects(item) for item in keys):
        digest.update(key.encode())
    digest.update(b"]")


_CONTAINERS: Mapping[type, Callable[[hashlib.blake2b, Any], None]] = {
    list: _feed_items, tuple: _feed_items, set: _feed_sorted, frozenset: _feed_sorted, dict: lambda digest,
    mapping: _feed_sorted(digest, mapping.items()),
}


def _fields_of(value: Any) -> Mapping[str, Any] | None:
    """The fields of a record; its pickle may differ from process to process, above all if the script defines it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    if hasattr(type(value), "model_fields"):  # pydantic's, which this file does not load
        return dict(value.__dict__)
    return None


def _pickled(value: Any) -> bytes:
    try:
        return bytes(cloudpickle.dumps(value))
    except Exception as error:
        raise HashError(_sentence(f"of type {type(value).__name__}", error)) from error


def _sentence(what: str, error: Exception) -> str:
    remedy = "leave it out with INPUTS - 'name', give a cache_key_fn, or use cache_policy=NO_CACHE"
    return f"An argument {what} cannot be a part of a cache key ({error}); {remedy}."
