"""The values of a block, their secrets, and what their type looks like from outside: slug, description, JSON schema.

Two programs that compute the same checksum mean the same block type, so every rule here is Prefect's,
down to the spelling of descriptions; tests hold the results to those of Prefect itself.

``class_of`` finds the class of a block type by its slug. Each error of blocks is a ``ValueError`` too, as in Prefect.
"""

import inspect
import re
import unicodedata
from abc import ABC
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from types import UnionType
from typing import Any, ClassVar, Self, TypeVar, Union, get_args, get_origin
from uuid import UUID

import pydantic
from pydantic import BaseModel, ConfigDict, PrivateAttr, Secret, SecretBytes, SecretStr
from pydantic_core import to_jsonable_python

from orchestration.domain.errors import ConfigurationError, ObjectAlreadyExists, ObjectNotFound, UsageError
from orchestration.domain.schemas.catalog import checksum_of, without_keys
from orchestration.sdk.logs import remember_secret

# By slug, the classes known so far; a later class of the same slug takes the earlier one's place.
CLASSES: dict[str, type[Any]] = {}


class BlockUsageError(UsageError, ValueError):
    """A block is used in a way that cannot work: without a name, under one that it cannot have, ..."""


class BlockNotFound(BlockUsageError, ObjectNotFound):
    """There is no saved block of that type and name."""


class BlockExists(BlockUsageError, ObjectAlreadyExists):
    """A block of that type and name is saved, and overwriting was not asked for."""


class InvalidBlock(BlockUsageError, ConfigurationError, RuntimeError):
    """A saved block does not fit the class that it is loaded into."""


class UnknownBlockType(BlockUsageError):
    """No class of that slug can be found here."""


def class_of(slug: str) -> type[Any]:
    """The class of a block type: defined so far, or offered by an installed package.

    Raises:
        UnknownBlockType: there is none.
    """
    if slug not in CLASSES:
        offered = [*entry_points(group="orchestration.blocks", name=slug)]
        if not offered:
            raise UnknownBlockType(f"The block type {slug!r} is not known here; import it, or install its package.")
        CLASSES[slug] = offered[0].load()
    return CLASSES[slug]


M = TypeVar("M", bound=BaseModel)
# A title such as ``Attributes:`` or ``Example:`` after an empty line, and what is indented below it.
_SECTION = re.compile(r"(?:\A|\n *\n)[A-Za-z_][\w -]*:(?: +\S.*)? *\n .*(?:\n(?: .*)?)*")


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


# What dumps of blocks, ours or Prefect's, say beside the values.
_NO_VALUES = ("block_type_slug", "_block_document_id", "_block_document_name", "_is_anonymous")


def _describe(schema: dict[str, Any], model: type[Any]) -> None:
    """Add to a model's JSON schema what makes it the schema of a block, and the places of its fields in a form."""
    schema |= {"block_type_slug": model.get_block_type_slug(), "secret_fields": secrets_of(model)}
    schema |= {"description": model.get_description(), "block_schema_references": {}}
    if not schema["description"]:
        del schema["description"]
    properties = schema.get("properties", {})
    for position, (name, field) in enumerate(model.model_fields.items()):
        properties.get(field.alias or name, properties.get(name, {}))["position"] = position
        nested = [
            {"block_type_slug": each.get_block_type_slug(), "block_schema_checksum": each._calculate_schema_checksum()}
            for each in models_in(field.annotation, BlockModel)
        ]
        if nested:
            schema["block_schema_references"][name] = nested[0] if len(nested) == 1 else nested


class BlockModel(BaseModel):
    """What every block is before it is saved: typed values of a named type."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_describe, hide_input_in_errors=True)

    _block_type_name: ClassVar[str | None] = None
    _block_type_slug: ClassVar[str | None] = None
    _logo_url: ClassVar[Any] = None
    _documentation_url: ClassVar[Any] = None
    _description: ClassVar[str | None] = None
    _code_example: ClassVar[str | None] = None
    _block_schema_capabilities: ClassVar[Sequence[str] | None] = None

    _block_document_id: UUID | None = PrivateAttr(None)
    _block_document_name: str | None = PrivateAttr(None)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.__pydantic_generic_metadata__["origin"] is None and ABC not in cls.__bases__:
            CLASSES[cls.get_block_type_slug()] = cls

    @pydantic.model_validator(mode="wrap")
    @classmethod
    def _from_values(cls, values: Any, handler: pydantic.ModelWrapValidatorHandler[Self]) -> Self:
        """Take the values of this type, or of a subclass that they name, and learn their secrets."""
        if isinstance(values, Mapping):
            slug = values.get("block_type_slug")
            if slug and slug != cls.get_block_type_slug():
                named = class_of(slug)
                if not issubclass(named, cls):
                    raise ValueError(f"a block of the type {cls.get_block_type_slug()!r} is wanted, not {slug!r}")
                return named.model_validate(values)
            values = {key: value for key, value in values.items() if key not in _NO_VALUES}
        block = handler(values)
        _values(block)  # which learns the secrets
        block.block_initialization()
        return block

    def block_initialization(self) -> None:
        """Hook for subclasses: called once the fields have their values."""

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """The fields; what else was stored, say by a class that has lost a secret field since, is not shown."""
        return [(name, value) for name, value in super().__repr_args__() if name in type(self).model_fields]

    @pydantic.model_serializer(mode="wrap")
    def _with_type(self, handler: Any) -> dict[str, Any]:
        """The values and the slug of their type, without which a nested block might be taken for another."""
        return {**handler(self), "block_type_slug": self.get_block_type_slug()}

    @classmethod
    def get_block_type_name(cls) -> str:
        """The name that people see."""
        return cls._block_type_name or cls.__name__

    @classmethod
    def get_block_type_slug(cls) -> str:
        """The name that programs use."""
        return slugify(cls._block_type_slug or cls.get_block_type_name())

    @classmethod
    def get_block_capabilities(cls) -> frozenset[str]:
        """What blocks of this class and of its bases can do, such as ``read-path``."""
        lists = [getattr(base, "_block_schema_capabilities", None) or [] for base in cls.__mro__]
        return frozenset(capability for capabilities in lists for capability in capabilities)

    @classmethod
    def get_description(cls) -> str | None:
        """What the type is for: ``_description``, or the first text of the docstring."""
        return cls._description if cls._description is not None else description_of(cls.__doc__)

    @classmethod
    def model_json_schema(cls, by_alias: bool = True, **options: Any) -> dict[str, Any]:  # type: ignore[override]
        """The JSON schema of the fields, in the form that Prefect checksums; ``options`` are pydantic's."""
        schema = super().model_json_schema(by_alias, **{"ref_template": "#/definitions/{model}", **options})
        if "$defs" in schema:
            schema["definitions"] = schema.pop("$defs")
        return dict(without_keys({"additionalProperties"}, schema))

    @classmethod
    def _calculate_schema_checksum(cls) -> str:
        return checksum_of(cls.model_json_schema())


def revealed(block: BlockModel) -> dict[str, Any]:
    """The fields of a block as JSON values, by alias and with their secrets."""
    return dict(to_jsonable_python(_values(block)))


def _values(block: BlockModel) -> Any:
    """The fields of a block, by alias and with their secrets, which are redacted from now on.

    Custom serializers have their say first: pydantic masks a secret only on its way to JSON.
    """
    dumped = block.model_dump(by_alias=True, serialize_as_any=True, include=set(type(block).model_fields))
    del dumped["block_type_slug"]
    return _in_plain(dumped)


def _in_plain(dumped: Any, is_secret: bool = False) -> Any:
    """What pydantic dumped, with what is in its secrets."""
    if hasattr(dumped, "get_secret_value"):
        return _in_plain(dumped.get_secret_value(), is_secret=True)
    if isinstance(dumped, Mapping):
        return {key: _in_plain(value, is_secret) for key, value in dumped.items()}
    if isinstance(dumped, list | tuple | set | frozenset):
        return [_in_plain(value, is_secret) for value in dumped]
    if is_secret and dumped is not None and not isinstance(dumped, bool):
        remember_secret(dumped.decode(errors="replace") if isinstance(dumped, bytes) else str(dumped))
    return dumped


def document_data(block: BlockModel) -> dict[str, Any]:
    """The values of a block as they are stored: secrets in plain, nested saved blocks as references."""
    document = revealed(block)
    for name, field in type(block).model_fields.items():
        value = getattr(block, name)
        if isinstance(value, BlockModel) and value._block_document_id is not None:
            reference = {"$ref": {"block_document_id": str(value._block_document_id)}}
            document[field.serialization_alias or field.alias or name] = reference
    return document
