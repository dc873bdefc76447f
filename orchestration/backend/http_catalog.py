"""Documents of a server: the part of ``HttpBackend`` that knows no runs in the making."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from orchestration.backend.clock import new_id
from orchestration.backend.http_transport import REACH_SECONDS, Shipper, Transport, encoded, httpx
from orchestration.backend.port import Documents, Where
from orchestration.domain.errors import ConfigurationError, ObjectAlreadyExists, ObjectNotFound, UsageError
from orchestration.domain.schemas.catalog import BlockDocument, BlockSchema, BlockType
from orchestration.domain.schemas.filters import EVERYTHING, PAGE, Query, among
from orchestration.domain.schemas.wire import Document, plain, record_of
from orchestration.domain.settings import Settings

# A limit that limits nothing.
ALL = 2**31
# Where the resources are, unless under their own names, at the first path whose names are known. ``all`` is the
# listing, and with ``made`` after it where one is created; ``one`` is where one is read, and the first of these where
# it is changed and removed. ``keeps`` are the fields that make a document the one it is, which it keeps when it is
# overwritten; ``filter`` is the name of the listing's own filter; ``sent`` are the fields of a new flow run, and
# ``sent_to_ours`` those that only our server takes.
PLACES: Mapping[str, Mapping[str, Any]] = json.loads(Path(__file__).with_name("rest.json").read_text(encoding="ascii"))
_PARENTS = ("work_pool_id", "work_pool_name", "flow_run_id", "deployment_id")
_SENT_AS = {"work_queues": "work_pool_queues"}
# Fields that only our server lets a client choose.
_OURS_ALONE = ("id", "created", "updated")


class HttpCatalog:
    """Each method is one request, or as many as it takes where Prefect's interface has no single one."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None = None) -> None:
        self._transport = Transport(settings, transport)
        self._limit, self._patience = settings.api_outage_limit, REACH_SECONDS
        self._shipper = Shipper(self._transport, settings.home, self._limit)

    # -- asking ------------------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, document: Any = None, **how: Any) -> Any:
        """The JSON that the server answers; ``None`` when it says nothing."""
        response = self.answer(method, path, document, **how)
        return response.json() if response.content else None

    def answer(self, method: str, path: str, document: Any = None, **how: Any) -> httpx.Response:
        """What the server answers, once it is known to be one, and has all that was recorded before."""
        self._shipper.settle(self._patience)
        _ = self.is_ours  # or there is no API, which is said before anything is asked of it
        content = None if document is None else encoded(plain(document))
        return self._transport.send(method, path, content, self._patience, **how)

    @cached_property
    def is_ours(self) -> bool:
        """Whether the server has more than Prefect's interface.

        Raises:
            StoreError: it cannot be reached.
            ConfigurationError: it is no API, or does not accept the credentials.
        """
        for path, kind in (("/x/", dict), ("/admin/version", str)):
            with suppress(ObjectNotFound, ValueError):
                if isinstance(self._transport.send("GET", path, None, self._patience).json(), kind):
                    return kind is dict
        what = f"At {self._transport.url} there is no API of an orchestration server"
        raise ConfigurationError(f"{what}; ORCHESTRATION_API_URL usually ends in /api.")

    # -- documents ---------------------------------------------------------------------------------------------------

    def find(self, resource: str, query: Query = EVERYTHING) -> list[Document]:
        """A page of any resource's listing."""
        path, body = self._asked(resource, query.where)
        if resource == "schedules":
            return list(self.ask("GET", path))
        body |= {"sort": query.sort} if query.sort else {}
        found: list[Document] = []
        while (left := query.limit - len(found)) > 0:
            part = {"limit": min(left, PAGE), "offset": query.offset + len(found)}
            page = self.ask("POST", f"{path}/filter", {**body, **part})
            found += page
            if len(page) < PAGE:
                break
        return found

    def count(self, resource: str, where: Mapping[str, Any] = EVERYTHING.where) -> int:
        """How many there are that the filters let through."""
        return len(self.find(resource, Query(where, limit=ALL)))  # Prefect's interface counts not all of them

    def history(self, resource: str, where: Where, start: datetime, seconds: float, number: int) -> Documents:
        """By span of time, the runs that were expected then, by state."""
        path, body = self._asked(resource, where)
        spans = {"history_end": start + timedelta(seconds=seconds * number), "history_interval_seconds": seconds}
        return list(self.ask("POST", f"{path}/history", {**body, "history_start": start, **spans}))

    def read(self, resource: str, **keys: Any) -> Document:
        """The one whose fields have these values."""
        path = self._path(_place(resource)["one"], keys)
        if path is None:
            newest = "CREATED_DESC" if resource == "artifacts" else None
            found = self.find(resource, Query(among(resource, **{name: [keys[name]] for name in keys}), newest, 1))
            if not found:
                raise ObjectNotFound(f"The server has nothing of this kind among its {resource}: {keys}.")
            return found[0]
        if resource == "inputs":  # the value is the whole answer
            return {**keys, "value": self.answer("GET", path).text}
        return dict(self.ask("GET", path))

    def create(self, resource: str, document: Mapping[str, Any], overwrite: bool = False) -> Document:
        """Store one; with ``overwrite``, in place of what has its key."""
        path, part_of = self._collection(resource, document)
        path += _place(resource).get("made", "")
        left_out = part_of if self.is_ours else (*part_of, *_OURS_ALONE)
        sent = {name: value for name, value in document.items() if name not in left_out}
        if resource == "artifacts":
            sent["metadata_"] = sent.pop("metadata", None) or sent.get("metadata_")
            if self.is_ours:  # a re-sent one is recognised by its id
                sent["id"] = sent.get("id") or str(new_id())
        try:
            made = self.ask("POST", path, [sent] if resource == "schedules" else sent)
        except ObjectAlreadyExists:
            if self.is_ours and resource == "artifacts":
                return self.read(resource, id=sent["id"])
            if not overwrite:
                raise
            return self._overwritten(resource, document, sent)
        return dict(made[0] if resource == "schedules" else made or document)

    def change(self, resource: str, changes: Mapping[str, Any], **keys: Any) -> None:
        """Give the one with these keys other values in the fields that are named."""
        self._do("PATCH", resource, keys, dict(changes))

    def delete(self, resource: str, **keys: Any) -> None:
        """Remove the one with these keys."""
        self._do("DELETE", resource, keys)

    def _do(self, method: str, resource: str, keys: Mapping[str, Any], changes: Document | None = None) -> None:
        first = _place(resource)["one"][:1]
        path = self._path(first, keys) or self._path(first, self.read(resource, **keys))
        self.ask(method, path or "", changes)

    def _overwritten(self, resource: str, document: Mapping[str, Any], sent: Document) -> Document:
        keys = {name: document[name] for name in _place(resource)["keeps"] if name in document}
        if resource == "inputs":  # they cannot be changed
            self.delete(resource, **keys)
            return self.create(resource, document)
        changes = {name: value for name, value in sent.items() if name not in (*keys, *_OURS_ALONE)}
        self.change(resource, changes, **keys)
        return self.read(resource, **keys)

    # -- blocks ------------------------------------------------------------------------------------------------------

    def block_document(self, include_secrets: bool = False, **keys: Any) -> BlockDocument:
        """The document of that ``id``, or of that type's ``slug`` and ``name``."""
        path = self._path(PLACES["block_documents"]["one"], keys)
        return _block(self.ask("GET", path or "", params={"include_secrets": include_secrets}))

    def block_documents(self, slug: str | None = None, include_secrets: bool = False) -> list[BlockDocument]:
        """Documents by type and name, the anonymous ones left out."""
        where = {**among("block_types", slug=[slug] if slug else ()), "include_secrets": include_secrets}
        found = map(_block, self.find("block_documents", Query(where, limit=ALL)))
        return sorted(found, key=lambda each: (each.block_type.slug if each.block_type else "", each.name or ""))

    def create_block_document(self, document: BlockDocument) -> BlockDocument:
        """Store a document."""
        names = ("name", "data", "block_schema_id", "block_type_id", "is_anonymous")
        return _block(self.ask("POST", "/block_documents/", {name: getattr(document, name) for name in names}))

    def update_block_document(
        self, document_id: UUID, data: Mapping[str, Any], block_schema_id: UUID | None = None, merge: bool = False
    ) -> None:
        """Replace the values of a document, or with ``merge`` those that are named."""
        schema = {"block_schema_id": block_schema_id} if block_schema_id else {}
        changes = {"data": data, "merge_existing_data": merge, **schema}
        self.ask("PATCH", f"/block_documents/{document_id}", changes)

    # -- paths -------------------------------------------------------------------------------------------------------

    def _asked(self, resource: str, where: Mapping[str, Any]) -> tuple[str, Document]:
        """Where a listing is, and the filters as it takes them."""
        own = where.get(resource) or {}
        known = {name: field["any_"][0] for name, field in own.items() if len(field.get("any_") or ()) == 1}
        path, used = self._collection(resource, known)
        left = {field: own[field] for field in own if field not in used}
        sent = {_SENT_AS.get(name, name): filters for name, filters in where.items() if name != resource}
        return path.rstrip("/"), {**sent, _place(resource)["filter"]: left} if left else sent

    def _collection(self, resource: str, known: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
        """The path of a listing, and the fields that it stands for."""
        templates = _place(resource)["all"]
        path = self._path(templates, known)
        if path is None:
            raise UsageError(f"A server cannot be asked for {resource} in general; say of what they are part.")
        return path, () if path in templates else _PARENTS

    def _path(self, templates: Sequence[str], keys: Mapping[str, Any]) -> str | None:
        """The first path all whose names are known; pools and flows may be known by their ids."""
        for template in templates:
            names = dict.fromkeys(re.findall(r"{(\w+)}", template))
            found = {name: keys.get(name) or self._name_of(name, keys) for name in names}
            if all(found.values()):
                return template.format(**{name: quote(str(value), safe="") for name, value in found.items()})
        return None

    def _name_of(self, field: str, keys: Mapping[str, Any]) -> str | None:
        parent = {"work_pool_name": "work_pool", "flow_name": "flow"}.get(field)
        known = keys.get(f"{parent}_id")
        return str(self.read(f"{parent}s", id=known)["name"]) if known else None


def _place(resource: str) -> Mapping[str, Any]:
    usual = {"all": [f"/{resource}/"], "one": [f"/{resource}/{{id}}"], "filter": resource, "keeps": ()}
    return {**usual, **PLACES.get(resource, {})}


def _block(document: Mapping[str, Any]) -> BlockDocument:
    """The record of a block; those that it points to have their values in it."""
    schema, references = document.get("block_schema"), document.get("block_document_references") or {}
    return record_of(
        BlockDocument, document, block_type=_type(document),
        block_schema=record_of(BlockSchema, schema, block_type=_type(schema)) if schema else None,
        references={name: _block({**_PART, "data": document["data"].get(name) or {}, **each["block_document"]})
                    for name, each in references.items()},
    )  # fmt: skip


# What a server does not tell of a block that another one points to.
_PART = {"block_schema_id": UUID(int=0), "block_type_id": UUID(int=0)}


def _type(document: Mapping[str, Any]) -> BlockType | None:
    return record_of(BlockType, document["block_type"]) if document.get("block_type") else None
