"""The store that commands speak to: the one that the settings name, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from orchestration.backend.connect import open_backend
from orchestration.backend.port import Backend
from orchestration.backend.surroundings import current_settings
from orchestration.domain.errors import ObjectNotFound, UsageError
from orchestration.domain.schemas.filters import PAGE, Query, among
from orchestration.domain.schemas.wire import Document, StoredDocument


@contextmanager
def opened() -> Iterator[Backend]:
    """The store, for one command."""
    backend = open_backend(current_settings(), StoredDocument)
    try:
        yield backend
    finally:
        backend.close()


def found(
    backend: Backend, resource: str, where: Mapping[str, Any], limit: int | None = None, sort: str | None = None
) -> Iterator[Document]:
    """A listing of any length, page by page."""
    offset = 0
    while limit is None or offset < limit:
        size = PAGE if limit is None else min(PAGE, limit - offset)
        page = backend.find(resource, Query(where, sort, size, offset))
        yield from page
        offset += size
        if len(page) < size:
            return


def one(backend: Backend, resource: str, text: str, key: str = "name") -> Document:
    """The one that a person means by an id, a name, or, for a deployment, the flow's name and its own.

    Raises:
        ObjectNotFound: there is none.
        UsageError: there are several of that name.
    """
    noun = resource.removesuffix("s").replace("_", " ")
    if _is_id(text):
        return backend.read(resource, id=text)
    flow, _, name = text.rpartition("/") if resource == "deployments" else ("", "", text)
    where = {**among(resource, **{key: [name]}), **among("flows", name=[flow] if flow else [])}
    matching = backend.find(resource, Query(where, limit=2))
    if not matching:
        group = {"artifact collection": "artifact"}.get(noun, noun).replace(" ", "-")
        raise ObjectNotFound(f"There is no {noun} {text!r}; list them with `orchestrate {group} ls`.")
    if len(matching) > 1:
        raise UsageError(f"More than one {noun} is named {text!r}; give the id instead.")
    return matching[0]


def with_flow_names(backend: Backend, documents: list[Document]) -> list[Document]:
    """The same documents, each with the name of its flow, which a server of Prefect's leaves out."""
    ids = {each["flow_id"] for each in documents if "flow_name" not in each}
    names = {each["id"]: each["name"] for each in found(backend, "flows", among("flows", id=ids))} if ids else {}
    return [{"flow_name": names.get(each["flow_id"]), **each} for each in documents]


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
