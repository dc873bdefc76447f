"""Checking a parameter against its annotation with pydantic."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from orchestration.domain.errors import ParameterTypeError

LONGEST_SHOWN = 80

_CONFIG = ConfigDict(arbitrary_types_allowed=True)


def coerce(parameter: inspect.Parameter, annotation: Any, value: Any) -> Any:
    """The value as the annotation wants it; of ``*args`` and ``**kwargs``, each of them.

    Raises:
        ParameterTypeError: it does not fit.
    """
    adapter = _adapter(annotation)
    if adapter is None:
        return value
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        return tuple(_one(adapter, parameter.name, item) for item in value)
    if parameter.kind is inspect.Parameter.VAR_KEYWORD:
        return {name: _one(adapter, name, item) for name, item in value.items()}
    return _one(adapter, parameter.name, value)


def _adapter(annotation: Any) -> TypeAdapter[Any] | None:
    try:
        return TypeAdapter(annotation, config=_CONFIG)
    except PydanticSchemaGenerationError:
        return None
    except Exception as error:
        if "config" not in str(error):
            raise
        return TypeAdapter(annotation)  # a model or dataclass brings a configuration of its own


def _one(adapter: TypeAdapter[Any], name: str, value: Any) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        reasons = "; ".join(_reason(each) for each in error.errors(include_url=False))
        raise ParameterTypeError(f"The parameter {name!r} is not valid: {reasons}.") from None


def _reason(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    given = repr(error.get("input"))
    shown = given if len(given) <= LONGEST_SHOWN else given[:LONGEST_SHOWN] + "..."
    return f"{where + ': ' if where else ''}{error['msg']} (given: {shown})"
