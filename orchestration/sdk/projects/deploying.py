"""Deploying: from what files, commands and calls say to the deployments of a store, all of them or none.

Deployments made from code: ``flow.deploy``, ``flow.serve``, ``serve``, ``flow.from_source`` and schedules.

``run_deployment``: ask for a run of a deployment, and wait for it.
"""

import inspect
import json
import math
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ConfigurationError, OrchestrationError, UsageError
from orchestration.domain.schedules import document_of, schedule_of
from orchestration.domain.schemas.filters import Query, among
from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.schemas.wire import Document, moment_text, state_document
from orchestration.domain.states import Scheduled
from orchestration.sdk import task_engine
from orchestration.sdk.awaiting import awaited, either, termination_as_exit
from orchestration.sdk.context import current_session
from orchestration.sdk.logs import redact, started_session
from orchestration.sdk.parameters import describe
from orchestration.sdk.projects.files import Said, check_parameters, parameter_schema
from orchestration.sdk.projects.git import GitRepository
from orchestration.sdk.projects.pulling import ALL, BLOCKS, NONE, filled, load_flow, run_steps

# By field, what of it is filled in by each run; all else is when it is deployed.
_LEFT = {"pull": ALL, "work_pool": BLOCKS}
_BUILDING = ("build", "push")
ENTER = "prefect.deployments.steps.set_working_directory"
LONGEST_SHOWN = 100
# Seconds until a worker or a run is looked at again; a run then less and less often, up to the interval asked for.
FIRST_PAUSE = 0.1


class Plan(NamedTuple):
    """What a deployment is to be, and what it is now, if it is there."""

    wanted: Document
    known: Document | None

    @property
    def name(self) -> str:
        """How people call it."""
        return f"{self.wanted['flow_name']}/{self.wanted['name']}"

    @property
    def what(self) -> str:
        """What becomes of it."""
        return "new" if self.known is None else "changed" if any(self.differences()) else "as it was"

    def differences(self) -> Iterator[str]:
        """A line for each field that would become another."""
        for field, value in list(self.wanted.items())[2:]:  # after its names
            before = (self.known or {}).get(field)
            if field == "schedules" and before:  # without what the store gives each of them, and in any order
                names = ("schedule", *(name for each in value for name in each))
                before = [{name: each[name] for name in dict.fromkeys(names) if name in each} for each in before]
            if (before or None) != (value or None):
                yield f"{field}: {f'{_shown(before)} -> ' if self.known else ''}{_shown(value)}"


def _shown(value: Any) -> str:
    text = redact(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def planned(backend: Backend, entry: Said, folder: Path, flow: Any = None, is_dry: bool = False) -> Plan:
    """What an entry of a project makes of its deployment; nothing is written yet, but its build steps have run.

    Raises:
        ConfigurationError: it cannot be honoured.
    """
    building = [step for kind in _BUILDING for step in entry.data.get(kind, ())]
    outputs, unknown = ({}, ALL) if is_dry and building else (run_steps(building, folder), NONE)
    said: Document = {"pull": [{ENTER: {"directory": str(folder)}}]}
    for field, value in entry.data.items():
        if field not in _BUILDING:
            with entry.at(field):
                said[field] = filled(value, outputs, _LEFT.get(field, unknown))
    replace(entry, data=said).check()
    with entry.at("entrypoint"):
        flow = flow or load_flow(said["entrypoint"], folder)
    wanted = _document(said, flow)
    given = said.get("schedules", [said["schedule"]] if said.get("schedule") else None)
    with entry.at("schedules" if "schedules" in said else "schedule"):  # those not spoken of stay as they are
        wanted |= {} if given is None else {"schedules": list(map(schedule_document, given))}
        for each in wanted.get("schedules", ()):
            check_parameters(wanted["parameter_openapi_schema"], each.get("parameters") or {})
    with entry.at("parameters"):
        check_parameters(wanted["parameter_openapi_schema"], wanted["parameters"])
    with entry.at("work_pool"):
        if not (pool := wanted["work_pool_name"]) or not backend.count("work_pools", among("work_pools", name=[pool])):
            make = f"`orchestrate work-pool create --type process {pool or 'NAME'}`"
            raise ConfigurationError(f"There is no work pool {pool or ''!r}; make it with {make}, and name it here.")
    where = {**among("flows", name=[flow.name]), **among("deployments", name=[said["name"]])}
    return Plan(wanted, next(iter(backend.find("deployments", Query(where))), None))


def save(backend: Backend, plans: Sequence[Plan]) -> list[UUID]:
    """Write what is planned; the ids of the deployments. What cannot be written whole is taken back."""
    made: list[UUID] = []
    try:
        for plan in plans:
            made.append(_write(backend, {**({"paused": plan.known["paused"]} if plan.known else {}), **plan.wanted}))
    except OrchestrationError:
        for (wanted, known), deployment_id in zip(plans, made, strict=False):
            if known is None:
                backend.delete("deployments", id=str(deployment_id))
            else:
                names = {"flow_name": wanted["flow_name"], "schedules": known["schedules"], "paused": known["paused"]}
                _write(backend, {**{field: known.get(field) for field in wanted}, **names})
        raise
    return made


def _write(backend: Backend, wanted: Document) -> UUID:
    flow = backend.create("flows", {"name": wanted["flow_name"]}, overwrite=True)
    whole = {**wanted, "flow_id": flow["id"]}
    del whole["flow_name"]
    return UUID(backend.create("deployments", whole, overwrite=True)["id"])


def _document(said: Mapping[str, Any], flow: Any) -> Document:
    pool, limit, tags = said.get("work_pool") or {}, said.get("concurrency_limit"), said.get("tags") or []
    options = limit if isinstance(limit, dict) else {"limit": limit}
    version = said.get("version", flow.version)
    return {
        "flow_name": flow.name, "name": said["name"], "entrypoint": said["entrypoint"], "pull_steps": said["pull"],
        "description": said.get("description", flow.description), "version": version and str(version),
        "tags": [tags] if isinstance(tags, str) else tags, "parameters": said.get("parameters") or {},
        "parameter_openapi_schema": parameter_schema(flow.fn),
        "enforce_parameter_schema": said.get("enforce_parameter_schema", True),
        "work_pool_name": pool.get("name"), "work_queue_name": pool.get("work_queue_name") or "default",
        "job_variables": pool.get("job_variables") or {}, "concurrency_limit": options.get("limit"),
        "concurrency_options": {name: of for name, of in options.items() if name != "limit"} or None,
        **({"paused": said["paused"]} if "paused" in said else {}),
    }  # fmt: skip


def schedule_document(said: Mapping[str, Any]) -> Document:
    """A schedule as a deployment keeps it, from the times and the rest that a file says of it.

    Raises:
        UsageError: no schedule can be made of it.
    """
    given = {name: value for name, value in said.items() if value is not None}
    try:
        times = document_of(schedule_of(given))
    except (TypeError, ValueError) as error:
        raise UsageError(f"No schedule can be made of {said}: {error}.") from None
    return {"schedule": times, **{name: value for name, value in given.items() if name not in times}}


_POOL = ("work_pool_name", "work_queue_name", "job_variables")
# What Prefect's calls take and means nothing here.
_IGNORED = ("build", "push", "entrypoint_type", "print_next_steps", "ignore_warnings", "webserver", "global_limit")


def Cron(cron: str, /, timezone: str | None = None, **more: Any) -> Document:
    """A schedule by cron expression; ``more`` may be ``day_or``, ``active``, ``parameters`` and ``slug``."""
    return {"cron": cron, "timezone": timezone, **more}


def Interval(interval: timedelta | float, /, anchor_date: datetime | None = None, **more: Any) -> Document:
    """A schedule by interval, in seconds where it is a number; ``more`` as of ``Cron``, and ``timezone``."""
    seconds = interval.total_seconds() if isinstance(interval, timedelta) else interval
    return {"interval": seconds, "anchor_date": moment_text(anchor_date), **more}


def RRule(rrule: str, /, timezone: str | None = None, **more: Any) -> Document:
    """A schedule by RRULE; ``more`` as of ``Cron``."""
    return {"rrule": rrule, "timezone": timezone, **more}


_KINDS: Mapping[str, Callable[..., Document]] = {"cron": Cron, "interval": Interval, "rrule": RRule}


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
    pool = f"serve-{uuid5(NAMESPACE_URL, f'//{socket.gethostname()}{folder}').hex[:12]}"
    backend.create("work_pools", {"name": pool, "type": "process"}, overwrite=True)
    made = [each.deploy(work_pool_name=pool, paused=each.said.get("paused", False)) for each in served]
    command = [sys.executable, "-m", "orchestration.cli", "worker", "start", "--pool", pool]
    with termination_as_exit(is_outermost=True), suppress(KeyboardInterrupt):
        worker = subprocess.Popen([*command, *(["--limit", str(limit)] if limit else [])])  # noqa: S603 - it is ours
        try:
            while worker.poll() is None:  # a signal that came just before a long wait would wait as well
                time.sleep(FIRST_PAUSE)
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
    for kind, schedule in _KINDS.items():
        times = given.pop(kind, [])
        schedules += map(schedule, times if isinstance(times, list | tuple) else [times])
    if schedules or said.get("schedules") is not None:
        given["schedules"] = schedules
    given["work_pool"] = {name.removeprefix("work_pool_"): given.pop(name) for name in _POOL if name in given}
    return Said({**(flow._source or {"entrypoint": _entrypoint_of(flow)}), **given})


def _entrypoint_of(flow: Any) -> str:
    fn = inspect.unwrap(flow.fn)
    file = Path(fn.__code__.co_filename).resolve()
    if not file.is_file():
        raise UsageError(f"The flow {flow.name!r} is in no file, so no other process can load it.")
    path = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return f"{path}:{fn.__qualname__}"


def _run_deployment(
    name: str | UUID, client: Any = None, parameters: Mapping[str, Any] | None = None,
    scheduled_time: datetime | None = None, flow_run_name: str | None = None, timeout: float | None = None,
    poll_interval: float = 5, tags: Iterable[str] | None = None, idempotency_key: str | None = None,
    work_queue_name: str | None = None, as_subflow: bool = True, job_variables: Mapping[str, Any] | None = None,
) -> FlowRun:  # fmt: skip
    """Ask for a run of a deployment, given as ``flow/deployment`` or by its id, and wait for its end.

    Inside a flow it is a part of that flow's run, unless ``as_subflow`` is false. After ``timeout`` seconds, 0 for at
    once, the run is given back as it then is.

    Raises:
        ObjectNotFound: there is no such deployment.
        UsageError: it takes no such parameters.
    """
    session, given = started_session(), describe(parameters or {})
    backend = session.backend
    flow_name, _, own_name = str(name).partition("/")
    keys = {"flow_name": flow_name, "name": own_name} if own_name else {"id": flow_name}
    deployment = {"flow_name": flow_name, **backend.read("deployments", **keys)}
    check_parameters(deployment.get("parameter_openapi_schema") or {}, given)
    called = SimpleNamespace(name=f"{deployment['flow_name']}/{deployment['name']}")
    parent = task_engine.new_parent(called, given) if as_subflow else None
    wanted = {
        "parameters": given, "state": state_document(Scheduled(scheduled_time or utc_now())), "tags": list(tags or ()),
        "name": flow_run_name, "idempotency_key": idempotency_key, "job_variables": job_variables,
        "parent_task_run_id": parent and str(parent.id), "work_queue_name": work_queue_name,
    }  # fmt: skip
    session.recorder.flush()
    run = backend.create_run_of_deployment(UUID(deployment["id"]), {k: v for k, v in wanted.items() if v is not None})
    end, pause, told = time.monotonic() + (math.inf if timeout is None else timeout), FIRST_PAUSE, None
    while True:
        if parent and run.state and run.state_id != told:
            told = run.state_id
            task_engine.mirror(parent, session, run.state, run.id)
        if (run.state and run.state.is_final()) or time.monotonic() >= end:
            return run
        time.sleep(max(0.0, min(pause, poll_interval, end - time.monotonic())))
        pause, run = pause * 2, backend.flow_run(run.id)


run_deployment, arun_deployment = either(_run_deployment), awaited(_run_deployment)
