"""A worker of ours with a store of its own, for benchmarks that ask it for runs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from benchmarks.common import Contender
from orchestration.backend.connect import open_backend
from orchestration.backend.local import LocalBackend
from orchestration.domain.schemas.filters import Query, among
from orchestration.domain.schemas.wire import Document
from orchestration.domain.settings import Settings
from orchestration.domain.states import StoredResult

PATIENCE = 300.0
POOL = "bench"
# Its first line is the time of it; the flow imports nothing of its own.
FLOW = "import time\nfrom orchestration import flow\n\n\n@flow\ndef main():\n    print('line', time.time())\n"


@dataclass(frozen=True, slots=True)
class Workplace:
    """A store, with deployments of a flow that does nothing but tell the time."""

    backend: LocalBackend
    folder: Path

    def deploy(self, name: str, **fields: object) -> UUID:
        """A deployment in the pool; its id."""
        flow_id = self.backend.create("flows", {"name": "main"}, overwrite=True)["id"]
        where = {"path": str(self.folder), "entrypoint": "told.py:main", "work_pool_name": POOL}
        made = self.backend.create("deployments", {"name": name, "flow_id": flow_id, **where, **fields})
        return UUID(made["id"])

    def ask(self, deployment_id: UUID) -> UUID:
        """A run, due at once."""
        return self.backend.create_run_of_deployment(deployment_id, {}).id

    def wait_for(self, number: int) -> None:
        """Wait until so many runs have completed."""
        completed, end = among("flow_runs", state_type=["COMPLETED"]), time.monotonic() + PATIENCE
        while self.backend.count("flow_runs", completed) < number:
            if time.monotonic() > end:
                raise SystemExit("The runs did not end.")
            time.sleep(0.05)

    def runs(self) -> list[Document]:
        """All runs that have begun, in the order of their slots."""
        found = self.backend.find("flow_runs", Query(sort="EXPECTED_START_TIME_ASC", limit=10_000))
        return [run for run in found if run["start_time"]]

    def delay(self, run: Document) -> float:
        """The seconds from the time that a run was due, or asked for, to the first line of its flow."""
        end = time.monotonic() + PATIENCE
        while (told := self._told(run)) is None:  # what a run printed may be stored a moment after its end
            if time.monotonic() > end:
                raise SystemExit("What a run printed did not come.")
            time.sleep(0.05)
        due = datetime.fromisoformat(run["expected_start_time"])
        return (datetime.fromtimestamp(told, UTC) - due).total_seconds()

    def _told(self, run: Document) -> float | None:
        """The time that a run's first line tells, once it is stored."""
        lines = self.backend.find("logs", Query(among("logs", flow_run_id=[run["id"]])))
        return next((float(each["message"].split()[1]) for each in lines if each["message"].startswith("line ")), None)


@contextmanager
def workplace(home: Path) -> Iterator[Workplace]:
    """A pool in the store of a contender's home."""
    (home / "told.py").write_text(FLOW, encoding="utf-8")
    with closing(open_backend(Settings(home / "store"), StoredResult)) as backend:
        assert isinstance(backend, LocalBackend)
        backend.create("work_pools", {"name": POOL, "type": "process"}, overwrite=True)
        yield Workplace(backend, home)


@contextmanager
def working(contender: Contender, home: Path, *arguments: str) -> Iterator[int]:
    """A worker that has looked for work at least once; its process id."""
    command = [sys.executable, "-m", "orchestration.cli", "worker", "start", "--pool", POOL, *arguments]
    environment = contender.environment(home)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(2.0)
            yield process.pid
        finally:
            process.terminate()
            process.wait(PATIENCE)


def resident(pid: int) -> float:
    """The resident memory of a process, in MB (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def children(pid: int) -> Sequence[int]:
    """The processes that a process has started (Linux)."""
    return [int(each) for path in Path(f"/proc/{pid}/task").glob("*/children") for each in path.read_text().split()]


def bare_start(home: Path) -> float:
    """The seconds from the start of an interpreter to the first line of the same flow, without an engine."""
    text = FLOW.replace("from orchestration import flow", "flow = lambda function: function") + "\n\nmain()\n"
    (home / "bare.py").write_text(text, encoding="utf-8")
    began = time.time()
    done = subprocess.run([sys.executable, str(home / "bare.py")], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[1]) - began
