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
def own_store(store: Store) -> Store:
    """A store without a server before it: what only a server itself asks of its store is tried on these."""
    if store.is_remote:
        pytest.skip("the REST interface has no word for this")
    return store


@pytest.fixture
def own_backend(own_store: Store) -> Backend:
    """A backend on such a store."""
    return own_store.open()


@pytest.fixture
def backend(store: Store) -> Backend:
    """A backend on an empty store."""
    return store.open()
