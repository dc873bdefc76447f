"""The parent of a run's process: its output goes to the run's log, and its whole process group ends with it."""

from __future__ import annotations

import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from orchestration.domain.schemas.recording import LogRow
from orchestration.domain.schemas.wire import Document

CLAIM, WORKER = "ORCHESTRATION__CLAIM_ID", "ORCHESTRATION__WORKER_PID"
"""Variables by which a worker tells the process of a run about its claim and itself."""
MARK = "\x1e"
"""Begins lines for the worker's console that are in the store already; all others are output to be stored."""
OUTPUT = "orchestration.flow_runs.output"
"""The name of the logger that what a process prints is stored under."""
GRACE_SECONDS = 10.0
"""That a process has to end when it is told to; then its group is killed."""
MOST_WAITING = 10_000
"""Lines that wait to be stored; a process that prints quicker has to wait."""
_INFO = 20


def folder_of(home: Path, run_id: object) -> Path:
    """The folder of a run's own, for as long as its process lives."""
    return home / "runs" / str(run_id)


class Supervised:
    """One flow run in a process group of its own."""

    def __init__(self, run: Document, variables: Mapping[str, Any]) -> None:
        self.run_id, self.claim_id, self.name = run["id"], UUID(run["claim_id"]), run["name"]
        command = variables.get("command")
        own = {"ORCHESTRATION__FLOW_RUN_ID": self.run_id, CLAIM: run["claim_id"], WORKER: str(os.getpid())}
        given = {name: str(value) for name, value in (variables.get("env") or {}).items() if value is not None}
        self._lines: queue.Queue[str] = queue.Queue(MOST_WAITING)
        self._streams, self._kill_at = variables.get("stream_output") is not False, float("inf")
        self._process = subprocess.Popen(  # noqa: S603 - what the deployment says
            shlex.split(command) if command else [sys.executable, "-m", "orchestration.services.run", self.run_id],
            env={**os.environ, "PYTHONUNBUFFERED": "1", **given, **own}, cwd=variables.get("working_dir") or Path.cwd(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            text=True, errors="backslashreplace",
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, name=f"output of {self.name}", daemon=True)
        self._reader.start()

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Tell the group to end; if it has not after ``grace`` seconds, it is killed."""
        if self._kill_at == float("inf"):
            self._signal(signal.SIGTERM)
        self._kill_at = min(self._kill_at, time.monotonic() + grace)

    def exit_code(self) -> int | None:
        """How the process ended, once it and all that it has started have; negative for a signal."""
        if time.monotonic() >= self._kill_at:
            self._signal(signal.SIGKILL)
        ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if self._process.returncode is None and os.waitid(os.P_PID, self._process.pid, ended) is None:
            return None
        self._signal(signal.SIGKILL)  # before it is reaped, or its number could be another's
        self._process.wait()
        self._reader.join(1.0)
        return self._process.returncode

    def output(self) -> Iterator[LogRow]:
        """What was printed since the last call, as lines of the run's log."""
        with suppress(queue.Empty):
            while True:
                line, at = self._lines.get_nowait(), time.time_ns() // 1000
                yield OUTPUT, _INFO, line, at, self.run_id, None

    def _signal(self, sign: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, sign)

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        for line in self._process.stdout:
            if not line.startswith(MARK):
                self._lines.put(line.rstrip("\n"))
            if self._streams:
                sys.stderr.write(line.removeprefix(MARK))
