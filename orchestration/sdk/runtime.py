"""``runtime.flow_run``, ``runtime.task_run``, ``runtime.deployment``: what the current run is called and was given.

Outside a run everything is ``None`` or empty, so that code which asks can be tried anywhere.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from orchestration.backend.clock import utc_now
from orchestration.sdk.context import FLOW_RUN, TASK_RUN
from orchestration.sdk.session import Session


class _FlowRunFacts:
    """Facts of the current flow run."""

    @property
    def id(self) -> str | None:
        """The id of the run."""
        context = FLOW_RUN.get()
        return str(context.run.id) if context else None

    @property
    def name(self) -> str | None:
        """The name of the run."""
        context = FLOW_RUN.get()
        return context.run.name if context else None

    @property
    def tags(self) -> list[str]:
        """The tags of the run."""
        context = FLOW_RUN.get()
        return list(context.run.tags) if context else []

    @property
    def flow_name(self) -> str | None:
        """The name of the run's flow."""
        context = FLOW_RUN.get()
        return context.run.flow_name if context else None

    @property
    def flow_version(self) -> str | None:
        """The version of the run's flow."""
        context = FLOW_RUN.get()
        return context.run.flow_version if context else None

    @property
    def run_count(self) -> int:
        """How often the run has started."""
        context = FLOW_RUN.get()
        return context.run.run_count if context else 0

    @property
    def scheduled_start_time(self) -> datetime:
        """When the run was to start (UTC); outside a run, now."""
        context = FLOW_RUN.get()
        return (context.run.expected_start_time if context else None) or utc_now()

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the run."""
        context = FLOW_RUN.get()
        return dict(context.parameters) if context else {}

    @property
    def parent_flow_run_id(self) -> str | None:
        """The id of the flow run that this one is a part of."""
        context = FLOW_RUN.get()
        if context is None or context.run.parent_task_run_id is None:
            return None
        context.session.recorder.flush()
        parent = context.session.backend.task_run(context.run.parent_task_run_id)
        return str(parent.flow_run_id) if parent.flow_run_id else None

    @property
    def parent_deployment_id(self) -> str | None:
        """The id of the deployment that the flow run around this one comes from."""
        context, parent_id = FLOW_RUN.get(), self.parent_flow_run_id
        if context is None or parent_id is None:
            return None
        deployment_id = context.session.backend.flow_run(UUID(parent_id)).deployment_id
        return str(deployment_id) if deployment_id else None

    @property
    def api_url(self) -> str | None:
        """Where a server's interface has the run; ``None`` without a server."""
        context = FLOW_RUN.get()
        return _api_url(context.session, "flow_runs", context.run.id) if context else None

    @property
    def ui_url(self) -> str | None:
        """The page of the run; ``None`` without a server."""
        context = FLOW_RUN.get()
        return _ui_url(context.session, "flow-run", context.run.id) if context else None

    @property
    def root_flow_run_id(self) -> str | None:
        """The id of the outermost flow run that this one is a part of."""
        context = FLOW_RUN.get()
        if context is None:
            return None
        context.session.recorder.flush()
        run = context.run
        while run.parent_task_run_id is not None:
            parent = context.session.backend.task_run(run.parent_task_run_id)
            if parent.flow_run_id is None:
                break
            run = context.session.backend.flow_run(parent.flow_run_id)
        return str(run.id)


class _TaskRunFacts:
    """Facts of the current task run."""

    @property
    def id(self) -> str | None:
        """The id of the run."""
        context = TASK_RUN.get()
        return str(context.record.id) if context else None

    @property
    def name(self) -> str | None:
        """The name of the run."""
        context = TASK_RUN.get()
        return context.record.name if context else None

    @property
    def task_name(self) -> str | None:
        """The name of the run's task."""
        context = TASK_RUN.get()
        return context.task_name if context else None

    @property
    def tags(self) -> list[str]:
        """The tags of the run."""
        context = TASK_RUN.get()
        return list(context.record.tags) if context else []

    @property
    def run_count(self) -> int:
        """How often the run has started."""
        context = TASK_RUN.get()
        return context.record.run_count if context else 0

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments of the run."""
        context = TASK_RUN.get()
        return dict(context.parameters) if context else {}

    @property
    def api_url(self) -> str | None:
        """Where a server's interface has the run; ``None`` without a server."""
        context = TASK_RUN.get()
        return _api_url(context.session, "task_runs", context.record.id) if context else None

    @property
    def ui_url(self) -> str | None:
        """The page of the run; ``None`` without a server."""
        context = TASK_RUN.get()
        return _ui_url(context.session, "task-run", context.record.id) if context else None


class _DeploymentFacts:
    """Facts of the deployment that the current flow run comes from."""

    @property
    def id(self) -> str | None:
        """The id of the deployment."""
        context = FLOW_RUN.get()
        return str(context.run.deployment_id) if context and context.run.deployment_id else None

    @property
    def flow_run_id(self) -> str | None:
        """The id of the flow run."""
        return flow_run.id

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that the flow run was created with."""
        context = FLOW_RUN.get()
        return dict(context.run.parameters) if context else {}


def _api_url(session: Session, kind: str, run_id: UUID) -> str | None:
    url = session.settings.api_url
    return f"{url.rstrip('/')}/{kind}/{run_id}" if url else None


def _ui_url(session: Session, kind: str, run_id: UUID) -> str | None:
    url = session.settings.api_url
    return f"{url.rstrip('/').removesuffix('/api')}/runs/{kind}/{run_id}" if url else None


flow_run = _FlowRunFacts()
task_run = _TaskRunFacts()
deployment = _DeploymentFacts()
