"""``Block``: typed, named, saved configuration of things outside, such as credentials and buckets."""

from __future__ import annotations

import inspect
import logging
import re
import warnings
from abc import ABC
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self
from uuid import UUID

from pydantic import SecretStr, ValidationError

from orchestration.backend.blocks import BlockStore
from orchestration.backend.clock import new_id
from orchestration.domain.errors import MissingContextError, ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.schemas.blocks import BlockDocument, BlockSchema, BlockType
from orchestration.domain.schemas.wire import record_of
from orchestration.sdk import block_schema as shape
from orchestration.sdk.awaiting import awaited, either, in_thread
from orchestration.sdk.block_errors import BlockExists, BlockNotFound, BlockUsageError, InvalidBlock, UnknownBlockType
from orchestration.sdk.block_model import BlockModel, document_data
from orchestration.sdk.block_registry import class_of
from orchestration.sdk.block_values import faults
from orchestration.sdk.logs import RunLogger, get_logger, get_run_logger
from orchestration.sdk.session import current_session

DOCUMENT_NAME = re.compile(r"[a-z0-9-]+")
_TYPE_FIELDS = ("slug", "name", "logo_url", "documentation_url", "description", "code_example")


class Block(BlockModel, ABC):
    """Base of all blocks; subclass it, give it typed fields, and ``save`` and ``load`` it by name.

    Fields of the types ``SecretStr``, ``SecretBytes`` and ``SecretDict`` are encrypted where they are
    kept, masked where they are shown, and redacted from logs, artifacts and mails.
    """

    @property
    def logger(self) -> logging.Logger | RunLogger:
        """The logger of the current run; outside runs, one named after the class."""
        try:
            return get_run_logger()
        except MissingContextError:
            return get_logger(type(self).__name__)

    @classmethod
    @either
    def register_type_and_schema(cls, client: Any = None) -> None:
        """Make the type, and those nested in it, known to the store; doing so again changes nothing."""
        cls._register()

    aregister_type_and_schema = classmethod(awaited(register_type_and_schema))

    @classmethod
    def _register(cls) -> BlockSchema:
        if _is_base(cls):
            raise BlockUsageError(f"{cls.__name__} is a base class; register the classes derived from it.")
        for nested in shape.models_in_fields(cls, Block):
            if not _is_base(nested):
                nested._register()
        names = cls.get_block_type_slug(), cls.get_block_type_name()
        logo, documentation = (str(url) if url else None for url in (cls._logo_url, cls._documentation_url))
        about = cls.get_description(), cls.get_code_example()
        texts = dict(zip(_TYPE_FIELDS, (*names, logo, documentation, *about), strict=True))
        backend = current_session().backend
        block_type = backend.create("block_types", texts, overwrite=True)
        abilities = {"capabilities": sorted(cls.get_block_capabilities()), "version": cls.get_block_schema_version()}
        schema = {"fields": cls.model_json_schema(), "block_type_id": block_type["id"], **abilities}
        stored = backend.create("block_schemas", schema, overwrite=True)
        return record_of(BlockSchema, stored, block_type=record_of(BlockType, block_type))

    @either
    def save(self, name: str | None = None, overwrite: bool = False, client: Any = None) -> UUID:
        """Save the block under a name; the id of its document.

        Raises:
            BlockExists: the type has a block of that name, and ``overwrite`` is false.
            BlockUsageError: there is no name, or it has other characters than ``a-z``, ``0-9`` and ``-``.
        """
        name, slug, store = self._checked_name(name), self.get_block_type_slug(), _store()
        self._remember_secrets()
        schema = self._register()
        document = BlockDocument(new_id(), name, document_data(self), schema.id, schema.block_type_id)
        try:
            document_id = store.create_block_document(document).id
        except ObjectAlreadyExists:
            if not overwrite:
                told = f"The block {slug}/{name} exists already; save it with overwrite=True to replace its values."
                raise BlockExists(told) from None
            document_id = store.block_document_by_name(slug, name).id
            store.update_block_document(document_id, document.data, schema.id)
        self._block_document_id, self._block_document_name, self._is_anonymous = document_id, name, False
        return document_id

    asave = awaited(save)

    def _checked_name(self, name: str | None) -> str:
        name = name or self._block_document_name
        if name is None:
            raise BlockUsageError(f"A {type(self).__name__} is saved under a name; call save(name).")
        if not DOCUMENT_NAME.fullmatch(name):
            what = f"The name {name!r} of a {type(self).__name__}"
            raise BlockUsageError(f"{what} may hold lower-case letters, digits and dashes only.")
        return name

    @classmethod
    @either
    def load(cls, name: str, validate: bool = True, client: Any = None) -> Self:
        """The block saved under a name; on ``Block`` itself, under ``type-slug/name``.

        Args:
            validate: with false, fields that the class has gained since the block was saved are ``None``.

        Raises:
            BlockNotFound: there is none.
            InvalidBlock: its values do not fit the class.
            UnknownBlockType: no class of that slug is known here.
        """
        return cls._from_document(cls._document(name), validate)

    @classmethod
    async def aload(cls, name: str, validate: bool = True, client: Any = None) -> Self:
        """The async twin of ``load``."""
        return await in_thread(cls.load, name, validate)

    @classmethod
    @either
    def load_from_ref(cls, ref: Any, validate: bool = True, client: Any = None) -> Self:
        """The saved block of an id, a ``{"block_document_id": ...}`` or a ``{"block_document_slug": ...}``."""
        wanted = ref if isinstance(ref, Mapping) else {"block_document_id": ref}
        if slug := wanted.get("block_document_slug"):
            return cls._from_document(cls._document(slug), validate)
        document_id = wanted.get("block_document_id")
        try:
            document = _store().block_document(UUID(str(document_id)), include_secrets=True)
        except ValueError:
            raise BlockUsageError(f"{ref!r} refers to no block; give the id of a block document.") from None
        except ObjectNotFound:
            raise BlockNotFound(f"There is no block document with the id {document_id}.") from None
        return cls._from_document(document, validate)

    @classmethod
    async def aload_from_ref(cls, ref: Any, validate: bool = True, client: Any = None) -> Self:
        """The async twin of ``load_from_ref``."""
        return await in_thread(cls.load_from_ref, ref, validate)

    @classmethod
    @either
    def delete(cls, name: str, client: Any = None) -> None:
        """Remove the block saved under a name.

        Raises:
            BlockNotFound: there is none.
        """
        current_session().backend.delete("block_documents", id=str(cls._document(name, include_secrets=False).id))

    adelete = classmethod(awaited(delete))

    @classmethod
    def _document(cls, name: str, include_secrets: bool = True) -> BlockDocument:
        slug, document_name = cls.get_block_type_slug(), name
        if cls is Block:
            slug, _, document_name = name.partition("/")
        if not document_name:
            raise BlockUsageError(f"Block.load({name!r}) does not say which type; use 'type-slug/name'.")
        try:
            return _store().block_document_by_name(slug, document_name, include_secrets)
        except ObjectNotFound:
            remedy = "save one under that name, or see what there is with `orchestrate block ls`"
            raise BlockNotFound(f"There is no block {slug}/{document_name}; {remedy}.") from None

    @classmethod
    def _from_document(cls, document: BlockDocument, validate: bool) -> Self:
        slug = document.block_type.slug if document.block_type else cls.get_block_type_slug()
        block_class: type[Self] = class_of(slug) if cls is Block else cls
        data = {**document.data, **_nested(document)}
        try:
            block = block_class.model_validate(data)
        except ValidationError as error:
            if validate:
                misfit = f"The block {slug}/{document.name} does not fit {block_class.__name__}: {faults(error)}"
                remedy = "save it again, or load it with validate=False to fill in what is missing"
                raise InvalidBlock(f"{misfit}; {remedy}.") from None
            block = _incomplete(block_class, data, error)
        block._block_document_id, block._block_document_name = document.id, document.name
        block._is_anonymous = document.is_anonymous
        return block


def _is_base(block_class: type[Block]) -> bool:
    return inspect.isabstract(block_class) or ABC in block_class.__bases__


def _store() -> BlockStore:
    return current_session().backend.blocks


def _nested(document: BlockDocument) -> dict[str, Block]:
    """The blocks that a document refers to, by field; a type unknown here is left to the field's annotation."""
    blocks: dict[str, Block] = {}
    for name, child in document.references.items():
        with suppress(UnknownBlockType):
            if child.block_type is not None:
                blocks[name] = class_of(child.block_type.slug)._from_document(child, True)
    return blocks


def _incomplete(block_class: type[Any], data: Mapping[str, Any], error: ValidationError) -> Any:
    """A block whose unfit fields are ``None``, for the user to fill in."""
    unfit = {str(fault["loc"][0]): None for fault in error.errors(include_input=False) if fault["loc"]}
    gained = f"these fields, which its class has gained since it was saved: {', '.join(unfit)}"
    remedy = "set them and save it with overwrite=True"
    warnings.warn(f"A {block_class.__name__} was loaded without {gained}; {remedy}.", stacklevel=2)
    secret = shape.secrets_of(block_class)
    values = {name: SecretStr(value) if name in secret else value for name, value in data.items()}
    block = block_class.model_construct(**{**values, **unfit})
    block._remember_secrets()
    return block
