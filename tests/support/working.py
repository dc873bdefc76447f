"""A work pool with deployments of flows in a file, for tests that let real workers run them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import UUID

import pytest

from orchestration.backend.clock import utc_now
from orchestration.backend.connect import open_backend
from orchestration.backend.port import Backend
from orchestration.backend.surroundings import current_settings
from orchestration.domain.schemas.filters import Query, among
from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.schemas.wire import Document
from orchestration.domain.states import StoredResult
from orchestration.services.worker import Worker
from tests.support.serving import ROOT

PREAMBLE = "import os, signal, subprocess, sys, time\nfrom pathlib import Path\nfrom orchestration import *\n"
SECONDS = 60.0
"""That anything may take on a busy machine."""


class Workplace:
    """A pool in a store, and the folder with the code of its deployments."""

    def __init__(self, backend: Backend, folder: Path, home: Path) -> None:
        self.backend, self.folder, self._home = backend, folder, home
        self._workers: list[Worker] = []
        self.pool = backend.create("work_pools", {"name": "trips", "type": "process"}, overwrite=True)

    def deploy(self, code: str, **fields: Any) -> Document:
        """A deployment of the flow ``main`` of a file with this code, which has the usual names at hand."""
        name = f"flow_{len(list(self.folder.glob('*.py')))}"
        (self.folder / f"{name}.py").write_text(PREAMBLE + dedent(code))
        flow = self.backend.create("flows", {"name": "main"}, overwrite=True)
        where = {"path": str(self.folder), "entrypoint": f"{name}.py:main", "work_pool_name": "trips"}
        return self.backend.create("deployments", {"name": name, "flow_id": flow["id"], **where, **fields})

    def ask(self, deployment: Mapping[str, Any], **wanted: Any) -> UUID:
        """A run of a deployment, due at once."""
        return self.backend.create_run_of_deployment(UUID(deployment["id"]), wanted).id

    def worker(self, **wanted: Any) -> Worker:
        """A worker of the pool."""
        self._workers.append(Worker(self.backend, self.pool, self._home, **wanted))
        return self._workers[-1]

    def close(self) -> None:
        """Leave no process behind."""
        for worker in self._workers:
            worker.stop_at_once()
            self.work(worker, worker.ended.is_set)
        self.backend.close()

    def work(self, worker: Worker, until: Callable[[], bool]) -> None:
        """Let a worker tick until something is so."""
        end = time.monotonic() + SECONDS
        while not until():
            assert time.monotonic() < end, self.story()
            worker.tick(utc_now())

    def run(self, run_id: UUID) -> FlowRun:
        """A run as it stands."""
        return self.backend.flow_run(run_id)

    def states(self, run_id: UUID) -> list[str]:
        """The names of the states that a run has entered."""
        return [state.name for state in self.backend.flow_run_states(run_id)]

    def lines(self, run_id: UUID) -> list[str]:
        """What a run has logged."""
        found = self.backend.find("logs", Query(among("logs", flow_run_id=[run_id]), "TIMESTAMP_ASC"))
        return [line["message"] for line in found]

    def story(self) -> list[Any]:
        """All runs with their states and logs, for who wants to know why a test failed."""
        ids = [UUID(run["id"]) for run in self.backend.find("flow_runs")]
        return [(self.states(run_id), self.lines(run_id)) for run_id in ids]


@contextmanager
def workplace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    """A pool in the store of the current settings, with its code in a folder of its own; no process outlives it."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    settings = current_settings()
    (code := folder / "code").mkdir()
    place = Workplace(open_backend(settings, StoredResult), code, settings.home)
    yield place
    place.close()
