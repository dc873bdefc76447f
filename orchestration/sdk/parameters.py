"""Arguments by name: bound to a signature, checked against its annotations, described, put in the names of runs."""

import dataclasses
import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, cast, get_type_hints
from uuid import UUID

from orchestration.domain.errors import ParameterBindError, ParameterTypeError, UsageError

PLAIN = frozenset({bool, int, float, str, bytes, type(None)})
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
LONGEST_DOCUMENT = 100_000
LONGEST_SEQUENCE = 1000
DEEPEST_DOCUMENT = 20
# Characters of a parameter that the store keeps; data belongs in a result, not in a parameter.
LONGEST_SHOWN = 80


class Binder:
    """Binds arguments to one function's signature; quick where all parameters are plain names."""

    def __init__(self, fn: Callable[..., Any], name: str) -> None:
        self.signature = inspect.signature(fn)
        self._name = name
        parameters = self.signature.parameters.values()
        ordinary = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self._by_keyword = all(parameter.kind in (ordinary, inspect.Parameter.KEYWORD_ONLY) for parameter in parameters)
        self._names = list(self.signature.parameters)
        self._known = set(self._names)
        self._positional = sum(parameter.kind is ordinary for parameter in parameters)
        self._defaults = {each.name: each.default for each in parameters if each.default is not inspect.Parameter.empty}

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments by parameter name, defaults filled in.

        Raises:
            ParameterBindError: an argument is missing, or one too many; the message names it.
        """
        if self._by_keyword and len(args) <= self._positional:
            bound = {**self._defaults, **dict(zip(self._names, args, strict=False)), **kwargs}
            if bound.keys() == self._known and (not kwargs or kwargs.keys().isdisjoint(self._names[: len(args)])):
                return {name: bound[name] for name in self._names}
        try:
            full = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ParameterBindError(f"{self._name}{self.signature} was called wrongly: {error}.") from None
        full.apply_defaults()
        return dict(full.arguments)

    def split(self, parameters: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The positional and keyword arguments of a call with these parameters."""
        if self._by_keyword:
            return (), dict(parameters)
        bound = inspect.BoundArguments(self.signature, OrderedDict(parameters))
        return bound.args, bound.kwargs


def binder_of(decorated: Any) -> Binder:
    """The signature of a flow or task, ready to bind arguments to; worked out once."""
    if decorated._binder is None:
        decorated._binder = Binder(decorated.fn, decorated.name)
    return cast("Binder", decorated._binder)


def validate(flow: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters, each as its annotation wants it (``"3"`` becomes ``3`` for an ``int``).

    Raises:
        ParameterTypeError: a value does not fit; the message names the parameter and the reason.
    """
    known = binder_of(flow).signature.parameters.values()
    doubtful = [each for each in known if not _surely_fits(each, parameters[each.name])]
    hints = _hints(flow.fn) if doubtful else {}
    coerced = {each.name: _coerced(each, hints.get(each.name, Any), parameters[each.name]) for each in doubtful}
    return {**parameters, **coerced}


def _coerced(parameter: inspect.Parameter, annotation: Any, value: Any) -> Any:
    """The value as the annotation wants it; as it is, when pydantic does not know what the annotation means."""
    from pydantic import ConfigDict, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

    if parameter.kind in _VARIADIC:
        annotation = tuple[annotation, ...] if parameter.kind is _VARIADIC[0] else dict[str, annotation]
    try:
        try:
            adapter = TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
        except PydanticUserError:  # a model or dataclass brings a configuration of its own
            adapter = TypeAdapter(annotation)
        return adapter.validate_python(value)
    except PydanticSchemaGenerationError:
        return value
    except ValidationError as error:
        reasons = "; ".join(_reason(each) for each in error.errors(include_url=False))
        raise ParameterTypeError(f"The parameter {parameter.name!r} is not valid: {reasons}.") from None


def _reason(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    given = repr(error.get("input"))
    shown = given if len(given) <= LONGEST_SHOWN else given[:LONGEST_SHOWN] + "..."
    return f"{where + ': ' if where else ''}{error['msg']} (given: {shown})"


def describe(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as JSON values for the store; what is no such value is named by its type."""
    return {name: _document(value) for name, value in parameters.items()}


def given_name(spec: Callable[..., str] | str, parameters: Mapping[str, Any], option: str) -> str:
    """The name that a template (``"{month}"``) or function makes of a run's parameters.

    Raises:
        UsageError: the template names no parameter, or the function gives no text.
    """
    if isinstance(spec, str):
        return filled_in(spec, parameters, option, ", ".join(parameters) or "no parameters")
    takes_parameters = "parameters" in inspect.signature(spec).parameters
    name = spec(parameters=dict(parameters)) if takes_parameters else spec()
    if not isinstance(name, str):
        raise UsageError(f"{option} is a function that gave a {type(name).__name__}; it must return a text.")
    return name


def filled_in(template: str, values: Mapping[str, Any], option: str, may_use: str) -> str:
    """The text that an option's template makes of values.

    Raises:
        UsageError: it names something else, or asks a value for what it has not.
    """
    try:
        return template.format(**values)
    except (KeyError, IndexError, AttributeError) as error:
        raise UsageError(f"{option}={template!r} cannot be filled in ({error}); it may use {may_use}.") from None


def _surely_fits(parameter: inspect.Parameter, value: Any) -> bool:
    """Whether a value needs no validator: no annotation, or exactly the plain type it names."""
    annotation = parameter.annotation
    if annotation is inspect.Parameter.empty or annotation is Any:
        return True
    kind = type(value)
    return parameter.kind not in _VARIADIC and kind in PLAIN and annotation in (kind, kind.__name__)


def _hints(fn: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(fn, include_extras=True)
    except (NameError, TypeError) as error:
        name = getattr(fn, "__name__", repr(fn))
        raise ParameterTypeError(f"An annotation of {name} cannot be resolved: {error}.") from None


def _document(value: Any, depth: int = 0) -> Any:
    if isinstance(value, bool | int | float | type(None)):
        return value
    if isinstance(value, str):
        return value if len(value) <= LONGEST_DOCUMENT else value[:LONGEST_DOCUMENT] + " [truncated]"
    if depth > DEEPEST_DOCUMENT:
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        return {str(key): _document(item, depth + 1) for key, item in value.items()}
    if not isinstance(value, list | tuple | set | frozenset):
        return _object(value, depth)
    too_long = len(value) > LONGEST_SEQUENCE
    return f"<{type(value).__name__} of {len(value)}>" if too_long else [_document(item, depth + 1) for item in value]


def _object(value: Any, depth: int) -> Any:
    if isinstance(value, Enum):
        return _document(value.value, depth + 1)
    if isinstance(value, date | UUID | Path | timedelta):
        return value.isoformat() if isinstance(value, date) else str(value)
    if hasattr(type(value), "model_dump"):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: _document(getattr(value, each.name), depth + 1) for each in dataclasses.fields(value)}
    return f"<{type(value).__name__}>"
