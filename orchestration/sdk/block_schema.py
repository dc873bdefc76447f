"""What a block type looks like from outside: slug, description and JSON schema.

Two programs that compute the same checksum mean the same block type, so every rule here is Prefect's,
down to the spelling of descriptions; tests hold the results to those of Prefect itself.
"""

from __future__ import annotations

import inspect
import re
import unicodedata
from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from orchestration.domain.schemas.block_checksums import without_keys

M = TypeVar("M", bound=BaseModel)
DEFINITIONS = "#/definitions/{model}"
_SECTION = re.compile(r"^[A-Za-z_][\w\s-]*:(\s+\S.*)?\s*$")


class SecretDict(Secret[dict[str, Any]]):
    """A mapping whose values are all secret."""


def slugify(text: str) -> str:
    """The text in lower-case ASCII words joined by dashes; letters that have no ASCII form are dropped."""
    plain = unicodedata.normalize("NFKD", text.replace("'", "-")).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=\d),(?=\d)", "", plain)).strip("-")


def description_of(docstring: str | None) -> str | None:
    """The first running text of a docstring, up to the first section such as ``Attributes:`` or ``Example:``."""
    text: list[str] = []
    for section, line in _lines_of(inspect.cleandoc(docstring or "")):
        if not section:
            text.append(line)
        elif any(kept.strip() for kept in text):
            break
    return "\n".join(text).strip() or None


def _lines_of(text: str) -> Iterator[tuple[bool, str]]:
    """Each line with whether it belongs to a section: a title after an empty line, and what is indented below it."""
    lines = text.splitlines()
    in_section = in_code = False
    for before, line, after in zip(["", *lines], lines, [*lines[1:], ""], strict=False):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        if not in_code and not before.strip() and _SECTION.match(line) and after.startswith(" "):
            in_section = True
        elif line and not line.startswith(" "):
            in_section = False
        yield in_section, line


def inner_types(annotation: Any) -> tuple[Any, ...]:
    """The types inside a union or a container annotation."""
    origin = get_origin(annotation)
    is_container = isinstance(origin, type) and issubclass(origin, Iterable)
    return get_args(annotation) if origin in (Union, UnionType) or is_container else ()


def is_model(annotation: Any, base: type[BaseModel] = BaseModel) -> bool:
    """Whether an annotation is a class of models derived from ``base``."""
    return isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, base)


def is_secret(annotation: Any) -> bool:
    """Whether an annotation is one of pydantic's secret types, other than our ``SecretDict``."""
    if annotation in (SecretStr, SecretBytes, Secret) or get_origin(annotation) is Secret:
        return True
    return isinstance(annotation, type) and annotation.__module__ == "pydantic.types" and issubclass(annotation, Secret)


def secret_fields(name: str, annotation: Any) -> Iterator[str]:
    """The dotted paths of the secrets in a field; ``*`` stands for every key below."""
    if inner := inner_types(annotation):
        for inner_annotation in inner:
            yield from secret_fields(name, inner_annotation)
    elif is_secret(annotation):
        yield name
    elif annotation is SecretDict:
        yield f"{name}.*"
    elif is_model(annotation):
        yield from (f"{name}.{path}" for path in secrets_of(annotation))


def secrets_of(model: type[BaseModel]) -> list[str]:
    """The dotted paths of the secrets in the fields of a model."""
    fields = model.model_fields.items()
    return [path for name, field in fields for path in secret_fields(name, field.annotation)]


def models_in(annotation: Any, base: type[M]) -> Iterator[type[M]]:
    """The classes derived from ``base`` that an annotation names, in order."""
    if is_model(annotation, base):
        yield annotation
    for inner in inner_types(annotation):
        yield from models_in(inner, base)


def models_in_fields(model: type[BaseModel], base: type[M]) -> list[type[M]]:
    """The classes derived from ``base`` that the fields of a model name, in order."""
    return [nested for field in model.model_fields.values() for nested in models_in(field.annotation, base)]


def nested_models(model: type[M], base: type[M]) -> dict[str, type[M]]:
    """A model, and the classes derived from ``base`` in its fields and in those of its nested models, by class name."""
    found: dict[str, type[M]] = {}
    for nested in models_in_fields(model, base):
        found = {**nested_models(nested, base), **found}
    return {**found, model.__name__: model}


def finished(schema: dict[str, Any], model: type[M], base: type[M]) -> dict[str, Any]:
    """Pydantic's schema of a block in the form that checksums are made of."""
    if "$defs" in schema:
        schema["definitions"] = schema.pop("$defs")
    schema = without_keys({"additionalProperties"}, schema)
    definitions = schema.get("definitions", {})
    for name, nested in nested_models(model, base).items():
        _number_fields(schema if nested is model else definitions.get(name, {}), nested)
    return schema


def _number_fields(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Say of each property, by alias or not, which place its field has, so that a form can keep the order."""
    properties = schema.get("properties", {})
    for position, (name, field) in enumerate(model.model_fields.items()):
        properties.get(field.alias or name, properties.get(name, {}))["position"] = position
