"""``orchestrate flow-run``."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer

from orchestration.backend.port import Backend
from orchestration.cli.kinds import Kind, Name, group
from orchestration.cli.output import columns
from orchestration.cli.runs import add_run_commands, watch as watch_run
from orchestration.cli.store import opened
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.rules import Abort, Reject, Wait
from orchestration.domain.states import Cancelled, Cancelling, Scheduled, State

COLUMNS = columns(
    "ID id exact", "Flow flow_name text", "Name name text", "State state.name exact", "Started start_time time"
)
KIND = Kind("flow_runs", "flow run", COLUMNS)
app = group(KIND, "List, follow, cancel and retry flow runs.", "inspect delete")
add_run_commands(app, KIND, "flows", "--flow-name")

Timeout = Annotated[float | None, typer.Option(help="Seconds; without it, until the end.")]


@app.command("watch")
def watch(name: Name, timeout: Timeout = None) -> None:
    """Print the states of a flow run until it has ended; the exit code is 0 when it completed."""
    with opened() as backend:
        watch_run(backend, KIND.one(backend, name)["id"], timeout)


@app.command("cancel")
def cancel(name: Name) -> None:
    """Cancel a flow run."""
    with opened() as backend:
        run = KIND.one(backend, name)
        state = backend.flow_run(UUID(run["id"])).state
        if state is not None and state.is_final():
            raise OrchestrationError(f"The flow run {run['name']!r} is {state.name}; there is nothing to cancel.")
        has_no_process = state is None or state.is_scheduled() or (state.is_paused() and state.details.pause_reschedule)
        _enter(backend, run["id"], Cancelled() if has_no_process else Cancelling(), force=False)
    typer.echo(f"Flow run {run['name']!r} was {'cancelled' if has_no_process else 'told to stop'}.")


@app.command("retry")
def retry(name: Name) -> None:
    """Schedule an ended flow run of a deployment anew, now."""
    with opened() as backend:
        run = KIND.one(backend, name)
        state = backend.flow_run(UUID(run["id"])).state
        if state is None or not state.is_final():
            raise OrchestrationError(f"The flow run {run['name']!r} has not ended; there is nothing to retry.")
        if run["deployment_id"] is None:
            raise OrchestrationError(f"No deployment made {run['name']!r}, so no worker runs it; call its flow again.")
        _enter(backend, run["id"], Scheduled(datetime.now(UTC), name="AwaitingRetry"), force=True)
    typer.echo(f"Flow run {run['name']!r} waits for a worker.")


def _enter(backend: Backend, run_id: str, state: State, force: bool) -> None:
    decision = backend.propose_flow_run_state(UUID(run_id), state, force)
    if isinstance(decision, Abort | Wait) or (isinstance(decision, Reject) and not decision.state.is_cancelled()):
        raise OrchestrationError(f"The flow run cannot become {state.name}: {decision.reason}")
