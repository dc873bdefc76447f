"""Deploying: from what files, commands and calls say to the deployments of a store, all of them or none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from orchestration.backend.port import Backend
from orchestration.domain.errors import ConfigurationError, OrchestrationError, UsageError
from orchestration.domain.schedules import document_of, schedule_of, span_meant
from orchestration.domain.schemas.filters import Query, among
from orchestration.domain.schemas.wire import Document
from orchestration.sdk.logs import redact
from orchestration.sdk.projects.entrypoints import load_flow
from orchestration.sdk.projects.files import Said, check_field
from orchestration.sdk.projects.parameter_schema import check_parameters, parameter_schema
from orchestration.sdk.projects.pulling import run_steps
from orchestration.sdk.projects.templating import ALL, BLOCKS, NONE, filled

# By field, what of it is filled in by each run; all else is when it is deployed.
_LEFT = {"pull": ALL, "work_pool": BLOCKS}
_BUILDING = ("build", "push")
_TIMES = ("cron", "interval", "rrule", "timezone", "day_or", "anchor_date")
ENTER = "prefect.deployments.steps.set_working_directory"
LONGEST_SHOWN = 100


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
                check_field(field, said[field])
    with entry.at("entrypoint"):
        flow = flow or load_flow(said["entrypoint"], folder)
    wanted = _document(said, flow)
    given = said.get("schedules", [said["schedule"]] if said.get("schedule") else None)
    with entry.at("schedules" if "schedules" in said else "schedule"):  # those not spoken of stay as they are
        wanted |= {} if given is None else {"schedules": list(map(schedule_document, given))}
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


def schedule_document(said: Any) -> Document:
    """A schedule as a deployment keeps it, from the times and the rest that a file says of it.

    Raises:
        UsageError: no schedule can be made of it.
    """
    if not isinstance(said, dict):
        raise UsageError(f"{said!r} is no schedule; write a mapping with 'cron', 'interval' or 'rrule'.")
    given = {name: value for name, value in said.items() if value is not None}
    for name in ("interval", "max_lateness"):
        span = given.get(name)
        if isinstance(span, str | timedelta):
            given[name] = (span_meant(span) if isinstance(span, str) else span).total_seconds()
    try:
        times = document_of(schedule_of(given))
    except (TypeError, ValueError) as error:
        raise UsageError(f"No schedule can be made of {said}: {error}.") from None
    return {"schedule": times, **{name: value for name, value in given.items() if name not in _TIMES}}
