"""The supervision of a run's process: its output goes to the run's log, and its whole process group ends with it."""

import json
import math
import os
import queue
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from orchestration.domain.schemas.runs import LogRow
from orchestration.domain.schemas.wire import Document

# Variables by which the process of a run hears of its claim, and which variables have places to be filled in.
CLAIM, PLACES = "ORCHESTRATION__CLAIM_ID", "ORCHESTRATION__PLACES"
# Begins lines for the worker's console that are in the store already; all others are output to be stored.
MARK = "\x1e"
# The name of the logger that what a process prints is stored under, and the level.
OUTPUT, INFO = "orchestration.flow_runs.output", 20
# What an end of a process that leaves its run without one is called.
TOO_SOON = " before the run had ended"
# That a process has to end when it is told to, or when its flow's time is up; then its group is killed.
GRACE_SECONDS = 10.0
# That the output of a process which has ended may take to be read, and for how long one look at it waits for that.
READ_SECONDS, LOOK_SECONDS = 5.0, 0.05
# Lines that wait to be stored; a process that prints quicker has to wait.
MOST_WAITING = 10_000
# How variables begin that count only when an interpreter starts, which then is not a warm one.
COLD = ("PYTHON", "LD_", "LC_", "LANG", "TZ", "MALLOC_")


def folder_of(home: Path, run_id: object) -> Path:
    """The folder of a run's own, for as long as its process lives."""
    return home / "runs" / str(run_id)


class Nursery:
    """The process that is the parent of all runs'; it ends when this one does, however that ends, and they with it."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair()
        command, environment = [sys.executable, "-m", "orchestration.services.run"], {"PYTHONUNBUFFERED": "1"}
        environment.update(os.environ)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - it is ours
                command, stdin=theirs.fileno(), env=environment, start_new_session=True
            )

    def start(self, order: Document, *pipes: int) -> None:
        """Start a process."""
        socket.send_fds(self._orders, [json.dumps(order).encode() + b"\n"], pipes)

    def has_ended(self) -> bool:
        """Whether it was killed, so that nobody tells of its processes any more."""
        return self._process.poll() is not None

    def close(self) -> None:
        """End it, and what it has started."""
        self._orders.close()
        self._process.wait()


class Supervised:
    """One flow run in a process group of its own; ``variables`` are the job variables that hold for it."""

    def __init__(self, run: Document, variables: Mapping[str, Any], nursery: Nursery) -> None:
        self.run_id, self.claim_id, self.name = run["id"], UUID(run["claim_id"]), run["name"]
        given = {name: str(value) for name, value in (variables.get("env") or {}).items() if value is not None}
        command = shlex.split(variables.get("command") or "")
        if not command and any(name.startswith(COLD) for name in given):
            command = [sys.executable, "-m", "orchestration.services.run", self.run_id]
        places = ",".join(name for name, value in given.items() if "{{" in value)
        own = {"ORCHESTRATION__FLOW_RUN_ID": self.run_id, CLAIM: run["claim_id"], PLACES: places}
        folder = str(Path(variables.get("working_dir") or "").absolute())
        self._lines: queue.Queue[str] = queue.Queue(MOST_WAITING)
        self._streams, self._kill_at = variables.get("stream_output") is not False, math.inf
        self._facts, self._nursery = dict[str, str](), nursery
        (output, printed), (self._told, told) = os.pipe(), os.pipe()
        self._reader = threading.Thread(target=self._read, args=[output], daemon=True)
        self._reader.start()
        order = {"run": self.run_id, "command": command, "environment": {**given, **own}, "folder": folder}
        try:
            nursery.start(order, printed, told)
        finally:
            os.close(printed)
            os.close(told)
        self._hear()
        if "exit" not in self._facts:  # else nothing more is told, and the pipe is closed
            os.set_blocking(self._told, False)

    @property
    def overran(self) -> bool:
        """Whether the time of the flow's function is up, and it has not ended by itself."""
        return time.monotonic() > float(self._facts.get("limit", math.inf)) + GRACE_SECONDS

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Tell the group to end; if it has not after ``grace`` seconds, it is killed."""
        if self._kill_at == math.inf:
            self._signal(signal.SIGTERM)
        self._kill_at = min(self._kill_at, time.monotonic() + grace)

    def ending(self) -> str | None:
        """How the process ended, in words, once it and all that it has started have."""
        self._hear()
        if "exit" not in self._facts:
            if self.overran or time.monotonic() >= self._kill_at:
                self._signal(signal.SIGKILL)
            return None
        self._reader.join(LOOK_SECONDS)
        if self._reader.is_alive() and time.monotonic() < self._kill_at:
            return None
        if error := self._facts.get("error"):
            return f"could not be started: {error}"
        code = int(self._facts["exit"])
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return how + TOO_SOON

    def output(self) -> Iterator[LogRow]:
        """What was printed since the last call, as lines of the run's log."""
        with suppress(queue.Empty):
            while True:
                yield OUTPUT, INFO, self._lines.get_nowait(), time.time_ns() // 1000, self.run_id, None

    def _hear(self) -> None:
        """Take note of what was told of the process; if there is nobody to tell any more, nothing of it is to stay."""
        if "exit" in self._facts:
            return
        text = ""
        with suppress(BlockingIOError):
            text = os.read(self._told, 4096).decode()
        if not text and self._nursery.has_ended():
            self._signal(signal.SIGKILL)
            text = "exit -9"
        for line in text.splitlines():
            kind, _, self._facts[kind] = line.partition(" ")
        if "exit" in self._facts:
            os.close(self._told)
            self._kill_at = time.monotonic() + READ_SECONDS  # something that left the group may hold the output open

    def _signal(self, sign: signal.Signals) -> None:
        with suppress(ProcessLookupError, KeyError):
            os.killpg(int(self._facts["pid"]), sign)

    def _read(self, output: int) -> None:
        with open(output, errors="backslashreplace") as lines:
            for line in lines:
                if not line.startswith(MARK):
                    self._lines.put(line.rstrip("\n"))
                if self._streams:
                    sys.stderr.write(line.removeprefix(MARK))
