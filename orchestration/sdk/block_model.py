"""The values of a block: their names, their secrets, and the JSON schema that describes them."""

from __future__ import annotations

import re
import sys
from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from textwrap import dedent
from typing import Any, ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, PrivateAttr, model_serializer, model_validator

from orchestration.domain.schemas.block_checksums import checksum_of
from orchestration.domain.schemas.blocks import MASK, UNVERSIONED
from orchestration.sdk import block_schema as shape
from orchestration.sdk.block_errors import BlockUsageError
from orchestration.sdk.block_registry import class_of, register
from orchestration.sdk.block_values import revealed, secrets_in
from orchestration.sdk.redaction import remember_secret

_ABOUT_DOCUMENT = ("_block_document_id", "_block_document_name", "_is_anonymous")


def _describe(schema: dict[str, Any], model: type[Any]) -> None:
    """Add to a model's JSON schema what makes it the schema of a block."""
    references: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        nested = [
            {"block_type_slug": each.get_block_type_slug(), "block_schema_checksum": each._calculate_schema_checksum()}
            for each in shape.models_in(field.annotation, BlockModel)
        ]
        if nested:
            references[name] = nested[0] if len(nested) == 1 else nested
    schema |= {"block_type_slug": model.get_block_type_slug(), "secret_fields": shape.secrets_of(model)}
    schema |= {"description": model.get_description(), "block_schema_references": references}
    if not schema["description"]:
        del schema["description"]


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
    _block_schema_version: ClassVar[str | None] = None
    _also_secret: ClassVar[frozenset[str]] = frozenset()
    """Fields that Prefect's schema takes for plain text though they hold secrets; masked and redacted as well."""

    _block_document_id: UUID | None = PrivateAttr(None)
    _block_document_name: str | None = PrivateAttr(None)
    _is_anonymous: bool | None = PrivateAttr(None)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.__pydantic_generic_metadata__["origin"] is None and ABC not in cls.__bases__:
            register(cls.get_block_type_slug(), cls)

    @model_validator(mode="wrap")
    @classmethod
    def _from_values(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Take the values of this type, or of a subclass that they name, and learn their secrets."""
        if isinstance(values, Mapping):
            slug = values.get("block_type_slug")
            if slug and slug != cls.get_block_type_slug():
                named = class_of(slug)
                if not issubclass(named, cls):
                    raise ValueError(f"a block of the type {cls.get_block_type_slug()!r} is wanted, not {slug!r}")
                return named.model_validate(values)
            values = {key: value for key, value in values.items() if key not in ("block_type_slug", *_ABOUT_DOCUMENT)}
        block = handler(values)
        block._remember_secrets()
        block.block_initialization()
        return block

    def block_initialization(self) -> None:
        """Hook for subclasses: called once the fields have their values."""

    def _remember_secrets(self) -> None:
        for secret in (*secrets_in(self), *(str(getattr(self, name) or "") for name in self._also_secret)):
            remember_secret(secret)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [
            (name, MASK if name in self._also_secret and value else value)
            for name, value in super().__repr_args__()
            if name in type(self).model_fields
        ]

    def __str__(self) -> str:
        return repr(self)

    @model_serializer(mode="wrap")
    def _serialize(self, handler: Callable[[Any], dict[str, Any]], info: Any) -> Any:
        context = info.context or {}
        if context.get("serialize_blocks_as_references"):
            return self._reference()
        document = handler(self)
        if context.get("include_secrets"):
            document |= {key: value for key, value in revealed(self).items() if key in document}
        if info.include is not None:
            return document
        about = {name: getattr(self, name) for name in _ABOUT_DOCUMENT if getattr(self, name) is not None}
        return {**document, "block_type_slug": self.get_block_type_slug(), **about}

    def _reference(self) -> dict[str, Any]:
        if self._block_document_id is None:
            what = f"This {type(self).__name__} is not saved yet, so nothing can refer to it"
            raise BlockUsageError(f"{what}; call save(name) first.")
        return {"$ref": {"block_document_id": str(self._block_document_id)}}

    @classmethod
    def get_block_type_name(cls) -> str:
        """The name that people see."""
        return cls._block_type_name or cls.__name__

    @classmethod
    def get_block_type_slug(cls) -> str:
        """The name that programs use."""
        return shape.slugify(cls._block_type_slug or cls.get_block_type_name())

    @classmethod
    def get_block_capabilities(cls) -> frozenset[str]:
        """What blocks of this class and of its bases can do, such as ``read-path``."""
        lists = [getattr(base, "_block_schema_capabilities", None) or [] for base in cls.__mro__]
        return frozenset(capability for capabilities in lists for capability in capabilities)

    @classmethod
    def get_block_schema_version(cls) -> str:
        """The version of the package that defines the class, if it tells one."""
        package = sys.modules.get((cls.__module__ or "__main__").partition(".")[0])
        found = re.match(r"\d+(\.\d+)*", getattr(package, "__version__", None) or "")
        return cls._block_schema_version or (found.group() if found else UNVERSIONED)

    @classmethod
    def get_description(cls) -> str | None:
        """What the type is for: ``_description``, or the first text of the docstring."""
        return cls._description if cls._description is not None else shape.description_of(cls.__doc__)

    @classmethod
    def get_code_example(cls) -> str:
        """How the type is used: ``_code_example``, or how it is loaded."""
        if cls._code_example is not None:
            return dedent(cls._code_example)
        variable, name = cls.get_block_type_slug().replace("-", "_"), cls.__name__
        return f'```python\nfrom {cls.__module__} import {name}\n\n{variable}_block = {name}.load("BLOCK_NAME")\n```'

    def get_block_placeholder(self) -> str:
        """What stands for this saved block in templates."""
        self._reference()
        return f"prefect.blocks.{self.get_block_type_slug()}.{self._block_document_name}"

    @classmethod
    def model_json_schema(cls, by_alias: bool = True, **options: Any) -> dict[str, Any]:  # type: ignore[override]
        """The JSON schema of the fields, in the form that Prefect checksums; ``options`` are pydantic's."""
        schema = super().model_json_schema(by_alias, **{"ref_template": shape.DEFINITIONS, **options})
        return shape.finished(schema, cls, BlockModel)

    @classmethod
    def _calculate_schema_checksum(cls, block_schema_fields: dict[str, Any] | None = None) -> str:
        return checksum_of(cls.model_json_schema() if block_schema_fields is None else block_schema_fields)

    @staticmethod
    def is_block_class(block: Any) -> bool:
        """Whether something is a class of blocks."""
        return shape.is_model(block, BlockModel)


def document_data(block: BlockModel) -> dict[str, Any]:
    """The values of a block as they are stored: secrets in plain, nested saved blocks as references."""
    document = revealed(block)
    for name, field in type(block).model_fields.items():
        value = getattr(block, name)
        if isinstance(value, BlockModel) and value._block_document_id is not None:
            document[field.serialization_alias or field.alias or name] = value._reference()
    return document
