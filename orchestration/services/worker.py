"""A worker: takes runs of a work pool, lives each in a process of its own, and answers for how they end.

The output of a run's process goes to the run's log, and its whole process group ends with it.
"""

from __future__ import annotations

import json
import math
import os
import platform
import queue
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from orchestration.backend.port import Backend
from orchestration.domain.schemas.runs import Batch, LogRow
from orchestration.domain.schemas.wire import Document
from orchestration.domain.states import StateDetails, StateType, TimedOut
from orchestration.services.loop import LOGGER

# Variables by which the process of a run hears of its claim, and which variables have places to be filled in.
CLAIM, PLACES = "ORCHESTRATION__CLAIM_ID", "ORCHESTRATION__PLACES"
# Begins lines for the worker's console that are in the store already; all others are output to be stored.
MARK = "\x1e"
# The name of the logger that what a process prints is stored under, and the level.
OUTPUT, INFO = "orchestration.flow_runs.output", 20
# That a process has to end when it is told to, or when its flow's time is up; then its group is killed.
GRACE_SECONDS = 10.0
# That the output of a process which has ended may take to be read, and for how long one look at it waits for that.
READ_SECONDS, LOOK_SECONDS = 5.0, 0.05
# Lines that wait to be stored; a process that prints quicker has to wait.
MOST_WAITING = 10_000
# How variables begin that count only when an interpreter starts, which then is not a warm one.
COLD = ("PYTHON", "LD_", "LC_", "LANG", "TZ", "MALLOC_")
# Between two looks at the processes; between two looks for work while there are some, unless one has made room; and
# how long a look for work may take while there are none.
TICK_SECONDS, BUSY_SECONDS, IDLE_SECONDS = 0.05, 0.3, 2.0
# Between two renewals of all leases, which also tell of runs that are to be cancelled.
RENEW_SECONDS = 2.0
HEARTBEAT_SECONDS = 30
TOO_LONG = "The time limit of the flow was exceeded, and its code did not stop by itself: the process was killed."
# Runs at a time, where nobody limits them; and how many are started before the leases of others are renewed.
MOST_RUNS, MOST_AT_ONCE = 100, 5


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
        return f"{how} before the run had ended"

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


@dataclass(eq=False)
class Worker:
    """Its ``tick`` is to be called until it has ``ended``; once it is to ``stop``, it starts no further runs."""

    backend: Backend
    pool: Document
    home: Path
    queues: Sequence[str] = ()
    limit: int | None = None
    name: str | None = None
    once: bool = False

    def __post_init__(self) -> None:
        self._name = self.name or f"worker-{platform.node()}-{os.getpid()}"
        self._runs: list[Supervised] = []
        self._nursery = Nursery()
        self._renew_at = self._take_at = self._alive_until = 0.0
        self.stop, self.ended = threading.Event(), threading.Event()

    def stop_at_once(self) -> None:
        """End the runs that are under way, too; the retries of their flows apply."""
        self.stop.set()
        for each in list(self._runs):
            each.stop()

    def tick(self, now: datetime) -> float:
        """Look after the runs, and take new ones; the seconds until the next time."""
        for each in self._runs:
            each.ending()  # those whose time is up are ended, whether or not the store answers
        if time.monotonic() >= self._alive_until:
            self._alive_until = time.monotonic() + HEARTBEAT_SECONDS
            worker = {"work_pool_id": self.pool["id"], "name": self._name, "last_heartbeat_time": now}
            self.backend.create("workers", {**worker, "heartbeat_interval_seconds": HEARTBEAT_SECONDS}, overwrite=True)
        if self._runs and time.monotonic() >= self._renew_at:
            self._renew_at = time.monotonic() + RENEW_SECONDS
            self._renew()
        for each in list(self._runs):
            self._follow(each)
        if not self.stop.is_set() and time.monotonic() >= self._take_at:
            self._take()
        if self.stop.is_set() and not self._runs:
            self._nursery.close()
            self.ended.set()
        return TICK_SECONDS

    def _take(self) -> None:
        """Start the runs that there is room for, or give them back when the worker was stopped meanwhile."""
        room = (self.limit or MOST_RUNS) - len(self._runs)
        wait = 0.0 if self._runs or self.once else IDLE_SECONDS
        most = room if self.once else min(room, MOST_AT_ONCE)
        wanted = UUID(self.pool["id"]), self.queues, most, self._name, wait
        found = self.backend.claim_runs(*wanted) if room else []
        if found and self._nursery.has_ended():  # it was killed
            self._nursery.close()
            self._nursery = Nursery()
        for run in found:
            try:
                if self.stop.is_set():
                    self.backend.end_claim(UUID(run["claim_id"]))
                else:
                    self._runs.append(Supervised(run, self._variables(run), self._nursery))
                    LOGGER.info("Started flow run %r.", run["name"])
            except (OSError, ValueError) as error:
                self.backend.end_claim(UUID(run["claim_id"]), f"The process of this run could not be started: {error}")
        self._take_at = time.monotonic() + (BUSY_SECONDS if self._runs and len(found) < most else 0.0)
        if self.once:
            self.stop.set()

    def _variables(self, run: Document) -> dict[str, Any]:
        """The job variables of a run: its own before its deployment's, and these before what the pool says."""
        known = (self.pool["base_job_template"].get("variables") or {}).get("properties") or {}
        deployment = self.backend.read("deployments", id=run["deployment_id"]) if run["deployment_id"] else {}
        defaults = {name: about.get("default") for name, about in known.items()}
        return {**defaults, **(deployment.get("job_variables") or {}), **(run["job_variables"] or {})}

    def _renew(self) -> None:
        held = self.backend.renew_claims([each.claim_id for each in self._runs])
        for each in self._runs:
            if each.claim_id not in held:  # it was given up for dead, and another worker may have it
                each.stop(grace=0)
            elif held[each.claim_id] in (StateType.CANCELLING, StateType.CANCELLED):
                each.stop()

    def _follow(self, each: Supervised) -> None:
        """Store what a run's process printed; when it has ended, so has the claim."""
        ending = each.ending()
        if printed := list(each.output()):
            self.backend.record(Batch((), printed))
        if ending is not None:
            if each.overran:
                late = TimedOut(TOO_LONG, details=StateDetails(claim_id=each.claim_id))
                self.backend.propose_flow_run_state(UUID(each.run_id), late)
            self.backend.end_claim(each.claim_id, f"The process of this run {ending}.")
            self._runs.remove(each)
            self._take_at = 0.0
            shutil.rmtree(folder_of(self.home, each.run_id), ignore_errors=True)
            LOGGER.info("The process of flow run %r %s.", each.name, ending)
