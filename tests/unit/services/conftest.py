"""Places where workers of this process run what tests deploy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestration.services import worker as workers
from tests.support.serving import serving
from tests.support.working import Workplace, workplace


@pytest.fixture(params=["local", "server"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    """A pool on this machine's database, or on a server's."""
    if request.param == "server":
        monkeypatch.setenv("ORCHESTRATION_API_URL", serving().url(tmp_path / "store"))
    with _place(tmp_path, monkeypatch) as place:
        yield place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    """A pool on this machine's database."""
    with _place(tmp_path, monkeypatch) as place:
        yield place


@contextmanager
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(workers, "RENEW_SECONDS", 0.1)
    with workplace(tmp_path, monkeypatch) as place:
        yield place
