"""``Block``: typed, named, saved configuration of things outside, such as credentials and buckets.

``Secret``: one secret value, kept under a name.
"""

import inspect
import json
import logging
import re
from abc import ABC
from contextlib import suppress
from typing import Annotated, Any, Generic, Self, TypeVar
from uuid import UUID

import pydantic
from pydantic import Field, JsonValue, SecretStr, StrictStr, ValidationError

from orchestration.backend.clock import new_id
from orchestration.domain.errors import MissingContextError, ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.schemas import wire
from orchestration.domain.schemas.catalog import BlockDocument
from orchestration.sdk import block_model, logs
from orchestration.sdk.awaiting import awaited, either, in_thread, plainly
from orchestration.sdk.block_model import BlockExists, BlockModel, BlockNotFound, BlockUsageError
from orchestration.sdk.session import current_session

DOCUMENT_NAME = re.compile(r"[a-z0-9-]+")


class Block(BlockModel, ABC):
    """Base of all blocks; subclass it, give it typed fields, and ``save`` and ``load`` it by name.

    Fields of the types ``SecretStr``, ``SecretBytes`` and ``SecretDict`` are encrypted where they are
    kept, masked where they are shown, and redacted from logs, artifacts and mails.
    """

    @property
    def logger(self) -> logging.Logger | logs.RunLogger:
        """The logger of the current run; outside runs, one named after the class."""
        try:
            return logs.get_run_logger()
        except MissingContextError:
            return logs.get_logger(type(self).__name__)

    @classmethod
    @either
    def register_type_and_schema(cls) -> wire.Document:
        """Make the type, and those nested in it, known to the store; doing so again changes nothing. The schema."""
        if _is_base(cls):
            raise BlockUsageError(f"{cls.__name__} is a base class; register the classes derived from it.")
        for field in cls.model_fields.values():
            for nested in block_model.models_in(field.annotation, Block):
                if not _is_base(nested):
                    plainly(nested.register_type_and_schema)()
        logo, documentation = (str(url) if url else None for url in (cls._logo_url, cls._documentation_url))
        block_type = {
            "slug": cls.get_block_type_slug(), "name": cls.get_block_type_name(), "logo_url": logo,
            "documentation_url": documentation, "description": cls.get_description(), "code_example": cls._code_example,
        }
        schema = {"fields": cls.model_json_schema(), "capabilities": sorted(cls.get_block_capabilities())}
        backend = current_session().backend
        schema["block_type_id"] = backend.create("block_types", block_type, overwrite=True)["id"]
        return backend.create("block_schemas", schema, overwrite=True)

    aregister_type_and_schema = classmethod(awaited(register_type_and_schema))

    @either
    def save(self, name: str | None = None, overwrite: bool = False) -> UUID:
        """Save the block under a name; the id of its document.

        Raises:
            BlockExists: the type has a block of that name, and ``overwrite`` is false.
            BlockUsageError: there is no name, or it has other characters than ``a-z``, ``0-9`` and ``-``.
        """
        name, slug = name or self._block_document_name or "", self.get_block_type_slug()
        if not DOCUMENT_NAME.fullmatch(name):
            raise BlockUsageError(f"The name {name!r} will not do; call save() with letters a-z, digits and dashes.")
        schema = plainly(self.register_type_and_schema)()
        schema_id, type_id = UUID(schema["id"]), UUID(schema["block_type_id"])
        store = current_session().backend.blocks
        document = BlockDocument(new_id(), name, block_model.document_data(self), schema_id, type_id)
        try:
            document_id = store.create_block_document(document).id
        except ObjectAlreadyExists:
            if not overwrite:
                raise BlockExists(f"The block {slug}/{name} exists already; replace it with overwrite=True.") from None
            document_id = store.block_document(slug=slug, name=name).id
            store.update_block_document(document_id, document.data, schema_id)
        self._block_document_id, self._block_document_name = document_id, name
        return document_id

    asave = awaited(save)

    @classmethod
    @either
    def load(cls, name: str) -> Self:
        """The block saved under a name; on ``Block`` itself, under ``type-slug/name``.

        Raises:
            BlockNotFound: there is none.
            InvalidBlock: its values do not fit the class.
            UnknownBlockType: no class of that slug is known here.
        """
        return cls._from_document(cls._document(name, include_secrets=True))

    @classmethod
    async def aload(cls, name: str) -> Self:
        """The async twin of ``load``."""
        return await in_thread(cls.load, name)

    @classmethod
    @either
    def delete(cls, name: str) -> None:
        """Remove the block saved under a name.

        Raises:
            BlockNotFound: there is none.
        """
        current_session().backend.delete("block_documents", id=str(cls._document(name, include_secrets=False).id))

    adelete = classmethod(awaited(delete))

    @classmethod
    def _document(cls, name: str, include_secrets: bool) -> BlockDocument:
        slug, document_name = name.partition("/")[::2] if cls is Block else (cls.get_block_type_slug(), name)
        if not document_name:
            raise BlockUsageError(f"The name {name!r} does not say which type; use 'type-slug/name'.")
        try:
            return current_session().backend.blocks.block_document(include_secrets, slug=slug, name=document_name)
        except ObjectNotFound:
            raise BlockNotFound(f"There is no block {slug}/{document_name}; see `orchestrate block ls`.") from None

    @classmethod
    def load_from_ref(cls, document_id: UUID | str) -> Self:
        """The saved block of a document's id, such as a stored result names."""
        try:
            document = current_session().backend.blocks.block_document(True, id=UUID(str(document_id)))
        except ObjectNotFound:
            raise BlockNotFound(f"There is no block document with the id {document_id}.") from None
        return cls._from_document(document)

    @classmethod
    def _from_document(cls, document: BlockDocument) -> Self:
        slug = document.block_type.slug if document.block_type else cls.get_block_type_slug()
        block_class: type[Self] = block_model.class_of(slug) if cls is Block else cls
        try:
            block = block_class.model_validate({**document.data, **_nested(document)})
        except ValidationError as error:
            misfit = f"The block {slug}/{document.name} does not fit {block_class.__name__}: {_faults(error)}"
            raise block_model.InvalidBlock(f"{misfit}; save it again.") from None
        block._block_document_id, block._block_document_name = document.id, document.name
        return block


def _is_base(block_class: type[Block]) -> bool:
    return inspect.isabstract(block_class) or ABC in block_class.__bases__


def _nested(document: BlockDocument) -> dict[str, Block]:
    """The blocks that a document refers to, by field; a type unknown here is left to the field's annotation."""
    blocks: dict[str, Block] = {}
    for name, child in document.references.items():
        with suppress(block_model.UnknownBlockType):
            blocks[name] = Block._from_document(child)
    return blocks


def _faults(error: ValidationError) -> str:
    """What does not fit, field by field, without the values, which may be secret."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"the field {'.'.join(map(str, each['loc']))!r} is wrong ({each['msg']})" for each in faults)


T = TypeVar("T", bound=Annotated[StrictStr, Field(title="string")] | Annotated[JsonValue, Field(title="JSON")])


class Secret(Block, Generic[T]):
    """A secret text or JSON value."""

    _logo_url = "https://raw.githubusercontent.com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9/assets/block-logos/secret.png"
    _documentation_url = "https://docs.prefect.io/latest/develop/blocks"
    # Part of the schema's checksum, and so Prefect's to the letter.
    _description = (
        "A block that represents a secret value. The value stored in this block will be obfuscated "
        "when this block is viewed or edited in the UI."
    )

    value: SecretStr | pydantic.Secret[T] = Field(
        default=..., description="A value that should be kept secret.",
        examples=["sk-1234567890", {"username": "johndoe", "password": "s3cr3t"}],
        json_schema_extra={"writeOnly": True, "format": "password"},
    )

    def get(self) -> Any:
        """The value; a text that holds JSON is read as JSON."""
        value = self.value.get_secret_value()
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError:
            return value
