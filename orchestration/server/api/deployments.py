"""Deployments, their schedules, and the runs that they give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, HTTPException
from pydantic import Field, create_model

from orchestration.backend.clock import utc_now
from orchestration.backend.deployments import run_of_slot
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.schedules import schedule_of
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document, moment_text
from orchestration.server import work_bodies as bodies
from orchestration.server.answers import Json
from orchestration.server.bodies import MOST_AT_ONCE, Limited
from orchestration.server.parameters import check_parameters
from orchestration.server.routes import (
    RUN_FILTERS,
    BackendOf,
    add,
    add_listings,
    add_one,
    filter_model,
    is_new,
    where_of,
)
from orchestration.server.values import Lenient

HORIZON = timedelta(days=100)
"""How far ahead runs are planned, how many, and at least how many and for how long; as with Prefect."""
MOST_RUNS, LEAST_RUNS, LEAST_TIME = 100, 3, timedelta(hours=1)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""No run is planned for later than that, where dates come to their end."""

router = APIRouter(prefix="/deployments", tags=["Deployments"])
add_listings(router, "deployments", RUN_FILTERS, pages=True)


@router.post("/", response_model=None)
def create_deployment(body: bodies.DeploymentCreate, backend: BackendOf) -> Json:
    """Store a deployment, or change the one of that flow and name; schedules that are not named stay as they are."""
    began, document = utc_now(), body.whole()
    if "schedules" not in body.model_fields_set:
        del document["schedules"]
    try:
        flow = backend.read("flows", id=body.flow_id)
    except ObjectNotFound as error:
        raise HTTPException(409, str(error)) from None
    document["labels"] = {"prefect.flow.id": flow["id"], **(body.labels or {})}
    stored = backend.create("deployments", document, overwrite=True)
    return Json(stored, 201 if is_new(stored, began) else 200)


@router.get("/name/{flow_name}/{deployment_name}", response_model=None)
def read_deployment_by_name(flow_name: str, deployment_name: str, backend: BackendOf) -> Json:
    """The deployment of that name of the flow of that name."""
    flow = backend.read("flows", name=flow_name)
    return Json(backend.read("deployments", flow_id=flow["id"], name=deployment_name))


@router.patch("/{id:uuid}", status_code=204, response_model=None)
def change_deployment(id: UUID, body: bodies.DeploymentUpdate, backend: BackendOf) -> None:
    """Change a deployment."""
    changes = body.given()
    if "parameters" in changes:
        check_parameters({**backend.read("deployments", id=id), **changes}, {})
    backend.change("deployments", changes, id=id)


add_one(router, "deployments")


def pause(backend: Backend, keys: Mapping[str, Any], _body: None) -> None:
    """Let no schedule of a deployment make runs."""
    backend.change("deployments", {"paused": True}, **keys)


def resume(backend: Backend, keys: Mapping[str, Any], _body: None) -> None:
    """Let its schedules make runs again."""
    backend.change("deployments", {"paused": False}, **keys)


add(router, "POST", "/{id:uuid}/pause_deployment", pause)
add(router, "POST", "/{id:uuid}/resume_deployment", resume)


@router.get("/{id:uuid}/work_queue_check", response_model=None)
def work_queue_check(id: UUID, backend: BackendOf) -> Json:
    """The queue that workers must ask for the runs of a deployment."""
    queue_id = backend.read("deployments", id=id)["work_queue_id"]
    return Json([backend.read("work_queues", id=queue_id)] if queue_id else [])


def bulk_delete(backend: Backend, _keys: Mapping[str, Any], body: Any) -> Document:
    """Remove the deployments that a filter lets through."""
    found = [each["id"] for each in backend.find("deployments", Query(where_of(body), limit=body.limit))]
    for each in found:
        backend.delete("deployments", id=each)
    return {"deleted": found}


_LIMITED: Any = (Limited, MOST_AT_ONCE)
_CHOSEN: Any = (filter_model("deployments") | None, None)
_DELETION = create_model("DeploymentsToDelete", __base__=Lenient, deployments=_CHOSEN, limit=_LIMITED)
add(router, "POST", "/bulk_delete", bulk_delete, body=_DELETION)


# -- runs ------------------------------------------------------------------------------------------------------------


@router.post("/{id:uuid}/create_flow_run", status_code=201, response_model=None)
def create_run(id: UUID, body: bodies.RunOfDeployment, backend: BackendOf) -> Json:
    """A run of a deployment; the one that the idempotency key made before where there is one."""
    began, deployment = utc_now(), backend.read("deployments", id=id)
    run_id = _create_run(backend, deployment, body)
    run = backend.read("flow_runs", id=run_id)
    return Json(run, 201 if is_new(run, began) else 200)


@router.post("/{id:uuid}/create_flow_run/bulk", response_model=None)
def create_runs(
    id: UUID, body: Annotated[list[bodies.RunOfDeployment], Field(max_length=MOST_AT_ONCE), Body()], backend: BackendOf
) -> Json:
    """Runs of a deployment; one that cannot be made hinders no other."""
    deployment, results = backend.read("deployments", id=id), []
    for wanted in body:
        try:
            made = str(_create_run(backend, deployment, wanted))
            results.append({"flow_run_id": made, "status": "CREATED", "error": None})
        except HTTPException as error:
            results.append({"flow_run_id": None, "status": "FAILED", "error": error.detail})
    return Json({"results": results})


def _create_run(backend: Backend, deployment: Document, body: bodies.RunOfDeployment) -> UUID:
    check_parameters(deployment, body.parameters, body.enforce_parameter_schema)
    wanted = body.whole()
    if body.work_queue_name:
        keys = {"work_pool_id": deployment["work_queue_work_pool_id"], "name": body.work_queue_name}
        wanted["work_queue_id"] = backend.read("work_queues", **keys)["id"]
    return backend.create_run_of_deployment(UUID(deployment["id"]), wanted).id


@router.post("/get_scheduled_flow_runs", response_model=None)
def scheduled_runs(body: bodies.ScheduledRuns, backend: BackendOf) -> Json:
    """Runs of these deployments that are due by then, the earliest first; for processes that serve flows."""
    ids = [str(each) for each in body.deployment_ids]
    due = {"before_": moment_text(body.scheduled_before)} if body.scheduled_before else {"is_null_": False}
    where = {
        "deployment_id": {"any_": ids},
        "state": {"type": {"any_": ["SCHEDULED"]}},
        "next_scheduled_start_time": due,
    }
    for each in ids:
        backend.change("deployments", {"last_polled": utc_now()}, id=each)
    return Json(backend.find("flow_runs", Query({"flow_runs": where}, "NEXT_SCHEDULED_START_TIME_ASC", body.limit)))


@router.post("/{id:uuid}/schedule", response_model=None)
def plan_runs(id: UUID, backend: BackendOf, body: bodies.SlotsOfSchedule | None = None) -> Json:
    """Make runs of the coming slots of a deployment's schedules."""
    deployment, asked = backend.read("deployments", id=id), body or bodies.SlotsOfSchedule()
    for schedule in deployment["schedules"]:
        if schedule["active"]:
            for wanted in _planned(deployment, schedule, asked):
                backend.create_run_of_deployment(id, wanted)
    return Json(None)


def _planned(deployment: Document, schedule: Document, asked: bodies.SlotsOfSchedule) -> Iterator[Document]:
    start = min(asked.start_time or utc_now(), LATEST)
    end = asked.end_time or start + HORIZON
    most = MOST_RUNS if asked.max_runs is None else asked.max_runs
    least = LEAST_RUNS if asked.min_runs is None else asked.min_runs
    enough = start + (LEAST_TIME if asked.min_time is None else timedelta(seconds=asked.min_time))
    for slot in schedule_of(schedule["schedule"]).upcoming(start, most):
        if slot > end or (least <= 0 and slot > enough):
            return
        least -= 1
        yield run_of_slot(deployment, schedule, slot)


# -- schedules -------------------------------------------------------------------------------------------------------


@router.get("/{id:uuid}/schedules", response_model=None)
def read_schedules(id: UUID, backend: BackendOf) -> Json:
    """The schedules of a deployment."""
    return Json(backend.read("deployments", id=id)["schedules"])


@router.post("/{id:uuid}/schedules", status_code=201, response_model=None)
def create_schedules(
    id: UUID, body: Annotated[list[bodies.ScheduleCreate], Field(max_length=MOST_AT_ONCE), Body()], backend: BackendOf
) -> Json:
    """Give a deployment further schedules."""
    taken = {each["slug"] for each in backend.read("deployments", id=id)["schedules"]} - {None}
    for given in body:
        if given.slug in taken:
            raise ObjectAlreadyExists(f"The deployment has a schedule {given.slug!r} already.")
        taken |= {given.slug} - {None}
    return Json([backend.create("schedules", {**given.whole(), "deployment_id": id}) for given in body], 201)


@router.patch("/{deployment_id:uuid}/schedules/{id:uuid}", status_code=204, response_model=None)
def change_schedule(deployment_id: UUID, id: UUID, body: bodies.ScheduleUpdate, backend: BackendOf) -> None:
    """Change a schedule."""
    given = {name: value for name, value in body.given().items() if value is not None or name != "schedule"}
    backend.change("schedules", given, id=id, deployment_id=deployment_id)


@router.delete("/{deployment_id:uuid}/schedules/{id:uuid}", status_code=204, response_model=None)
def delete_schedule(deployment_id: UUID, id: UUID, backend: BackendOf) -> None:
    """Remove a schedule, with the runs that it planned."""
    backend.delete("schedules", id=id, deployment_id=deployment_id)
