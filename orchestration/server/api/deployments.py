"""Deployments, their schedules, and the runs that they give."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists
from orchestration.domain.schemas.filters import Query, among
from orchestration.domain.schemas.wire import Document, moment_text
from orchestration.server import work_bodies as bodies
from orchestration.server.answers import Json
from orchestration.server.parameters import check_known, check_parameters
from orchestration.server.routes import RUN_FILTERS, Keys, add, add_listings, add_one, is_new

ONE, SCHEDULES = "/{id:uuid}", "/{deployment_id:uuid}/schedules"

router = APIRouter(prefix="/deployments", tags=["Deployments"])


def create_deployment(backend: Backend, _keys: Keys, body: Any) -> Json:
    """Store a deployment, or change the one of that flow and name; schedules that are not named stay as they are."""
    began, document = utc_now(), body.whole()
    check_known(backend, flows=body.flow_id)
    document["labels"] = {"prefect.flow.id": str(body.flow_id), **(body.labels or {})}
    if "schedules" not in body.model_fields_set:
        del document["schedules"]
    stored = backend.create("deployments", document, overwrite=True)
    return Json(stored, 201 if is_new(stored, began) else 200)


def _by_names(backend: Backend, keys: Keys) -> Keys:
    """The deployment of that name of the flow of that name."""
    return {"flow_id": backend.read("flows", name=keys["flow_name"])["id"], "name": keys["name"]}


def change_deployment(backend: Backend, keys: Keys, body: Any) -> None:
    """Change a deployment."""
    changes = body.given()
    if "parameters" in changes:
        check_parameters({**backend.read("deployments", **keys), **changes}, {})
    backend.change("deployments", changes, **keys)


def pause_deployment(backend: Backend, keys: Keys, _body: None) -> None:
    """Let no schedule of a deployment make runs."""
    backend.change("deployments", {"paused": True}, **keys)


def resume_deployment(backend: Backend, keys: Keys, _body: None) -> None:
    """Let its schedules make runs again."""
    backend.change("deployments", {"paused": False}, **keys)


# -- runs ------------------------------------------------------------------------------------------------------------


def create_run(backend: Backend, keys: Keys, body: Any) -> Json:
    """A run of a deployment; the one that the idempotency key made before where there is one."""
    began, deployment, wanted = utc_now(), backend.read("deployments", **keys), body.whole()
    check_parameters(deployment, body.parameters, body.enforce_parameter_schema)
    if body.work_queue_name:
        queue = {"work_pool_id": deployment["work_queue_work_pool_id"], "name": body.work_queue_name}
        wanted["work_queue_id"] = backend.read("work_queues", **queue)["id"]
    run = backend.read("flow_runs", id=backend.create_run_of_deployment(keys["id"], wanted).id)
    return Json(run, 201 if is_new(run, began) else 200)


def scheduled_runs(backend: Backend, _keys: Keys, body: Any) -> list[Document]:
    """Runs of these deployments that are due by then, the earliest first; for processes that serve flows."""
    due = {"before_": moment_text(body.scheduled_before)} if body.scheduled_before else {"is_null_": False}
    where = among("flow_runs", deployment_id=body.deployment_ids, state_type=["SCHEDULED"])
    where["flow_runs"]["next_scheduled_start_time"] = due
    for each in body.deployment_ids:
        backend.change("deployments", {"last_polled": utc_now()}, id=each)
    return backend.find("flow_runs", Query(where, "NEXT_SCHEDULED_START_TIME_ASC", body.limit))


# -- schedules -------------------------------------------------------------------------------------------------------


def read_schedules(backend: Backend, keys: Keys, _body: None) -> list[Document]:
    """The schedules of a deployment."""
    return list(backend.read("deployments", id=keys["deployment_id"])["schedules"])


def create_schedules(backend: Backend, keys: Keys, body: Any) -> list[Document]:
    """Give a deployment further schedules."""
    slugs = [each["slug"] for each in read_schedules(backend, keys, None)] + [given.slug for given in body.root]
    for slug in slugs:
        if slug is not None and slugs.count(slug) > 1:
            raise ObjectAlreadyExists(f"The deployment has a schedule {slug!r} already.")
    return [backend.create("schedules", {**given.whole(), **keys}) for given in body.root]


add_listings(router, "deployments", RUN_FILTERS, pages=True)
add_one(router, "deployments", ONE)
add(router, "POST", "/", create_deployment, body=bodies.DeploymentCreate, status=201)
add_one(router, "deployments", "/name/{flow_name}/{name}", locate=_by_names, remove=False)
add(router, "PATCH", ONE, change_deployment, body=bodies.DeploymentUpdate, status=204)
add(router, "POST", f"{ONE}/pause_deployment", pause_deployment)
add(router, "POST", f"{ONE}/resume_deployment", resume_deployment)
add(router, "POST", f"{ONE}/create_flow_run", create_run, body=bodies.RunOfDeployment, status=201)
add(router, "POST", "/get_scheduled_flow_runs", scheduled_runs, body=bodies.ScheduledRuns)
add(router, "GET", SCHEDULES, read_schedules)
add(router, "POST", SCHEDULES, create_schedules, body=bodies.SchedulesCreate, status=201)
add_one(router, "schedules", f"{SCHEDULES}/{{id:uuid}}", bodies.ScheduleUpdate)
