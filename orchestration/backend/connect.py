"""From settings to the backend that they name."""

from __future__ import annotations

from orchestration.backend.blocks import LocalBlockStore
from orchestration.backend.local import LocalBackend
from orchestration.backend.port import Backend
from orchestration.domain.settings import Settings
from orchestration.persistence.runs import Revive
from orchestration.persistence.sqlite import SqliteDatabase


def open_backend(settings: Settings, revive: Revive) -> Backend:
    """The backend of these settings; runs that died on this host are marked Crashed on the way.

    Args:
        settings: where the store is.
        revive: turns the document of a stored result into an object that can load it.

    Raises:
        StoreError: the store cannot be opened.
        NewerSchemaError: it was written by a newer version.
    """
    database = SqliteDatabase(settings.database_path, settings.sqlite_synchronous)
    backend = LocalBackend(database, LocalBlockStore(database, settings), revive)
    backend.crash_dead_runs()
    return backend
