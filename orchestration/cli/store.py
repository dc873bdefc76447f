"""The store that commands speak to: the one that the settings name, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from orchestration.backend.connect import open_backend
from orchestration.backend.port import Backend
from orchestration.backend.surroundings import current_settings
from orchestration.domain.schemas.filters import PAGE, Query, among
from orchestration.domain.schemas.wire import Document, StoredDocument

NO_FILTER: Mapping[str, Any] = {}


@contextmanager
def opened(is_local: bool = False) -> Iterator[Backend]:
    """The store, for one command; ``is_local`` the one of this machine, whatever server the settings name."""
    settings = current_settings()
    backend = open_backend(replace(settings, api_url=None) if is_local else settings, StoredDocument)
    try:
        yield backend
    finally:
        backend.close()


def found(
    backend: Backend,
    resource: str,
    where: Mapping[str, Any] = NO_FILTER,
    limit: int | None = None,
    sort: str | None = None,
) -> Iterator[Document]:
    """A listing of any length, page by page; what is of a flow tells that flow's name, which Prefect leaves out."""
    offset = 0
    while limit is None or offset < limit:
        size = PAGE if limit is None else min(PAGE, limit - offset)
        page = backend.find(resource, Query(where, sort, size, offset))
        yield from with_flow_names(backend, page)
        offset += size
        if len(page) < size:
            return


def with_flow_names(backend: Backend, documents: list[Document]) -> list[Document]:
    """The same documents; those of a flow have its name."""
    ids = {each["flow_id"] for each in documents if "flow_id" in each and "flow_name" not in each}
    if not ids:
        return documents
    names = {each["id"]: each["name"] for each in backend.find("flows", Query(among("flows", id=ids)))}
    return [{"flow_name": names.get(each["flow_id"]), **each} for each in documents]
