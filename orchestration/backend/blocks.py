"""Where the values of blocks are kept: the port, and the store in this machine's database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

from orchestration.backend.clock import utc_now
from orchestration.domain.errors import ConfigurationError, ObjectNotFound
from orchestration.domain.schemas.catalog import BlockDocument
from orchestration.domain.settings import Settings
from orchestration.persistence import blocks as rows, crypto, documents
from orchestration.persistence.database import Database, Row, Transaction


class BlockStore(Protocol):
    """The values of saved blocks, with their secrets; their types and schemas are documents as all others."""

    def block_document(self, document_id: UUID, include_secrets: bool = False) -> BlockDocument:
        """The document of that id; ``ObjectNotFound`` when there is none."""

    def block_document_by_name(self, slug: str, name: str, include_secrets: bool = False) -> BlockDocument:
        """The document of that type and name; ``ObjectNotFound`` when there is none."""

    def block_documents(self, slug: str | None = None, include_secrets: bool = False) -> list[BlockDocument]:
        """Documents by type and name, the anonymous ones left out."""

    def create_block_document(self, document: BlockDocument) -> BlockDocument:
        """Store a document; ``ObjectAlreadyExists`` when its type has one of that name."""

    def update_block_document(
        self, document_id: UUID, data: Mapping[str, Any], block_schema_id: UUID | None = None, merge: bool = False
    ) -> None:
        """Replace the values of a document, or with ``merge`` those that are named; ``ObjectNotFound`` when none."""


class LocalBlockStore:
    """Blocks in a database of ours; their values are encrypted with a key that lies elsewhere."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._db = database
        self._keyring = crypto.Keyring(settings.home, settings.encryption_key)

    def block_document(self, document_id: UUID, include_secrets: bool = False) -> BlockDocument:
        """The document of that id."""
        return self._document(documents.locked_row(self._db, "block_documents", document_id), include_secrets)

    def block_document_by_name(self, slug: str, name: str, include_secrets: bool = False) -> BlockDocument:
        """The document of that type and name."""
        absent = ObjectNotFound(f"There is no block {slug}/{name}; list them with `orchestrate block ls`.")
        found = documents.rows(self._db, "block_documents", {"slug": slug, "name": name})
        return self._document(_first(found, absent), include_secrets)

    def block_documents(self, slug: str | None = None, include_secrets: bool = False) -> list[BlockDocument]:
        """Documents by type and name, the anonymous ones left out."""
        keys = {"is_anonymous": False, **({"slug": slug} if slug else {})}
        found = documents.rows(self._db, "block_documents", keys, order="slug, name")
        return [self._document(row, include_secrets) for row in found]

    def create_block_document(self, document: BlockDocument) -> BlockDocument:
        """Store a document."""
        document = replace(document, created=utc_now())
        with self._db.transaction() as tx:
            key = self._writing_key(tx)
            rows.insert_document(tx, document, lambda data: crypto.encrypt(data, key, self._keyring.describe()))
        return self.block_document(document.id)

    def update_block_document(
        self, document_id: UUID, data: Mapping[str, Any], block_schema_id: UUID | None = None, merge: bool = False
    ) -> None:
        """Replace the values of a document, or with ``merge`` those that are named."""
        plain, references = rows.split_references(data)
        with self._db.transaction() as tx:
            key = self._writing_key(tx)
            if merge:
                known = documents.locked_row(tx, "block_documents", document_id)
                known_plain = self._unseal(known["data"], f"The block document {document_id}")
                known_references = rows.references_of(tx, document_id)
                plain = {**{k: v for k, v in known_plain.items() if k not in references}, **plain}
                references = {**{k: v for k, v in known_references.items() if k not in plain}, **references}
            sealed = crypto.encrypt(plain, key, self._keyring.describe())
            rows.update_document(tx, document_id, sealed, references, block_schema_id, utc_now())

    def rotate_key(self, key: str | None = None) -> str:
        """Encrypt every document anew and make ``key``, or a fresh one, the key; the new key is the answer.

        The new key is on disk before the first document changes and takes the old one's place after the
        last has, so that a crash at any moment leaves keys that open everything.
        """
        fresh = key or crypto.new_key()
        crypto.cipher(fresh, "the new key")
        self._keyring.key()
        with self._keyring.alone():
            with self._db.transaction() as tx:
                self._keyring.replace(self._writing_key(tx), fresh)
            with self._db.transaction() as tx:
                for row in rows.sealed_documents(tx):
                    data = self._unseal(row["data"], f"The block document {row['id']}")
                    documents.update(tx, "block_documents", {"data": crypto.encrypt(data, fresh)}, {"id": row["id"]})
            self._keyring.replace(fresh)
        return fresh

    def _document(self, row: Row, secrets: bool) -> BlockDocument:
        return rows.document_of(self._db, row, self._unseal, secrets)

    def _unseal(self, token: str, what: str) -> dict[str, Any]:
        return crypto.decrypt(token, self._keyring, what)

    def _writing_key(self, tx: Transaction) -> str:
        """The key that the documents already here were encrypted with, so that one store never needs two.

        Raises:
            ConfigurationError: there are documents, and no key at hand opens them.
        """
        newest = rows.sealed_documents(tx, limit=1)
        if not newest:
            return self._keyring.key()
        key = crypto.opening_key(newest[0]["data"], self._keyring)
        if key is None:
            raise ConfigurationError(
                f"The key in {self._keyring.describe()} does not open the blocks that are saved here; "
                "put back the key that they were saved with, or delete them, before you save another."
            )
        return key


def _first(found: Sequence[Row], absent: ObjectNotFound) -> Row:
    if not found:
        raise absent
    return found[0]
