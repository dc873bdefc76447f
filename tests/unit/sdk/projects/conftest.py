"""A store of its own for each test, and a project folder to be in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.backend.port import Backend
from orchestration.sdk.context import close_session, current_session
from tests.support.repositories import FLOW


@pytest.fixture(autouse=True)
def _own_session() -> Iterator[None]:
    close_session()
    yield
    close_session()


@pytest.fixture
def backend() -> Backend:
    """The store of this process, with a work pool."""
    backend = current_session().backend
    backend.create("work_pools", {"name": "trips", "type": "process"})
    return backend


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a file ``flows/train.py`` that has a flow."""
    folder = tmp_path / "project"
    (folder / "flows").mkdir(parents=True)
    (folder / "flows" / "train.py").write_text(FLOW)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))  # whose path is put back afterwards
    return folder
