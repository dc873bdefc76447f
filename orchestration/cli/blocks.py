"""``orchestrate block``."""

from __future__ import annotations

import runpy
from abc import ABC
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from inspect import isabstract
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from orchestration.backend.blocks import LocalBlockStore
from orchestration.backend.port import Backend
from orchestration.backend.surroundings import current_settings
from orchestration.cli.kinds import Kind, group
from orchestration.cli.output import columns
from orchestration.cli.store import opened
from orchestration.domain.errors import ConfigurationError, OrchestrationError, UsageError
from orchestration.domain.schemas.blocks import BlockDocument
from orchestration.domain.schemas.wire import Document, plain

PAGE = 200


class Blocks(Kind):
    """Saved blocks, which people call by the slug of their type and their name."""

    def found(self, backend: Backend, where: Mapping[str, Any], limit: int | None, sort: str | None) -> list[Document]:
        """The saved blocks by type and name, their secrets masked."""
        return [_document(each) for each in backend.blocks.block_documents(limit=limit or PAGE)]

    def one(self, backend: Backend, text: str, pool: str | None = None) -> Document:
        """The block of that slug, ``type/name``, or id."""
        slug, _, name = text.partition("/")
        if name:
            return _document(backend.blocks.block_document_by_name(slug, name))
        try:
            return _document(backend.blocks.block_document(UUID(text)))
        except ValueError:
            raise UsageError(f"{text!r} names no block; write TYPE/NAME, or the id.") from None

    def delete(self, backend: Backend, document: Document) -> None:
        """Remove one."""
        backend.blocks.delete_block_document(UUID(document["id"]))


class Types(Kind):
    """Block types, which people call by their slug."""

    def found(self, backend: Backend, where: Mapping[str, Any], limit: int | None, sort: str | None) -> list[Document]:
        """The types by slug."""
        return [plain(asdict(each)) for each in backend.blocks.block_types()][:limit]

    def one(self, backend: Backend, text: str, pool: str | None = None) -> Document:
        """The type of that slug."""
        return dict(plain(asdict(backend.blocks.block_type(text))))

    def delete(self, backend: Backend, document: Document) -> None:
        """Remove one, with the blocks of it."""
        if document["is_protected"]:
            raise OrchestrationError(f"The block type {document['slug']!r} is protected; it cannot be deleted.")
        backend.blocks.delete_block_type(document["slug"])


BLOCKS = Blocks("blocks", "block", columns("ID id exact", "Slug slug text"), key="slug", limit=PAGE)
TYPES = Types("types", "block type", columns("Slug slug exact", "Description description text"), key="slug", limit=PAGE)
block = group(BLOCKS, "List saved blocks, register types, rotate the key.", "ls inspect delete")
block.add_typer(group(TYPES, "List and delete block types.", "ls inspect delete"), name="type")

Module = Annotated[str | None, typer.Option("--module", "-m", help="A module that defines blocks.")]
File = Annotated[Path | None, typer.Option("--file", "-f", help="A file that defines blocks.", exists=True)]


@block.command("register")
def register(module: Module = None, file: File = None) -> None:
    """Make the block types of a module, or of a file, known to the store."""
    from orchestration.sdk.blocks import Block
    from orchestration.sdk.session import close_session

    if (module is None) == (file is None):
        raise UsageError("Say what defines the blocks: either --module or --file.")
    try:
        names = runpy.run_path(str(file), run_name=file.stem) if file else vars(import_module(module or ""))
    except ImportError as error:
        raise ConfigurationError(f"{file or module} cannot be imported: {error}.") from None
    found = (each for each in names.values() if Block.is_block_class(each))
    classes = {each for each in found if not (isabstract(each) or ABC in each.__bases__)}
    for each in classes:
        each.register_type_and_schema()
    close_session()
    typer.echo(f"Registered {len(classes)} block type(s): {', '.join(sorted(each.__name__ for each in classes))}.")


@block.command("rotate-key")
def rotate_key() -> None:
    """Encrypt all saved blocks with a fresh key."""
    settings = current_settings()
    with opened() as backend:
        store = backend.blocks
        if not isinstance(store, LocalBlockStore):
            raise OrchestrationError("Only the machine that holds the database can rotate its key; run this there.")
        fresh = store.rotate_key()
    said = f"it lies in {settings.home / 'encryption.key'}."
    if settings.encryption_key is not None:
        said = f"from now on, set ORCHESTRATION_ENCRYPTION_KEY={fresh}"
    typer.echo(f"All blocks are encrypted with a new key; {said}")


def _document(saved: BlockDocument) -> Document:
    slug = saved.block_type.slug if saved.block_type else ""
    whole = {"id": saved.id, "slug": f"{slug}/{saved.name}", "type": saved.block_type_name, "data": saved.data}
    return dict(plain({**whole, "created": saved.created, "updated": saved.updated}))
