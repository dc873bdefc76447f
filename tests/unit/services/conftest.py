"""Places where workers of this process run what tests deploy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.backend.connect import open_backend
from orchestration.backend.surroundings import current_settings
from orchestration.domain.schemas.wire import StoredDocument
from orchestration.services import worker as workers
from tests.support.serving import ROOT, serving
from tests.support.working import Workplace


@pytest.fixture(params=["local", "server"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    """A pool on this machine's database, or on a server's."""
    if request.param == "server":
        monkeypatch.setenv("ORCHESTRATION_API_URL", serving().url(tmp_path / "store"))
    yield from _place(tmp_path, monkeypatch)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    """A pool on this machine's database."""
    yield from _place(tmp_path, monkeypatch)


def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(workers, "RENEW_SECONDS", 0.1)
    settings = current_settings()
    backend = open_backend(settings, StoredDocument)
    (folder := tmp_path / "code").mkdir()
    place = Workplace(backend, folder, settings.home)
    yield place
    place.close()
