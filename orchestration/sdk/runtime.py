"""``runtime.flow_run``, ``runtime.task_run``, ``runtime.deployment``: what the current run is called and was given.

Outside a run everything is ``None`` or empty, so that code which asks can be tried anywhere.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from orchestration.backend.clock import utc_now
from orchestration.domain.schemas.runs import FlowRun
from orchestration.sdk.context import FLOW_RUN, TASK_RUN, FlowRunContext
from orchestration.sdk.session import Session

T = TypeVar("T")


@dataclass(frozen=True)
class _Fact(Generic[T]):
    """An attribute that looks at the current run; outside a run it makes up ``outside``."""

    current: ContextVar[Any]
    tell: Callable[[Any], T]
    outside: Callable[[], Any] = lambda: None

    def __get__(self, facts: object, owner: type) -> T:
        context = self.current.get()
        told: T = self.outside() if context is None else self.tell(context)
        return told


class _FlowRunFacts:
    """Facts of the current flow run."""

    # The id of the run.
    id: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: str(flow.run.id))
    # The name of the run.
    name: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: flow.run.name)
    # The tags of the run.
    tags: _Fact[list[str]] = _Fact(FLOW_RUN, lambda flow: list(flow.run.tags), list)
    # The name of the run's flow.
    flow_name: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: flow.run.flow_name)
    # The version of the run's flow.
    flow_version: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: flow.run.flow_version)
    # How often the run has started.
    run_count: _Fact[int] = _Fact(FLOW_RUN, lambda flow: flow.run.run_count, int)
    # When the run was to start (UTC); outside a run, now.
    scheduled_start_time: _Fact[datetime] = _Fact(FLOW_RUN, lambda it: it.run.expected_start_time or utc_now(), utc_now)
    # The parameters of the run.
    parameters: _Fact[dict[str, Any]] = _Fact(FLOW_RUN, lambda flow: dict(flow.parameters), dict)
    # The id of the flow run that this one is a part of.
    parent_flow_run_id: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: _id(_around(flow)[1:2]))
    # The id of the deployment that the flow run around this one comes from.
    parent_deployment_id: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: _id(_around(flow)[1:2], "deployment_id"))
    # The id of the outermost flow run that this one is a part of.
    root_flow_run_id: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: _id(_around(flow)[-1:]))
    # Where a server's interface has the run; ``None`` without a server.
    api_url: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: _url(flow.session, "{api}/flow_runs", flow.run.id))
    # The page of the run; ``None`` without a server.
    ui_url: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: _url(flow.session, "{ui}/flow-run", flow.run.id))


class _TaskRunFacts:
    """Facts of the current task run."""

    # The id of the run.
    id: _Fact[str | None] = _Fact(TASK_RUN, lambda task: str(task.record.id))
    # The name of the run.
    name: _Fact[str | None] = _Fact(TASK_RUN, lambda task: task.record.name)
    # The name of the run's task.
    task_name: _Fact[str | None] = _Fact(TASK_RUN, lambda task: task.task_name)
    # The tags of the run.
    tags: _Fact[list[str]] = _Fact(TASK_RUN, lambda task: list(task.record.tags), list)
    # How often the run has started.
    run_count: _Fact[int] = _Fact(TASK_RUN, lambda task: task.record.run_count, int)
    # The arguments of the run.
    parameters: _Fact[dict[str, Any]] = _Fact(TASK_RUN, lambda task: dict(task.parameters), dict)
    # Where a server's interface has the run; ``None`` without a server.
    api_url: _Fact[str | None] = _Fact(TASK_RUN, lambda task: _url(task.session, "{api}/task_runs", task.record.id))
    # The page of the run; ``None`` without a server.
    ui_url: _Fact[str | None] = _Fact(TASK_RUN, lambda task: _url(task.session, "{ui}/task-run", task.record.id))


class _DeploymentFacts:
    """Facts of the deployment that the current flow run comes from."""

    # The id of the deployment that the current flow run comes from.
    id: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: _id([flow.run], "deployment_id"))
    # The id of the flow run.
    flow_run_id: _Fact[str | None] = _Fact(FLOW_RUN, lambda flow: str(flow.run.id))
    # The parameters that the flow run was created with.
    parameters: _Fact[dict[str, Any]] = _Fact(FLOW_RUN, lambda flow: dict(flow.run.parameters), dict)


def _id(runs: list[FlowRun], name: str = "id") -> str | None:
    """An id of the first run, if there is a run and it has one."""
    found = getattr(runs[0], name) if runs else None
    return str(found) if found else None


def _around(flow: FlowRunContext) -> list[FlowRun]:
    """A flow run, and those around it if it is a subflow's, innermost first."""
    runs, backend = [flow.run], flow.session.backend
    flow.session.recorder.flush()
    while runs[-1].parent_task_run_id is not None:
        parent_id = backend.task_run(runs[-1].parent_task_run_id).flow_run_id
        if parent_id is None:
            break
        runs.append(backend.flow_run(parent_id))
    return runs


def _url(session: Session, form: str, run_id: UUID) -> str | None:
    """Where a server has a run; ``None`` without a server."""
    api = (session.settings.api_url or "").rstrip("/")
    return f"{form.format(api=api, ui=api.removesuffix('/api') + '/runs')}/{run_id}" if api else None


flow_run = _FlowRunFacts()
task_run = _TaskRunFacts()
deployment = _DeploymentFacts()
