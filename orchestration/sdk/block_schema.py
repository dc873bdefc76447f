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

M = TypeVar("M", bound=BaseModel)
DEFINITIONS = "#/definitions/{model}"
_SECTION = re.compile(r"(?:\A|\n *\n)[A-Za-z_][\w -]*:(?: +\S.*)? *\n .*(?:\n(?: .*)?)*")
"""A title such as ``Attributes:`` or ``Example:`` after an empty line, and what is indented below it."""


class SecretDict(Secret[dict[str, Any]]):
    """A mapping whose values are all secret."""


def slugify(text: str) -> str:
    """The text in lower-case ASCII words joined by dashes; letters that have no ASCII form are dropped."""
    plain = unicodedata.normalize("NFKD", text.replace("'", "-")).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=\d),(?=\d)", "", plain)).strip("-")


def description_of(docstring: str | None) -> str | None:
    """The first running text of a docstring, up to or after a section."""
    texts = _SECTION.split(inspect.cleandoc(docstring or ""))
    return next((text.strip() for text in texts if text.strip()), None)


def leaf_types(annotation: Any) -> Iterator[Any]:
    """The types inside the unions and containers of an annotation, in order."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType) or (isinstance(origin, type) and issubclass(origin, Iterable)):
        for inner in get_args(annotation):
            yield from leaf_types(inner)
    else:
        yield annotation


def models_in(annotation: Any, base: type[M]) -> list[type[M]]:
    """The classes derived from ``base`` that an annotation names, in order."""
    return [leaf for leaf in leaf_types(annotation) if isinstance(leaf, type) and issubclass(leaf, base)]


def secrets_of(model: type[BaseModel]) -> list[str]:
    """The dotted paths of the secrets in the fields of a model; ``*`` stands for every key below."""
    found: list[str] = []
    for name, field in model.model_fields.items():
        for leaf in leaf_types(field.annotation):
            if leaf in (SecretStr, SecretBytes, Secret) or get_origin(leaf) is Secret:
                found.append(name)
            elif leaf is SecretDict:
                found.append(f"{name}.*")
            found += [f"{name}.{path}" for nested in models_in(leaf, BaseModel) for path in secrets_of(nested)]
    return found
