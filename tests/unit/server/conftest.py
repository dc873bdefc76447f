"""A server in this process, on a store of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from orchestration.backend.connect import open_backend
from orchestration.backend.port import Backend
from orchestration.domain.settings import Settings
from orchestration.domain.states import StoredResult
from orchestration.server.app import create_app
from tests.support.rest import Made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Where the store lies."""
    return Settings(tmp_path)


@pytest.fixture
def backend(settings: Settings) -> Iterator[Backend]:
    """An empty store."""
    opened = open_backend(settings, StoredResult)
    yield opened
    opened.close()


@pytest.fixture
def client(settings: Settings, backend: Backend) -> Iterator[TestClient]:
    """A client of a server on that store."""
    with TestClient(create_app(settings, backend), base_url="http://testserver/api/") as connected:
        yield connected


@pytest.fixture
def made(client: TestClient) -> Made:
    """Makes flows, runs and all else."""
    return Made(client)
