"""From the values of a block to the document that is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

_SERIES = (list, tuple, set, frozenset)


def revealed(model: BaseModel) -> dict[str, Any]:
    """The fields of a model as JSON values, by alias and with their secrets.

    Custom serializers have their say first: pydantic masks a secret only on its way to JSON.
    """
    dumped = model.model_dump(by_alias=True, serialize_as_any=True, include=set(type(model).model_fields))
    document: dict[str, Any] = to_jsonable_python(_in_plain(dumped))
    return document


def _in_plain(dumped: Any) -> Any:
    """What pydantic dumped, with what is in its secrets."""
    if hasattr(dumped, "get_secret_value"):
        return _in_plain(dumped.get_secret_value())
    if isinstance(dumped, Mapping):
        return {key: _in_plain(value) for key, value in dumped.items()}
    return [_in_plain(value) for value in dumped] if isinstance(dumped, _SERIES) else dumped


def secrets_in(value: Any) -> Iterator[str]:
    """The texts of all secrets in a value, however deep."""
    for leaf in _leaves(value):
        for secret in _leaves(leaf.get_secret_value()) if hasattr(leaf, "get_secret_value") else ():
            if secret is not None and not isinstance(secret, bool):
                yield secret.decode(errors="replace") if isinstance(secret, bytes) else str(secret)


def _leaves(value: Any) -> Iterator[Any]:
    """What is in models, mappings and lists, however deep."""
    if isinstance(value, BaseModel):
        inner: Iterable[Any] = [getattr(value, name, None) for name in type(value).model_fields]
    elif isinstance(value, Mapping):
        inner = value.values()
    elif isinstance(value, _SERIES):
        inner = value
    else:
        yield value
        return
    for each in inner:
        yield from _leaves(each)


def faults(error: ValidationError) -> str:
    """What does not fit, field by field, without the values, which may be secret."""
    return "; ".join(
        f"the field {'.'.join(map(str, fault['loc'])) or '(all)'!r} is wrong ({fault['msg']})"
        if fault["type"] != "missing"
        else f"the field {'.'.join(map(str, fault['loc']))!r} is missing"
        for fault in error.errors(include_input=False, include_url=False, include_context=False)
    )
