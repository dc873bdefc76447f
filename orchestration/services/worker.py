"""A worker: takes runs of a work pool, lives each in a process of its own, and answers for how they end."""

import os
import platform
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from orchestration.backend.port import Backend
from orchestration.domain.schemas.runs import Batch
from orchestration.domain.schemas.wire import Document
from orchestration.domain.states import StateDetails, StateType, TimedOut
from orchestration.services.loop import LOGGER
from orchestration.services.supervisor import TOO_SOON, Nursery, Supervised, folder_of

# Between two looks at the processes; between two looks for work while there are some, unless one has made room; and
# how long a look for work may take while there are none.
TICK_SECONDS, BUSY_SECONDS, IDLE_SECONDS = 0.05, 0.3, 2.0
# Between two renewals of all leases, which also tell of runs that are to be cancelled.
RENEW_SECONDS = 2.0
HEARTBEAT_SECONDS = 30
TOO_LONG = "The time limit of the flow was exceeded, and its code did not stop by itself: the process was killed."
# Runs at a time, where nobody limits them; and how many are started before the leases of others are renewed.
MOST_RUNS, MOST_AT_ONCE = 100, 5


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
            LOGGER.info("The process of flow run %r %s.", each.name, ending.removesuffix(TOO_SOON))
