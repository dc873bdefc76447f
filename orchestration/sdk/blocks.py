"""``Block``: typed, named, saved configuration of things outside, such as credentials and buckets.

``Secret``: one secret value, kept under a name.

``LocalFileSystem``: the files below a folder of this machine, but for those that an ignore file names.
"""

import inspect
import json
import logging
import re
import shutil
from abc import ABC
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Generic, Self, TypeVar
from uuid import UUID

import pydantic
from pathspec import GitIgnoreSpec, PathSpec
from pydantic import BeforeValidator, Field, JsonValue, SecretStr, StrictStr, ValidationError

from orchestration.backend.clock import new_id
from orchestration.domain.errors import MissingContextError, ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.schemas import wire
from orchestration.domain.schemas.catalog import BlockDocument
from orchestration.sdk import block_model, logs
from orchestration.sdk.awaiting import awaited, either, in_thread, plainly
from orchestration.sdk.block_model import BlockExists, BlockModel, BlockNotFound, BlockUsageError
from orchestration.sdk.context import current_session
from orchestration.sdk.results import write_whole

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
        if is_base(cls):
            raise BlockUsageError(f"{cls.__name__} is a base class; register the classes derived from it.")
        for field in cls.model_fields.values():
            for nested in block_model.models_in(field.annotation, Block):
                if not is_base(nested):
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
        store = current_session().backend
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
        return cls._from_document(_document(True, **cls._keys(name)))

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
        current_session().backend.delete("block_documents", id=str(_document(False, **cls._keys(name)).id))

    adelete = classmethod(awaited(delete))

    @classmethod
    def load_from_ref(cls, document_id: UUID | str) -> Self:
        """The saved block of a document's id, such as a stored result names."""
        return cls._from_document(_document(True, id=UUID(str(document_id))))

    @classmethod
    def _keys(cls, name: str) -> dict[str, str]:
        """The slug and the name by which the store finds a document."""
        slug, document_name = name.partition("/")[::2] if cls is Block else (cls.get_block_type_slug(), name)
        if not document_name:
            raise BlockUsageError(f"The name {name!r} does not say which type; use 'type-slug/name'.")
        return {"slug": slug, "name": document_name}

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


def _document(include_secrets: bool, **keys: Any) -> BlockDocument:
    try:
        return current_session().backend.block_document(include_secrets, **keys)
    except ObjectNotFound:
        named = "/".join(map(str, keys.values()))
        raise BlockNotFound(f"There is no block {named}; see `orchestrate block ls`.") from None


def is_base(block_class: type[Block]) -> bool:
    """Whether a class is only there to be derived from."""
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


def kept_files(folder: Path, lines: Iterable[str] = ()) -> Iterator[Path]:
    """The files below a folder that the rules do not leave out, sorted; ignored folders and links are not entered."""
    given = list(lines)
    of_files, of_folders = GitIgnoreSpec.from_lines(given), PathSpec.from_lines("gitignore", given)

    def kept(inside: Path) -> Iterator[Path]:
        for path in sorted(inside.iterdir()):
            relative = path.relative_to(folder).as_posix()
            if not path.is_dir() or path.is_symlink():
                yield from [] if of_files.match_file(relative) else [path]
            elif not of_folders.match_file(f"{relative}/"):
                yield from kept(path)

    return kept(folder)


# What blocks that hold files can do, in Prefect's words.
FILES_AND_FOLDERS = ("get-directory", "put-directory", "read-path", "write-path")


class LocalFileSystem(Block):
    """Store data as a file on a local file system."""

    _block_type_name = "Local File System"
    _logo_url = "https://raw.githubusercontent.com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9/assets/block-logos/filesystem.png"
    _documentation_url = "https://docs.prefect.io/latest/develop/results#specifying-a-default-filesystem"
    _block_schema_capabilities = FILES_AND_FOLDERS

    basepath: Annotated[str | None, BeforeValidator(lambda given: str(given) if isinstance(given, Path) else given)] = (
        Field(default=None, description="Default local path for this block to write to.")
    )

    def _resolve_path(self, path: str | None) -> Path:
        """Where a path lies; paths outside the base folder are refused."""
        base = Path(self.basepath or ".").expanduser().resolve()
        resolved = (base / Path(path or ".").expanduser()).resolve()
        if not resolved.is_relative_to(base):
            raise BlockUsageError(f"The path {resolved} is outside the folder {base} of this block; use one inside.")
        return resolved

    @either
    def read_path(self, path: str) -> bytes:
        """The contents of a file.

        Raises:
            BlockUsageError: it is not a file, or outside the base folder.
        """
        file = self._resolve_path(path)
        if not file.is_file():
            raise BlockUsageError(f"Path {file} {'is not a file' if file.exists() else 'does not exist'}.")
        return file.read_bytes()

    aread_path = awaited(read_path)

    @either
    def write_path(self, path: str, content: bytes) -> str:
        """Write a file, making folders as needed; it appears whole or not at all. The absolute path.

        Raises:
            BlockUsageError: something that is not a file is there, or the path is outside the base folder.
        """
        file = self._resolve_path(path)
        if file.exists() and not file.is_file():
            raise BlockUsageError(f"Path {file} already exists and is not a file.")
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, content)
        return str(file)

    awrite_path = awaited(write_path)

    @either
    def get_directory(self, from_path: str | None = None, local_path: str | None = None) -> None:
        """Copy a folder of this block (all of it by default) to another (by default the current one).

        Where the folder has a ``.prefectignore``, what that names stays behind.
        """
        source, target = self._resolve_path(from_path), Path(local_path or ".").resolve()
        ignore_file = source / ".prefectignore"
        _copy_folder(source, target, ignore_file if ignore_file.exists() else None)

    aget_directory = awaited(get_directory)

    @either
    def put_directory(
        self, local_path: str | None = None, to_path: str | None = None, ignore_file: str | None = None
    ) -> None:
        """Copy a folder (by default the current one) into this block, but for what ``ignore_file`` names."""
        source, target = Path(local_path or ".").resolve(), self._resolve_path(to_path)
        _copy_folder(source, target, Path(ignore_file) if ignore_file else None)

    aput_directory = awaited(put_directory)


def _copy_folder(source: Path, target: Path, ignore_file: Path | None) -> None:
    """Copy the files of a folder, but for those that an ignore file names; onto itself, nothing."""
    if source == target:
        return
    lines = ignore_file.read_text(encoding="utf-8").splitlines() if ignore_file else []
    for path in list(kept_files(source, lines)):
        copied = target / path.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.unlink(missing_ok=True)
        shutil.copy2(path, copied, follow_symlinks=False)
