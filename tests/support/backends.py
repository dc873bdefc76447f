"""Stores that every backend's promises are tried on: each can be opened several times, as by several processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from orchestration.backend.catalog import LocalCatalog
from orchestration.backend.connect import open_backend
from orchestration.backend.port import Backend
from orchestration.domain.schemas.catalog import BlockSchema
from orchestration.domain.schemas.wire import record_of
from orchestration.domain.settings import Settings
from orchestration.domain.states import StoredResult
from tests.support.postgres import new_database
from tests.support.serving import serving

T = TypeVar("T")


@dataclass(frozen=True)
class Reference(StoredResult):
    """A result in storage, told by its document."""

    document: Mapping[str, Any]

    def as_document(self) -> dict[str, Any]:
        """The document it was made of."""
        return dict(self.document)


@dataclass
class Store:
    """One store; ``open`` gives one more backend on it."""

    connect: Callable[[], Backend]
    is_remote: bool = False
    """Whether a server stands before it, which shows no more than its interface has and sees no processes."""
    opened: list[Backend] = field(default_factory=list)

    def open(self) -> Backend:
        """A backend of its own, closed at the end of the test."""
        backend = self.connect()
        self.opened.append(backend)
        return backend


@contextmanager
def sqlite_store(folder: Path) -> Iterator[Store]:
    """This machine's database, in a folder."""
    with _store_of(Settings(folder / "store")) as store:
        yield store


@contextmanager
def postgres_store(folder: Path) -> Iterator[Store]:
    """A database of a PostgreSQL server; what is no row, such as the key, is in the folder."""
    with new_database() as url, _store_of(Settings(folder / "store", database_url=url)) as store:
        yield store


@contextmanager
def http_store(folder: Path) -> Iterator[Store]:
    """This machine's database behind a server."""
    settings = Settings(folder / "client", api_url=serving().url(folder / "store"), api_outage_limit=10)
    with _store_of(settings) as store:
        store.is_remote = True
        yield store


def _store_of(settings: Settings) -> AbstractContextManager[Store]:
    return _opening(lambda: open_backend(settings, Reference))


@contextmanager
def _opening(connect: Callable[[], Backend]) -> Iterator[Store]:
    store = Store(connect)
    try:
        yield store
    finally:
        for backend in store.opened:
            backend.close()


STORES: dict[str, Callable[[Path], AbstractContextManager[Store]]] = {
    "http": http_store,
    "postgresql": postgres_store,
    "sqlite": sqlite_store,
}
"""By name: each is one more parameter of the whole contract."""


def set_limit(backend: Backend, name: str, limit: int, decay: float = 0.0, active: bool = True) -> None:
    """Make or change a concurrency limit."""
    new = {"name": name, "limit": limit, "slot_decay_per_second": decay, "active": active}
    backend.create("concurrency_limits", new, overwrite=True)


def saved_schema(backend: Backend | LocalCatalog, slug: str, fields: dict[str, Any]) -> BlockSchema:
    """A block type of that slug, and its schema."""
    texts = {"slug": slug, "name": slug.title(), "description": "Moves."}
    block_type = backend.create("block_types", texts, overwrite=True)
    own = {"fields": {**fields, "block_type_slug": slug}, "capabilities": [], "version": "non-versioned"}
    stored = backend.create("block_schemas", {**own, "block_type_id": block_type["id"]}, overwrite=True)
    return record_of(BlockSchema, stored, block_type=None)


def at_once(work: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """What each did, or the error it ended with, when all of them start at the same moment in threads."""
    start = threading.Barrier(len(work))
    ends: list[T | Exception] = [RuntimeError("did not end")] * len(work)

    def run(place: int) -> None:
        start.wait()
        try:
            ends[place] = work[place]()
        except Exception as error:
            ends[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends
