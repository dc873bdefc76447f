"""Where the values of blocks are kept: the port, and the store in this machine's database.

There they are encrypted by Fernet, with a key that lies beside the database and never in it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import UUID

from orchestration.backend.clock import utc_now
from orchestration.domain.errors import ConfigurationError, UsageError
from orchestration.domain.schemas.catalog import BlockDocument, BlockSchema, BlockType, masked
from orchestration.domain.schemas.wire import record_of
from orchestration.domain.settings import Settings
from orchestration.persistence import documents
from orchestration.persistence.database import Database, Row, Transaction, only_one_process

T = TypeVar("T")

KEY_FILE = "encryption.key"
VARIABLE = "ORCHESTRATION_ENCRYPTION_KEY"

# How far references are followed; documents that point to each other in a ring are refused there.
DEEPEST = 50


class BlockStore(Protocol):
    """The values of saved blocks, with their secrets; their types and schemas are documents as all others."""

    def block_document(self, include_secrets: bool = False, **keys: Any) -> BlockDocument:
        """The document of that ``id``, or of that type's ``slug`` and ``name``; ``ObjectNotFound`` when none."""

    def block_documents(self, slug: str | None = None, include_secrets: bool = False) -> list[BlockDocument]:
        """Documents by type and name, the anonymous ones left out."""

    def create_block_document(self, document: BlockDocument) -> BlockDocument:
        """Store a document; ``ObjectAlreadyExists`` when its type has one of that name."""

    def update_block_document(
        self, document_id: UUID, data: Mapping[str, Any], block_schema_id: UUID | None = None, merge: bool = False
    ) -> None:
        """Replace the values of a document, or with ``merge`` those that are named; ``ObjectNotFound`` when none."""


class Keyring:
    """Where the key is: given by the environment, or a 0600 file that the first process makes.

    While a rotation is under way the file has a second line, the key before, so that whatever moment the power
    fails at, one of the two opens each document; the first line is the key to encrypt with.
    """

    def __init__(self, home: Path, given: str | None = None) -> None:
        self.given, self.path = given, home / KEY_FILE
        self.place = VARIABLE if given else str(self.path)  # where the user finds the key

    def keys(self) -> list[str]:
        """The keys that may open a document, the current one first; none as long as nobody needed one."""
        if self.given:
            return [self.given]
        return self.path.read_text("ascii", "replace").splitlines() or [""] if self.path.exists() else []

    def key(self) -> str:
        """The current key; the first to ask makes it."""
        if not self.keys():
            with self.alone():
                if not self.keys():
                    self.replace(new_key())
        return self.keys()[0]

    def sealed(self, document: Mapping[str, Any]) -> str:
        """The document as a token that only the current key opens."""
        return str(cipher([self.key()], self.place).encrypt(json.dumps(document).encode()), "ascii")

    def opened(self, token: str, what: str) -> dict[str, Any]:
        """The document in a token; ``what`` is its name, for the error.

        Raises:
            ConfigurationError: there is no key, or none at hand opens it.
        """
        if not self.keys():
            raise ConfigurationError(
                f"There are encrypted blocks but no key: restore {self.place} from your backup, "
                f"or set {VARIABLE} to the key that they were saved with."
            )
        try:
            return dict(json.loads(cipher(self.keys(), self.place).decrypt(token.encode())))
        except _fernet().InvalidToken:
            raise ConfigurationError(
                f"{what} was encrypted with another key than the one in {self.place}; "
                f"put back the key that it was saved with (in {VARIABLE}, or the file {KEY_FILE} of your backup)."
            ) from None

    def alone(self) -> AbstractContextManager[None]:
        """Let no other process make or change the keys meanwhile."""
        return only_one_process(self.path.with_name(f"{KEY_FILE}.lock"))

    def replace(self, *keys: str) -> None:
        """Have these keys from now on; the file appears whole or not at all. A given key is the giver's to change."""
        if self.given:
            self.given = keys[0]
            return
        temporary = self.path.with_name(f"{KEY_FILE}.{os.getpid()}.{threading.get_ident()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.writelines(f"{key}\n" for key in keys)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)


class LocalBlockStore:
    """Blocks in a database of ours; their values are encrypted with a key that lies elsewhere."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._db = database
        self._keyring = Keyring(settings.home, settings.encryption_key)

    def block_document(self, include_secrets: bool = False, **keys: Any) -> BlockDocument:
        """The document of that ``id``, or of that type's ``slug`` and ``name``."""
        for row in documents.rows(self._db, "block_documents", keys):
            return self._document(row, include_secrets)
        raise documents.not_found("block_documents", keys)

    def block_documents(self, slug: str | None = None, include_secrets: bool = False) -> list[BlockDocument]:
        """Documents by type and name, the anonymous ones left out."""
        keys = {"is_anonymous": False, **({"slug": slug} if slug else {})}
        found = documents.rows(self._db, "block_documents", keys, order="slug, name")
        return [self._document(row, include_secrets) for row in found]

    def create_block_document(self, document: BlockDocument) -> BlockDocument:
        """Store a document."""
        name, now = document.name or f"anonymous-{document.id}", utc_now()
        with self._db.transaction() as tx:
            self._held(tx)
            row = {**asdict(document), "name": name, "data": self._sealed(document.data)}
            documents.insert(tx, "block_documents", {**row, "created": now, "updated": now})
            _write_references(tx, document.id, document.data)
        return self.block_document(id=document.id)

    def update_block_document(
        self, document_id: UUID, data: Mapping[str, Any], block_schema_id: UUID | None = None, merge: bool = False
    ) -> None:
        """Replace the values of a document, or with ``merge`` those that are named."""
        with self._db.transaction() as tx:
            self._held(tx)
            row = documents.locked_row(tx, "block_documents", document_id)
            known = {**self._opened(row), **_references(tx, document_id)} if merge else {}
            changes = {"data": self._sealed({**known, **data}), "updated": utc_now()}
            changes |= {"block_schema_id": block_schema_id} if block_schema_id else {}
            documents.update(tx, "block_documents", changes, {"id": document_id})
            _write_references(tx, document_id, {**known, **data})

    def rotate_key(self, key: str | None = None) -> str:
        """Encrypt every document anew and make ``key``, or a fresh one, the key; the new key is the answer.

        The new key is on disk before the first document changes, and the old one until the last has, so that a
        crash at any moment leaves keys that open everything.
        """
        fresh = key or new_key()
        cipher([fresh], "the new key")
        self._keyring.key()
        with self._keyring.alone():
            with self._db.transaction() as tx:
                opened = {row["id"]: self._opened(row) for row in self._held(tx, documents.MANY)}
                self._keyring.replace(fresh, *self._keyring.keys())
                for document_id, data in opened.items():
                    sealed = {"data": self._keyring.sealed(data)}
                    documents.update(tx, "block_documents", sealed, {"id": document_id})
            self._keyring.replace(fresh)
        return fresh

    def _document(self, row: Row, secrets: bool, depth: int = 0) -> BlockDocument:
        """The document of a row, with the values of the documents that it points to."""
        if depth > DEEPEST:
            remedy = "save one of them without the reference"
            raise UsageError(f"{_name(row)} points to blocks that point back to it; {remedy}.")
        schema = self._first("block_schemas", BlockSchema, row["block_schema_id"])
        data = self._opened(row)
        if not secrets:
            data = masked(data, list(schema.fields.get("secret_fields", [])) if schema else ["*"])
        children = {
            name: self._document(child, secrets, depth + 1)
            for name, target in _targets(_references(self._db, row["id"])).items()
            for child in documents.rows(self._db, "block_documents", {"id": target})
        }
        return record_of(
            BlockDocument, documents.to_document("block_documents", row),
            data={**data, **{name: child.data for name, child in children.items()}}, references=children,
            block_schema=schema, block_type=self._first("block_types", BlockType, row["block_type_id"]),
        )

    def _first(self, resource: str, kind: type[T], row_id: str) -> T | None:
        return next((record_of(kind, each) for each in documents.read(self._db, resource, {"id": row_id})), None)

    def _sealed(self, data: Mapping[str, Any]) -> str:
        return self._keyring.sealed({name: data[name] for name in data.keys() - _targets(data)})

    def _opened(self, row: Row) -> dict[str, Any]:
        return self._keyring.opened(row["data"], _name(row))

    def _held(self, tx: Transaction, limit: int = 1) -> list[Row]:
        """The newest rows; until this transaction ends, no other one writes any.

        Raises:
            ConfigurationError: the key at hand does not open the newest, and one store must never need two.
        """
        tx.lock("block documents")
        found = documents.rows(tx, "block_documents", {}, limit)
        for newest in found[:1]:
            self._opened(newest)
        return found


def _name(row: Row) -> str:
    return f"The block {row['slug']}/{row['name']}"


def _references(source: documents.Source, document_id: UUID | str) -> dict[str, Any]:
    """By field, what points to other documents, as it was saved: ``{"$ref": {"block_document_id": ...}}``."""
    found = documents.read(source, "block_references", {"parent_block_document_id": document_id})
    return {each["name"]: {"$ref": {"block_document_id": each["reference_block_document_id"]}} for each in found}


def _targets(data: Mapping[str, Any]) -> dict[str, UUID]:
    """By field of a document that points to another one, the id of that one."""
    values = {name: value["$ref"] for name, value in data.items() if isinstance(value, Mapping) and "$ref" in value}
    pointing = {name: value for name, value in values.items() if isinstance(value, Mapping)}
    try:
        return {name: UUID(str(value.get("block_document_id"))) for name, value in pointing.items()}
    except ValueError:
        named = " or ".join(map(repr, pointing))
        raise UsageError(f"The field {named} refers to a block without a valid block_document_id.") from None


def _write_references(tx: Transaction, document_id: UUID, data: Mapping[str, Any]) -> None:
    """Let a document point to the others that its values name, and to no more.

    Raises:
        ObjectNotFound: one of them is not there.
    """
    documents.delete(tx, "block_references", {"parent_block_document_id": document_id})
    for name, target in _targets(data).items():
        documents.locked_row(tx, "block_documents", target)
        reference = {"parent_block_document_id": document_id, "name": name, "reference_block_document_id": target}
        documents.insert(tx, "block_references", reference)


def new_key() -> str:
    """A fresh key: 32 random bytes in URL-safe base64."""
    return str(_fernet().Fernet.generate_key(), "ascii")


def cipher(keys: Sequence[str], place: str) -> Any:
    """What encrypts with the first of some keys, which were found in ``place``, and opens what any of them encrypted.

    Raises:
        ConfigurationError: one of them is no key.
    """
    try:
        return _fernet().MultiFernet([_fernet().Fernet(key.encode()) for key in keys])
    except ValueError:
        raise ConfigurationError(
            f"The encryption key in {place} is not one: it must be 32 bytes in URL-safe base64 "
            '(make one with `python -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"`).'
        ) from None


def _fernet() -> Any:
    """The cipher's module; loaded on first use, because most runs need no secret and loading takes 40 ms."""
    from cryptography import fernet

    return fernet
