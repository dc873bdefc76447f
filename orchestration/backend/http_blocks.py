"""Blocks on a server: the port's methods as requests of Prefect's interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from orchestration.backend.blocks import PAGE
from orchestration.domain.errors import ObjectAlreadyExists
from orchestration.domain.schemas.blocks import BlockDocument, BlockSchema, BlockType
from orchestration.domain.schemas.wire import Document, record_of

_TEXTS = ("logo_url", "documentation_url", "description", "code_example")


class HttpBlockStore:
    """Each method is one request, or as many as it takes where Prefect's interface has no single one."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def block_type(self, slug: str) -> BlockType:
        """The type of that slug."""
        return record_of(BlockType, self._ask("GET", f"/block_types/slug/{slug}"))

    def block_types(self) -> list[BlockType]:
        """All types by slug."""
        found = self._pages("/block_types/filter", {})
        return sorted((record_of(BlockType, each) for each in found), key=lambda each: each.slug)

    def save_block_type(self, block_type: BlockType) -> BlockType:
        """Store a type, or give the one of that slug its new texts."""
        texts = {name: getattr(block_type, name) for name in _TEXTS}
        try:
            sent = {"name": block_type.name, "slug": block_type.slug, **texts}
            return record_of(BlockType, self._ask("POST", "/block_types/", sent))
        except ObjectAlreadyExists:
            self._ask("PATCH", f"/block_types/{self.block_type(block_type.slug).id}", texts)
            return self.block_type(block_type.slug)

    def delete_block_type(self, slug: str) -> None:
        """Remove a type with its schemas and documents."""
        self._ask("DELETE", f"/block_types/{self.block_type(slug).id}")

    def block_schema(self, checksum: str, version: str | None = None) -> BlockSchema:
        """The schema of that checksum."""
        params = {"version": version} if version else {}
        return _schema(self._ask("GET", f"/block_schemas/checksum/{checksum}", params=params))

    def block_schemas(self, block_type_id: UUID | None = None) -> list[BlockSchema]:
        """All schemas, newest first, or those of one type."""
        wanted = {"block_schemas": {"block_type_id": {"any_": [block_type_id]}}} if block_type_id else {}
        return [_schema(each) for each in self._pages("/block_schemas/filter", wanted)]

    def save_block_schema(self, schema: BlockSchema) -> BlockSchema:
        """Store a schema, unless it is there already."""
        names = ("fields", "block_type_id", "capabilities", "version")
        return _schema(self._ask("POST", "/block_schemas/", {name: getattr(schema, name) for name in names}))

    def block_document(self, document_id: UUID, include_secrets: bool = False) -> BlockDocument:
        """The document of that id."""
        return self._document(f"/block_documents/{document_id}", include_secrets)

    def block_document_by_name(self, slug: str, name: str, include_secrets: bool = False) -> BlockDocument:
        """The document of that type and name."""
        return self._document(f"/block_types/slug/{slug}/block_documents/name/{name}", include_secrets)

    def block_documents(
        self, slug: str | None = None, include_secrets: bool = False, limit: int = PAGE, offset: int = 0
    ) -> list[BlockDocument]:
        """Documents by type and name, the anonymous ones left out."""
        wanted = {"block_types": {"slug": {"any_": [slug]}}} if slug else {}
        found = map(_document, self._pages("/block_documents/filter", {**wanted, "include_secrets": include_secrets}))
        ordered = sorted(found, key=lambda each: (each.block_type.slug if each.block_type else "", each.name or ""))
        return ordered[offset : offset + limit]

    def create_block_document(self, document: BlockDocument) -> BlockDocument:
        """Store a document."""
        names = ("name", "data", "block_schema_id", "block_type_id", "is_anonymous")
        return _document(self._ask("POST", "/block_documents/", {name: getattr(document, name) for name in names}))

    def update_block_document(
        self, document_id: UUID, data: Mapping[str, Any], block_schema_id: UUID | None = None, merge: bool = False
    ) -> None:
        """Replace the values of a document, or with ``merge`` those that are named."""
        changes = {"data": data, "merge_existing_data": merge}
        changes |= {"block_schema_id": block_schema_id} if block_schema_id else {}
        self._ask("PATCH", f"/block_documents/{document_id}", changes)

    def delete_block_document(self, document_id: UUID) -> None:
        """Remove a document."""
        self._ask("DELETE", f"/block_documents/{document_id}")

    def _document(self, path: str, include_secrets: bool) -> BlockDocument:
        return _document(self._ask("GET", path, params={"include_secrets": include_secrets}))

    def _pages(self, path: str, asked: Document) -> list[Document]:
        """All that there is, which for blocks is never much."""
        found: list[Document] = []
        while len(found) % PAGE == 0:
            page = self._ask("POST", path, {**asked, "limit": PAGE, "offset": len(found)})
            if not page:
                break
            found += page
        return found


def _schema(document: Mapping[str, Any]) -> BlockSchema:
    own = {name: value for name, value in document.items() if name != "block_type"}
    return record_of(BlockSchema, own, block_type=_type(document))


def _type(document: Mapping[str, Any]) -> BlockType | None:
    return record_of(BlockType, document["block_type"]) if document.get("block_type") else None


def _document(document: Mapping[str, Any]) -> BlockDocument:
    own = {name: value for name, value in document.items() if name not in ("block_type", "block_schema")}
    schema, references = document.get("block_schema"), document.get("block_document_references") or {}
    return record_of(
        BlockDocument,
        own,
        block_type=_type(document),
        block_schema=_schema(schema) if schema else None,
        references={
            name: _referred(each["block_document"], own["data"].get(name)) for name, each in references.items()
        },
    )


def _referred(document: Mapping[str, Any], data: Any) -> BlockDocument:
    """A document that another one points to; its values lie in that one's."""
    return _document({"data": data or {}, "block_schema_id": UUID(int=0), "block_type_id": UUID(int=0), **document})
