"""Deployments made from code: ``flow.deploy``, ``flow.serve``, ``serve``, ``flow.from_source`` and schedules."""

from __future__ import annotations

import inspect
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from copy import copy
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from uuid import UUID

from orchestration.domain.errors import UsageError
from orchestration.domain.schemas.wire import Document, moment_text
from orchestration.sdk.awaiting import termination_as_exit
from orchestration.sdk.projects.deploying import ENTER, planned, save
from orchestration.sdk.projects.entrypoints import load_flow
from orchestration.sdk.projects.files import FIELDS, Said
from orchestration.sdk.projects.git import GitRepository
from orchestration.sdk.runtime import current_session

_KINDS = ("cron", "interval", "rrule")
_POOL = ("work_pool_name", "work_queue_name", "job_variables")
# What Prefect's calls take and means nothing here.
_IGNORED = ("build", "push", "entrypoint_type", "print_next_steps", "ignore_warnings", "webserver", "global_limit")


def Cron(cron: str, /, timezone: str | None = None, **more: Any) -> Document:
    """A schedule by cron expression; ``more`` may be ``day_or``, ``active``, ``parameters`` and ``slug``."""
    return {"cron": cron, "timezone": timezone, **more}


def Interval(interval: timedelta | float, /, anchor_date: datetime | None = None, **more: Any) -> Document:
    """A schedule by interval, in seconds where it is a number; ``more`` as of ``Cron``, and ``timezone``."""
    return {"interval": interval, "anchor_date": moment_text(anchor_date), **more}


def RRule(rrule: str, /, timezone: str | None = None, **more: Any) -> Document:
    """A schedule by RRULE; ``more`` as of ``Cron``."""
    return {"rrule": rrule, "timezone": timezone, **more}


class FlowDeployment(NamedTuple):
    """A flow and what a deployment of it is to be, for ``serve``."""

    flow: Any
    said: Document

    def deploy(self, **more: Any) -> UUID:
        """Deploy it; the id of the deployment."""
        entry, backend = _entry(self.flow, {**self.said, **more}), current_session().backend
        return save(backend, [planned(backend, entry, Path.cwd(), self.flow)])[0]


def serve(*served: FlowDeployment, pause_on_shutdown: bool = True, limit: int | None = None, **_: Any) -> None:
    """Deploy flows and run what is asked of them in this folder, until this process is interrupted.

    Their work pool belongs to this host and folder; a worker of it is the child of this process.
    """
    backend, folder = current_session().backend, Path.cwd()
    pool = f"serve-{sha256(f'{socket.gethostname()} {folder}'.encode()).hexdigest()[:12]}"
    backend.create("work_pools", {"name": pool, "type": "process"}, overwrite=True)
    made = [each.deploy(work_pool_name=pool, paused=each.said.get("paused", False)) for each in served]
    command = [sys.executable, "-m", "orchestration.cli", "worker", "start", "--pool", pool]
    with termination_as_exit(is_outermost=True), suppress(KeyboardInterrupt):
        worker = subprocess.Popen([*command, *(["--limit", str(limit)] if limit else [])])  # noqa: S603 - it is ours
        try:
            worker.wait()
        finally:
            worker.terminate()
            worker.wait()
            for deployment_id in made if pause_on_shutdown else ():
                backend.change("deployments", {"paused": True}, id=str(deployment_id))


def flow_from_source(source: Any, entrypoint: str) -> Any:
    """The flow of an entrypoint in a folder or a repository; its deployments take their code from there.

    Raises:
        ConfigurationError: there is no such flow.
        GitError: the repository could not be cloned.
    """
    repository = source if isinstance(source, GitRepository) else GitRepository(str(source))
    with TemporaryDirectory(prefix="flow-") as folder:
        if repository is source or "://" in str(source) or "@" in str(source):
            code = repository.clone(Path(folder) / "code", current_session().settings.home)
            step = repository.to_pull_step()
        else:
            code = Path(source).expanduser().resolve()
            step = {ENTER: {"directory": str(code)}}
        flow = copy(load_flow(entrypoint, code))
    flow._source = {"entrypoint": entrypoint, "pull": [step]}
    return flow


def _entry(flow: Any, said: Mapping[str, Any]) -> Said:
    """What a call says of a deployment, as a file would say it."""
    given = {name: value for name, value in said.items() if value is not None and name not in _IGNORED}
    schedules = [*given.pop("schedules", ()), *([given.pop("schedule")] if "schedule" in given else ())]
    for kind in _KINDS:
        times = given.pop(kind, [])
        schedules += [{kind: each} for each in (times if isinstance(times, list | tuple) else [times])]
    if schedules or said.get("schedules") is not None:
        given["schedules"] = schedules
    given["work_pool"] = {name.removeprefix("work_pool_"): given.pop(name) for name in _POOL if name in given}
    if unknown := given.keys() - FIELDS.keys():
        raise UsageError(f"A deployment made from code takes no {min(unknown)!r}.")
    return Said({**(flow._source or {"entrypoint": _entrypoint_of(flow)}), **given})


def _entrypoint_of(flow: Any) -> str:
    fn = inspect.unwrap(flow.fn)
    file = Path(fn.__code__.co_filename).resolve()
    if not file.is_file():
        raise UsageError(f"The flow {flow.name!r} is in no file, so no other process can load it.")
    path = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return f"{path}:{fn.__qualname__}"
