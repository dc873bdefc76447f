"""The process of one flow run, for workers and people: ``python -m orchestration.services.run <flow_run_id>``."""

from __future__ import annotations

import math
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from orchestration.domain.errors import Abort, ConfigurationError, OrchestrationError
from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.states import Failed, State, StateDetails
from orchestration.sdk import flow_engine, logs, session as sessions
from orchestration.sdk.projects import entrypoints, pulling
from orchestration.services.supervisor import CLAIM, MARK, PLACES, folder_of

# The variable with the pipe that tells the parent of this process.
TOLD = "ORCHESTRATION__TOLD"


def run_flow_run(run_id: UUID, claim_id: UUID | None = None, tell_limit: flow_engine.TellLimit = bool) -> State:
    """Pull the code of a flow run, load its flow and live the run; the state that it ends in."""
    session = logs.started_session()
    record = session.backend.flow_run(run_id)
    places = filter(None, os.environ.pop(PLACES, "").split(","))
    try:
        os.environ.update(pulling.filled({name: os.environ[name] for name in places}, {}))
        flow = _flow_of(session, record)
    except (OrchestrationError, OSError, SyntaxError) as error:
        told = f"The flow could not be loaded: {error}"
        logs.logger_of(record).error("%s", told)
        failed = Failed(told, details=StateDetails(retriable=False, claim_id=claim_id, flow_run_id=run_id))
        session.backend.propose_flow_run_state(run_id, failed)
        return failed
    return flow_engine.execute(flow, run_id, claim_id, tell_limit)


def _flow_of(session: sessions.Session, run: FlowRun) -> Any:
    """The flow of the deployment that made a run, loaded from where its code lies, which is the current folder then."""
    if run.deployment_id is None:
        raise ConfigurationError(f"No deployment made the run {run.name!r}, so nothing tells where its code lies.")
    deployment = session.backend.read("deployments", id=str(run.deployment_id))
    steps = deployment["pull_steps"]
    os.chdir(pulling.pull(steps, folder_of(session.settings.home, run.id)) if steps else deployment["path"] or ".")
    return entrypoints.load_flow(deployment["entrypoint"] or "", Path.cwd())


def main() -> None:
    """Live the run that the command line names."""
    told, claim_id = os.environ.pop(TOLD, None), os.environ.pop(CLAIM, None)
    if told:
        os.set_inheritable(int(told), False)
        logs.ConsoleHandler.mark = MARK
    tell = partial(_tell_limit, int(told)) if told else bool
    try:
        state = run_flow_run(UUID(sys.argv[1]), UUID(claim_id) if claim_id else None, tell)
    except (OrchestrationError, Abort) as error:
        sys.exit(str(error))
    finally:
        sessions.close_session()
    sys.exit(0 if claim_id or state.is_completed() else 1)


def _tell_limit(pipe: int, seconds: float | None) -> None:
    """Tell the supervisor until when the flow's function has to end, by the clock that all processes share."""
    os.write(pipe, f"limit {math.inf if seconds is None else time.monotonic() + seconds}\n".encode())


if __name__ == "__main__":
    main()
