"""The process of one flow run, for workers and people: ``python -m orchestration.services.run <flow_run_id>``."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from orchestration.domain.errors import Abort, ConfigurationError, OrchestrationError
from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.states import Failed, State, StateDetails
from orchestration.sdk import flow_engine, logs, runtime
from orchestration.sdk.projects import entrypoints, pulling
from orchestration.services.supervisor import CLAIM, MARK, WORKER, folder_of

_PR_SET_PDEATHSIG = 1


def run_flow_run(run_id: UUID, claim_id: UUID | None = None) -> State:
    """Pull the code of a flow run, load its flow and live the run; the state that it ends in."""
    session = logs.started_session()
    record = session.backend.flow_run(run_id)
    try:
        flow = _flow_of(session, record)
    except (OrchestrationError, OSError, SyntaxError) as error:
        told = f"The flow could not be loaded: {error}"
        logs.logger_of(record).error("%s", told)
        failed = Failed(told, details=StateDetails(retriable=False, claim_id=claim_id, flow_run_id=run_id))
        session.backend.propose_flow_run_state(run_id, failed)
        return failed
    return flow_engine.execute(flow, run_id, claim_id)


def _flow_of(session: runtime.Session, run: FlowRun) -> Any:
    """The flow of the deployment that made a run, loaded from where its code lies, which is the current folder then."""
    if run.deployment_id is None:
        raise ConfigurationError(f"No deployment made the run {run.name!r}, so nothing tells where its code lies.")
    deployment = session.backend.read("deployments", id=str(run.deployment_id))
    steps = deployment["pull_steps"]
    os.chdir(pulling.pull(steps, folder_of(session.settings.home, run.id)) if steps else deployment["path"] or ".")
    return entrypoints.load_flow(deployment["entrypoint"] or "", Path.cwd())


def main() -> None:
    """Live the run that the command line names; a worker that dies takes this process along."""
    worker, claim_id = os.environ.pop(WORKER, None), os.environ.pop(CLAIM, None)
    if worker and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(worker):
            sys.exit("The worker of this run has ended.")
    logs.ConsoleHandler.mark = MARK if worker else ""
    try:
        state = run_flow_run(UUID(sys.argv[1]), UUID(claim_id) if claim_id else None)
    except (OrchestrationError, Abort) as error:
        sys.exit(str(error))
    finally:
        runtime.close_session()
    sys.exit(0 if claim_id or state.is_completed() else 1)


if __name__ == "__main__":
    main()
