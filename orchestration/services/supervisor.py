"""The parent of a run's process: its output goes to the run's log, and its whole process group ends with it."""

from __future__ import annotations

import math
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from orchestration.domain.schemas.runs import LogRow
from orchestration.domain.schemas.wire import Document

# Variables by which a worker tells the process of a run about its claim and itself.
CLAIM, WORKER = "ORCHESTRATION__CLAIM_ID", "ORCHESTRATION__WORKER_PID"
# Begins lines for the worker's console that are in the store already; all others are output to be stored.
MARK = "\x1e"
# The name of the logger that what a process prints is stored under, and the level.
OUTPUT, INFO = "orchestration.flow_runs.output", 20
# That a process has to end when it is told to; then its group is killed.
GRACE_SECONDS = 10.0
# Lines that wait to be stored; a process that prints quicker has to wait.
MOST_WAITING = 10_000


def folder_of(home: Path, run_id: object) -> Path:
    """The folder of a run's own, for as long as its process lives."""
    return home / "runs" / str(run_id)


class Supervised:
    """One flow run in a process group of its own; ``variables`` are the job variables that hold for it."""

    def __init__(self, run: Document, variables: Mapping[str, Any]) -> None:
        self.run_id, self.claim_id, self.name = run["id"], UUID(run["claim_id"]), run["name"]
        own = {"ORCHESTRATION__FLOW_RUN_ID": self.run_id, CLAIM: run["claim_id"], WORKER: str(os.getpid())}
        given = {name: str(value) for name, value in (variables.get("env") or {}).items() if value is not None}
        command = shlex.split(variables.get("command") or "")
        self._lines: queue.Queue[str] = queue.Queue(MOST_WAITING)
        self._streams, self._kill_at = variables.get("stream_output") is not False, math.inf
        self._process = subprocess.Popen(  # noqa: S603 - what the deployment says
            command or [sys.executable, "-m", "orchestration.services.run", self.run_id],
            env={**os.environ, "PYTHONUNBUFFERED": "1", **given, **own}, cwd=variables.get("working_dir"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            text=True, errors="backslashreplace",
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Tell the group to end; if it has not after ``grace`` seconds, it is killed."""
        if self._kill_at == math.inf:
            self._signal(signal.SIGTERM)
        self._kill_at = min(self._kill_at, time.monotonic() + grace)

    def ending(self) -> str | None:
        """How the process ended, in words, once it and all that it has started have."""
        if time.monotonic() >= self._kill_at:
            self._signal(signal.SIGKILL)
        looking = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if self._process.returncode is None and os.waitid(os.P_PID, self._process.pid, looking) is None:
            return None
        self._signal(signal.SIGKILL)  # before it is reaped, or its number could be another's
        code = self._process.wait()
        self._reader.join(1.0)
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def output(self) -> Iterator[LogRow]:
        """What was printed since the last call, as lines of the run's log."""
        with suppress(queue.Empty):
            while True:
                yield OUTPUT, INFO, self._lines.get_nowait(), time.time_ns() // 1000, self.run_id, None

    def _signal(self, sign: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, sign)

    def _read(self) -> None:
        with self._process.stdout or nullcontext(()) as lines:
            for line in lines:
                if not line.startswith(MARK):
                    self._lines.put(line.rstrip("\n"))
                if self._streams:
                    sys.stderr.write(line.removeprefix(MARK))
