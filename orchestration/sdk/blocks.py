"""``Block``: typed, named, saved configuration of things outside, such as credentials and buckets."""

from __future__ import annotations

import inspect
import logging
import re
from abc import ABC
from contextlib import suppress
from typing import Self
from uuid import UUID

from pydantic import ValidationError

from orchestration.backend.blocks import BlockStore
from orchestration.backend.clock import new_id
from orchestration.domain.errors import MissingContextError, ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.schemas.catalog import BlockDocument, BlockSchema, BlockType
from orchestration.domain.schemas.wire import record_of
from orchestration.sdk import block_registry as registry
from orchestration.sdk.awaiting import awaited, either, in_thread
from orchestration.sdk.block_model import BlockModel, document_data, models_in
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
    def register_type_and_schema(cls) -> None:
        """Make the type, and those nested in it, known to the store; doing so again changes nothing."""
        cls._register()

    aregister_type_and_schema = classmethod(awaited(register_type_and_schema))

    @classmethod
    def _register(cls) -> BlockSchema:
        if _is_base(cls):
            raise registry.BlockUsageError(f"{cls.__name__} is a base class; register the classes derived from it.")
        for field in cls.model_fields.values():
            for nested in models_in(field.annotation, Block):
                if not _is_base(nested):
                    nested._register()
        names = cls.get_block_type_slug(), cls.get_block_type_name()
        logo, documentation = (str(url) if url else None for url in (cls._logo_url, cls._documentation_url))
        about = cls.get_description(), cls._code_example
        texts = dict(zip(_TYPE_FIELDS, (*names, logo, documentation, *about), strict=True))
        backend = current_session().backend
        block_type = backend.create("block_types", texts, overwrite=True)
        abilities = {"capabilities": sorted(cls.get_block_capabilities())}
        schema = {"fields": cls.model_json_schema(), "block_type_id": block_type["id"], **abilities}
        stored = backend.create("block_schemas", schema, overwrite=True)
        return record_of(BlockSchema, stored, block_type=record_of(BlockType, block_type))

    @either
    def save(self, name: str | None = None, overwrite: bool = False) -> UUID:
        """Save the block under a name; the id of its document.

        Raises:
            BlockExists: the type has a block of that name, and ``overwrite`` is false.
            BlockUsageError: there is no name, or it has other characters than ``a-z``, ``0-9`` and ``-``.
        """
        name, slug, store = name or self._block_document_name or "", self.get_block_type_slug(), _store()
        if not DOCUMENT_NAME.fullmatch(name):
            what = f"A {type(self).__name__} is saved under a name of lower-case letters, digits and dashes"
            raise registry.BlockUsageError(f"{what}, not {name!r}; call save(name).")
        schema = self._register()
        document = BlockDocument(new_id(), name, document_data(self), schema.id, schema.block_type_id)
        try:
            document_id = store.create_block_document(document).id
        except ObjectAlreadyExists:
            if not overwrite:
                told = f"The block {slug}/{name} exists already; save it with overwrite=True to replace its values."
                raise registry.BlockExists(told) from None
            document_id = store.block_document_by_name(slug, name).id
            store.update_block_document(document_id, document.data, schema.id)
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

    @classmethod
    async def adelete(cls, name: str) -> None:
        """The async twin of ``delete``."""
        await in_thread(cls.delete, name)

    @classmethod
    def _document(cls, name: str, include_secrets: bool) -> BlockDocument:
        slug, document_name = name.partition("/")[::2] if cls is Block else (cls.get_block_type_slug(), name)
        if not document_name:
            raise registry.BlockUsageError(f"The name {name!r} does not say which type; use 'type-slug/name'.")
        try:
            return _store().block_document_by_name(slug, document_name, include_secrets)
        except ObjectNotFound:
            remedy = "save one under that name, or see what there is with `orchestrate block ls`"
            raise registry.BlockNotFound(f"There is no block {slug}/{document_name}; {remedy}.") from None

    @classmethod
    def load_from_ref(cls, document_id: UUID | str) -> Self:
        """The saved block of a document's id, such as a stored result names."""
        try:
            return cls._from_document(_store().block_document(UUID(str(document_id)), include_secrets=True))
        except ObjectNotFound:
            raise registry.BlockNotFound(f"There is no block document with the id {document_id}.") from None

    @classmethod
    def _from_document(cls, document: BlockDocument) -> Self:
        slug = document.block_type.slug if document.block_type else cls.get_block_type_slug()
        block_class: type[Self] = registry.class_of(slug) if cls is Block else cls
        try:
            block = block_class.model_validate({**document.data, **_nested(document)})
        except ValidationError as error:
            misfit = f"The block {slug}/{document.name} does not fit {block_class.__name__}: {_faults(error)}"
            raise registry.InvalidBlock(f"{misfit}; save it again.") from None
        block._block_document_id, block._block_document_name = document.id, document.name
        return block


def _is_base(block_class: type[Block]) -> bool:
    return inspect.isabstract(block_class) or ABC in block_class.__bases__


def _store() -> BlockStore:
    return current_session().backend.blocks


def _nested(document: BlockDocument) -> dict[str, Block]:
    """The blocks that a document refers to, by field; a type unknown here is left to the field's annotation."""
    blocks: dict[str, Block] = {}
    for name, child in document.references.items():
        with suppress(registry.UnknownBlockType):
            if child.block_type is not None:
                blocks[name] = registry.class_of(child.block_type.slug)._from_document(child)
    return blocks


def _faults(error: ValidationError) -> str:
    """What does not fit, field by field, without the values, which may be secret."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"the field {'.'.join(map(str, each['loc']))!r} is wrong ({each['msg']})" for each in faults)
