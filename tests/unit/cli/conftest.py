"""A store in the home folder that the commands use, to put things into and to look into."""

from collections.abc import Iterator

import pytest

from orchestration.backend.port import Backend
from orchestration.cli.kinds import opened


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def backend() -> Iterator[Backend]:
    with opened() as backend:
        yield backend
