"""Deployments with their schedules, and work pools with their queues, workers and claims: what runs come from."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request, WebSocket, WebSocketDisconnect, WebSocketException
from starlette.concurrency import run_in_threadpool

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound, OrchestrationError
from orchestration.domain.schemas.filters import Query, among
from orchestration.domain.schemas.wire import Document, moment_of, moment_text
from orchestration.server.api.documents import Keys, check_known
from orchestration.server.api.events import PROTOCOL_ERROR, REFUSED, accept, next_message
from orchestration.server.models import Json, kind_of

DAWN, EVER = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
# Between two looks for runs that are due: one read of an index, which holds neither a thread nor a connection.
POLL_SECONDS = 0.1
# What the channel of a worker speaks.
VERSION = "work_pool_worker_channel.v1"
OFFERED = frozenset({"worker_heartbeat.v1", "work_pool_snapshot.v1"})
READY, BEAT, SNAPSHOT = "worker.ready.v1", "worker.heartbeat.v1", "work_pool.snapshot.v1"

router = APIRouter()


def create_deployment(backend: Backend, _keys: Keys, body: Any) -> Document:
    """Store a deployment, or change the one of that flow and name; schedules that are not named stay as they are."""
    document = body.whole()
    check_known(backend, flows=body.flow_id)
    document["labels"] = {"prefect.flow.id": str(body.flow_id), **(body.labels or {})}
    if "schedules" not in body.model_fields_set:
        del document["schedules"]
    return backend.create("deployments", document, overwrite=True)


def change_deployment(backend: Backend, keys: Keys, body: Any) -> None:
    """Change a deployment."""
    changes = body.given()
    if "parameters" in changes:
        check_parameters({**backend.read("deployments", **keys), **changes}, {})
    backend.change("deployments", changes, **keys)


def set_paused(paused: bool, backend: Backend, keys: Keys, _body: None) -> None:
    """Let no schedule of a deployment make runs, or let them again."""
    backend.change("deployments", {"paused": paused}, **keys)


def check_parameters(deployment: Document, given: Mapping[str, Any], enforce: bool | None = None) -> None:
    """Refuse (409, as Prefect does) what does not fit the schema of a deployment that enforces it.

    A parameter that has a default may be null. A schema that is none is refused likewise (422).
    """
    schema = deployment.get("parameter_openapi_schema")
    if not schema or not (deployment["enforce_parameter_schema"] if enforce is None else enforce):
        return
    from jsonschema import Draft202012Validator, SchemaError, ValidationError, validate
    from referencing.exceptions import Unresolvable

    parameters, required = {**(deployment.get("parameters") or {}), **given}, schema.get("required") or ()
    wanted = {name: value for name, value in parameters.items() if value is not None or name in required}
    try:
        validate(wanted, schema, Draft202012Validator)
    except ValidationError as wrong:
        where = "".join(f" for field {'.'.join(map(str, wrong.path))!r}" if wrong.path else "")
        raise HTTPException(409, f"Validation failed{where}: {wrong.message}") from None
    except (SchemaError, Unresolvable) as error:
        raise HTTPException(422, f"The parameter schema of the deployment is not valid: {error}") from None


# -- runs --------------------------------------------------------------------------------------------------------------


def create_run(backend: Backend, keys: Keys, body: Any) -> Document:
    """A run of a deployment; the one that the idempotency key made before where there is one."""
    deployment, wanted = backend.read("deployments", **keys), body.whole()
    check_parameters(deployment, body.parameters, body.enforce_parameter_schema)
    return backend.read("flow_runs", id=backend.create_run_of_deployment(keys["id"], wanted).id)


def create_runs(backend: Backend, keys: Keys, body: list[Any]) -> Document:
    """Several runs of a deployment, and for each that could not be made the reason."""
    return {"results": [_created(backend, keys, each) for each in body]}


def _created(backend: Backend, keys: Keys, wanted: Any) -> Document:
    try:
        return {"flow_run_id": create_run(backend, keys, wanted)["id"], "status": "CREATED", "error": None}
    except (HTTPException, OrchestrationError) as error:
        return {"flow_run_id": None, "status": "FAILED", "error": str(getattr(error, "detail", error))}


def queues_of_deployment(backend: Backend, keys: Keys, _body: None) -> list[Document]:
    """The queue that a deployment's runs wait in, if it has one."""
    queue_id = backend.read("deployments", **keys)["work_queue_id"]
    return [backend.read("work_queues", id=queue_id)] if queue_id else []


def runs_of_deployments(backend: Backend, _keys: Keys, body: Any) -> list[Document]:
    """Runs of these deployments that are due by then, the earliest first; for processes that serve flows."""
    due = {"before_": moment_text(body.scheduled_before)} if body.scheduled_before else {"is_null_": False}
    where = among("flow_runs", deployment_id=body.deployment_ids, state_type=["SCHEDULED"])
    where["flow_runs"]["next_scheduled_start_time"] = due
    for each in body.deployment_ids:
        backend.change("deployments", {"last_polled": utc_now()}, id=each)
    return backend.find("flow_runs", Query(where, "NEXT_SCHEDULED_START_TIME_ASC", body.limit))


def runs_of_pool(backend: Backend, keys: Keys, body: Any) -> list[Document]:
    """Runs that a worker of the pool may start, the most urgent first."""
    unknown = set(body.work_queue_names) - {each["name"] for each in _queues_of(backend, keys)}
    if unknown:
        raise ObjectNotFound(f"The work pool has no queue {', '.join(sorted(unknown))}.")
    begin, end = body.scheduled_after or DAWN, body.scheduled_before or EVER
    found = backend.scheduled_runs(UUID(keys["work_pool_id"]), body.work_queue_names, end, body.limit)
    return [each for each in found if (moment_of(each["flow_run"]["expected_start_time"]) or EVER) >= begin]


# -- schedules ---------------------------------------------------------------------------------------------------------


def read_schedules(backend: Backend, keys: Keys, _body: None) -> list[Document]:
    """The schedules of a deployment."""
    return list(backend.read("deployments", id=keys["deployment_id"])["schedules"])


def create_schedules(backend: Backend, keys: Keys, body: list[Any]) -> list[Document]:
    """Give a deployment further schedules."""
    slugs = [each["slug"] for each in read_schedules(backend, keys, None)] + [given.slug for given in body]
    for slug in slugs:
        if slug is not None and slugs.count(slug) > 1:
            raise ObjectAlreadyExists(f"The deployment has a schedule {slug!r} already.")
    return [backend.create("schedules", {**given.whole(), **keys}) for given in body]


# -- queues and workers ------------------------------------------------------------------------------------------------


def create_queue(backend: Backend, keys: Keys, body: Any) -> Document:
    """Make a queue, the least urgent one of its pool unless it has a priority."""
    last = max((each["priority"] for each in _queues_of(backend, keys)), default=0)
    queue = backend.create("work_queues", {**body.whole(), **keys, "priority": body.priority or last + 1})
    _make_room(backend, queue)
    return queue


def change_queue(backend: Backend, keys: Keys, body: Any) -> None:
    """Change a queue; it keeps its name and priority where they are null."""
    queue = backend.read("work_queues", **keys)
    given = body.given().items()
    changes = {name: value for name, value in given if value is not None or name not in ("name", "priority")}
    backend.change("work_queues", changes, id=queue["id"])
    _make_room(backend, {**queue, **changes})


def _queues_of(backend: Backend, pool: Keys) -> list[Document]:
    """The queues of a pool, the most urgent first."""
    found = backend.find("work_queues", Query(among("work_queues", work_pool_id=[pool["work_pool_id"]])))
    return sorted(found, key=itemgetter("priority"))


def _make_room(backend: Backend, queue: Document) -> None:
    """Move the queue that has the same priority as this one back, and those that it meets there."""
    taken = queue["priority"]
    for each in _queues_of(backend, queue):
        if each["priority"] == taken and each["id"] != queue["id"]:
            taken += 1
            backend.change("work_queues", {"priority": taken}, id=each["id"])


def heartbeat(backend: Backend, keys: Keys, body: Any) -> None:
    """Note that a worker lives."""
    backend.create("workers", {**keys, **body.whole(), "last_heartbeat_time": utc_now()}, overwrite=True)


# -- claims ------------------------------------------------------------------------------------------------------------


@router.post("/api/x/work_pools/{id:uuid}/claim", response_model=None, tags=["Beyond Prefect"])
async def claim_runs(id: UUID, body: kind_of("RunsWanted"), request: Request) -> Json:  # type: ignore[valid-type]
    """Take the most urgent runs of a pool that may start; waits for one."""
    backend: Backend = request.app.state.backend
    await run_in_threadpool(backend.read, "work_pools", id=str(id))
    end, claim = time.monotonic() + body.wait, partial(backend.claim_runs, id, body.queues, body.limit, body.holder)
    while not (found := await run_in_threadpool(claim)) and time.monotonic() < end:
        await asyncio.sleep(POLL_SECONDS)
        if await request.is_disconnected():
            break
    return Json(found)


def renew_claims(backend: Backend, _keys: Keys, body: Any) -> dict[str, str]:
    """Keep claims; those that are still held, each with the type of its run's state."""
    return {str(claim_id): kind for claim_id, kind in backend.renew_claims(body.claim_ids).items()}


def end_claim(backend: Backend, keys: Keys, body: Any) -> None:
    """Give up a claim."""
    backend.end_claim(keys["id"], body.message)


# -- the channel of a worker -------------------------------------------------------------------------------------------


@router.websocket("/api/work_pools/{pool}/workers/connect")
async def connect(websocket: WebSocket, pool: str) -> None:
    """Note a worker's signs of life, and tell it of its pool: at first, and when the pool was changed."""
    backend: Backend = websocket.app.state.backend
    with suppress(WebSocketDisconnect):
        await accept(websocket)
        try:
            worker = _greeting(await next_message(websocket))
            ready, shown = await run_in_threadpool(_ready, backend, pool, worker)
        except (ValueError, ObjectNotFound) as error:
            raise WebSocketException(PROTOCOL_ERROR, "protocol_error") from error
        await websocket.send_json(_frame(READY, ready))
        number = 1
        while (await next_message(websocket)).get("type") == BEAT:
            now = await run_in_threadpool(_beat, backend, pool, worker)
            if now["updated"] != shown["updated"]:
                number, shown = number + 1, now
                await websocket.send_json(_frame(SNAPSHOT, _snapshot(number, "work_pool_updated", now)))
        raise WebSocketException(PROTOCOL_ERROR, "protocol_error")


def _greeting(said: Document) -> Any:
    """What a worker says of itself in its first frame."""
    worker = kind_of("Hello").model_validate(said).payload
    if VERSION not in worker.supported_channel_versions:
        raise WebSocketException(REFUSED, "unsupported_version")
    return worker


def _ready(backend: Backend, name: str, worker: Any) -> tuple[Document, Document]:
    """The answer to a greeting, and the pool as it tells of it."""
    try:
        pool = backend.read("work_pools", name=name)
    except ObjectNotFound:
        if not worker.create_pool_if_not_found:
            raise
        pool = backend.create("work_pools", {"name": name, "type": worker.worker_type})
    if worker.default_base_job_template and not pool["base_job_template"]:
        backend.change("work_pools", {"base_job_template": worker.default_base_job_template}, id=pool["id"])
    shown = _beat(backend, name, worker)
    every = _queues_of(backend, {"work_pool_id": pool["id"]})
    queues = {each["name"]: {"id": each["id"], "name": each["name"]} for each in every}
    return {
        "consumer_id": str(worker.consumer_id),
        "worker_id": backend.read("workers", work_pool_id=pool["id"], name=worker.worker_name)["id"],
        "selected_channel_version": VERSION, "initial_snapshot": _snapshot(1, "initial", shown),
        "effective_heartbeat_interval_seconds": worker.heartbeat_interval_seconds or 30,
        "accepted_capabilities": sorted(OFFERED),
        "rejected_capabilities": sorted({*worker.requested_capabilities} - OFFERED),
        "resolved_work_queues": [queues[name] for name in worker.work_queue_names if name in queues],
    }, shown  # fmt: skip


def _beat(backend: Backend, name: str, worker: Any) -> Document:
    """Note that a worker lives; its pool as it is now."""
    pool = backend.read("work_pools", name=name)
    body = kind_of("Heartbeat")(name=worker.worker_name, heartbeat_interval_seconds=worker.heartbeat_interval_seconds)
    heartbeat(backend, {"work_pool_id": pool["id"]}, body)
    return pool


def _snapshot(number: int, reason: str, pool: Document) -> Document:
    return {"snapshot_sequence": number, "reason": reason, "work_pool": pool}


def _frame(kind: str, payload: Document) -> Document:
    return {"type": kind, "id": str(new_id()), "sent_at": moment_text(utc_now()), "payload": payload}
