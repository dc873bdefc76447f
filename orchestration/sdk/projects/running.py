"""``run_deployment``: ask for a run of a deployment, and wait for it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.schemas.filters import Query, among
from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.schemas.wire import Document, state_document
from orchestration.domain.states import Scheduled
from orchestration.sdk import task_engine
from orchestration.sdk.awaiting import awaited, either
from orchestration.sdk.logs import started_session
from orchestration.sdk.parameters import describe
from orchestration.sdk.projects.parameter_schema import check_parameters

# Seconds until a run is looked at again, at first; then longer and longer, up to the interval that is asked for.
FIRST_PAUSE = 0.1


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
    deployment = find_deployment(backend, name)
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


def find_deployment(backend: Backend, name: str | UUID) -> Document:
    """The deployment of an id, or of ``flow/deployment``; ``ObjectNotFound``."""
    flow, _, own = str(name).partition("/")
    named = {**among("flows", name=[flow]), **among("deployments", name=[own])}
    where = named if own else among("deployments", id=[name])
    for found in backend.find("deployments", Query(where, limit=1)):
        return {"flow_name": flow, **found}
    raise ObjectNotFound(f"There is no deployment {str(name)!r}; list them with `orchestrate deployment ls`.")
