"""From settings to the backend that they name."""

from __future__ import annotations

import re
from pathlib import Path

from orchestration.backend.local import LocalBackend
from orchestration.backend.port import Backend
from orchestration.domain.errors import ConfigurationError
from orchestration.domain.schemas.wire import Revive
from orchestration.domain.settings import Settings
from orchestration.persistence.database import Database
from orchestration.persistence.sqlite import SqliteDatabase

_SQLITE = re.compile(r"sqlite(\+aiosqlite)?:///(?P<path>[^:?][^?]*)(\?.*)?")
# The spellings of SQLAlchemy, and so of Prefect's settings, as well as the servers' own.
_POSTGRES = re.compile(r"(postgresql|postgres)(\+(psycopg|asyncpg))?://")


def open_backend(settings: Settings, revive: Revive) -> Backend:
    """The backend of these settings: the server that they name, or else a store of this process.

    Runs that died on this host are marked Crashed on the way; a server is asked nothing until it is needed.

    Args:
        settings: where the server or the store is.
        revive: turns the document of a stored result into an object that can load it.

    Raises:
        ConfigurationError: the settings name a store that there is not.
        StoreError: the store cannot be opened.
        NewerSchemaError: it was written by a newer version.
    """
    if settings.api_url is not None:
        from orchestration.backend.http import HttpBackend

        return HttpBackend(settings, revive)
    database = open_database(settings)
    backend = LocalBackend(database, settings, revive)
    backend.crash_dead_runs()
    return backend


def open_database(settings: Settings) -> Database:
    """The database of these settings, brought up to date; errors as of ``open_backend``."""
    url = settings.database_url
    if url is None:
        return SqliteDatabase(settings.database_path, settings.sqlite_synchronous)
    if file := _SQLITE.fullmatch(url):
        return SqliteDatabase(Path(file["path"]).expanduser().absolute(), settings.sqlite_synchronous)
    if server := _POSTGRES.match(url):
        try:
            from orchestration.persistence.postgres import PostgresDatabase
        except ImportError as error:
            remedy = "install it with `pip install 'orchestration[postgres]'`"
            raise ConfigurationError(f"A PostgreSQL store needs its driver ({error}); {remedy}.") from error
        return PostgresDatabase("postgresql://" + url[server.end() :])
    known = "sqlite:////absolute/path/of/a/file.db or postgresql://user:password@host:5432/database"
    raise ConfigurationError(f"ORCHESTRATION_DATABASE_URL names no store that is known here; write {known}.")
