"""From the values of a block to the document that is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

FromBlock = Callable[[Any], dict[str, Any] | None]
"""What stands for a nested block; ``None`` when the value is no block."""


def revealed(model: BaseModel, from_block: FromBlock) -> dict[str, Any]:
    """The fields of a model as JSON values, by alias and with their secrets.

    Custom serializers have their say on everything except secrets and nested blocks.
    """
    dumped = model.model_dump(mode="json", by_alias=True)
    document = {}
    for name, field in type(model).model_fields.items():
        key = field.serialization_alias or field.alias or name
        if key in dumped:
            document[key] = _reveal(getattr(model, name), dumped[key], from_block)
    return document


def secrets_in(value: Any) -> Iterator[str]:
    """The texts of all secrets in a value, however deep."""
    for leaf in _leaves(value):
        if hasattr(leaf, "get_secret_value"):
            for secret in _leaves(leaf.get_secret_value()):
                if secret is not None and not isinstance(secret, bool):
                    yield secret.decode(errors="replace") if isinstance(secret, bytes) else str(secret)


def _leaves(value: Any) -> Iterator[Any]:
    """What is in models, mappings and lists, however deep."""
    if isinstance(value, BaseModel):
        inner: Iterable[Any] = [getattr(value, name, None) for name in type(value).model_fields]
    elif isinstance(value, Mapping):
        inner = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
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


def _reveal(value: Any, dumped: Any, from_block: FromBlock) -> Any:
    """``dumped``, with secrets in the place of their masks."""
    if hasattr(value, "get_secret_value"):
        return to_jsonable_python(value.get_secret_value())
    if isinstance(value, BaseModel):
        nested = from_block(value)
        return nested if nested is not None else revealed(value, from_block)
    if isinstance(value, Mapping) and isinstance(dumped, dict) and len(value) == len(dumped):
        pairs = zip(value.values(), dumped.items(), strict=True)
        return {key: _reveal(inner, inner_dumped, from_block) for inner, (key, inner_dumped) in pairs}
    if isinstance(value, list | tuple) and isinstance(dumped, list) and len(value) == len(dumped):
        return [_reveal(inner, inner_dumped, from_block) for inner, inner_dumped in zip(value, dumped, strict=True)]
    return dumped
