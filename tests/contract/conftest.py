"""The contract of ``Backend``: every test here runs on every store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.backend.port import Backend
from tests.support.backends import STORES, Store


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with STORES[request.param](tmp_path) as made:
        yield made


@pytest.fixture
def backend(store: Store) -> Backend:
    """A backend on an empty store."""
    return store.open()
