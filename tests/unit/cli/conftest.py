"""A store in the home folder that the commands use, to put things into and to look into."""

from collections.abc import Iterator

import pytest

from orchestration.backend.connect import open_backend
from orchestration.backend.port import Backend
from orchestration.backend.surroundings import current_settings
from orchestration.domain.states import StoredResult


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def backend() -> Iterator[Backend]:
    backend = open_backend(current_settings(), StoredResult)
    yield backend
    backend.close()
