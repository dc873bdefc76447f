"""From values to cache keys: equal values give equal keys in any process."""

import hashlib
import inspect
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
    for value in values:
        try:
            _feed(digest, value)
        except HashError:
            raise
        except Exception as error:  # it contains itself, or pickling it failed
            remedy = "leave it out with INPUTS - 'name', give a cache_key_fn, or use cache_policy=NO_CACHE"
            raise HashError(f"An argument cannot be a part of a cache key ({error}); {remedy}.") from error
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
    kind = type(value)
    digest.update(kind.__qualname__.encode() + b":")
    if value is None or isinstance(value, bool | int | float | complex):
        digest.update(repr(value).encode() + b";")
    elif isinstance(value, str | bytes | bytearray):
        _feed_bytes(digest, value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)
    elif kind in (list, tuple):
        for item in value:
            _feed(digest, item)
        digest.update(b"]")
    elif (members := _members(value)) is not None:
        # in an order that does not depend on the process
        digest.update("".join(sorted(map(hash_objects, members))).encode() + b"]")
    else:
        _feed_bytes(digest, cloudpickle.dumps(value))


def _feed_bytes(digest: hashlib.blake2b, data: bytes | bytearray) -> None:
    digest.update(str(len(data)).encode() + b"#")
    digest.update(data)


def _members(value: Any) -> Any:
    """What a set, mapping or record consists of, in any order; ``None`` for other values.

    The pickle of a record may differ from process to process, above all if the script defines it.
    """
    kind = type(value)
    if kind in (set, frozenset, dict):
        return value.items() if kind is dict else value
    if isinstance(value, Enum):
        return [value.value]
    if is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return value._asdict().items()
    return value.__dict__.items() if hasattr(kind, "model_fields") else None  # pydantic's, which is not loaded here
