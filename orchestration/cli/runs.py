"""``orchestrate flow``, ``flow-run``, ``task-run`` and ``deployment``."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import typer

from orchestration.backend.port import Backend
from orchestration.cli.kinds import Name, group, kind_of, opened
from orchestration.cli.output import AsJson, Limit, print_json
from orchestration.domain import states
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.rules import Abort, Reject, Wait
from orchestration.domain.schemas.filters import PAGE, Query, among
from orchestration.domain.schemas.wire import Document, moment_text, state_of

POLL_SECONDS = 0.5
LATE_LINES = timedelta(seconds=5)
"""How long after its moment a line may still arrive, from another process, and be followed."""

States = Annotated[list[str] | None, typer.Option("--state", help="Name of a state, such as Late.")]
StateTypes = Annotated[list[states.StateType] | None, typer.Option("--state-type", case_sensitive=False)]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds; without it, until the end.")]
Params = Annotated[list[str] | None, typer.Option("--param", "-p", help="name=value, a JSON value or a text.")]
At = Annotated[str | None, typer.Option(help="Such as `17:30` or `2024-03-03 09:00`.")]
In = Annotated[str | None, typer.Option(help="Such as `5 minutes`.")]
FlowNames = Annotated[list[str] | None, typer.Option("--flow-name", help="Only those of this flow.")]
Watch = Annotated[bool, typer.Option("--watch", help="Print its states until it has ended.")]

FLOW_RUN, DEPLOYMENT, SCHEDULE = kind_of("flow-run"), kind_of("deployment"), kind_of("deployment schedule")
flow, flow_run, task_run, deployment = (group(kind_of(name)) for name in ("flow", "flow-run", "task-run", "deployment"))


@flow_run.command("ls")
def list_runs(
    flow_name: FlowNames = None, limit: Limit = None, state: States = None, state_type: StateTypes = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """List flow runs, newest first."""
    runs = among("flow_runs", state_name=state, state_type=state_type)
    FLOW_RUN.show(as_json, {**among("flows", name=flow_name), **runs}, limit)


@flow_run.command("logs")
def logs(name: Name, follow: Follow = False, as_json: AsJson = False) -> None:
    """Print the log lines of a flow run."""
    with opened() as backend:
        lines = lines_of(backend, FLOW_RUN.one(backend, name)["id"], follow)
        if as_json:
            print_json(list(lines))
        for line in lines:
            stamp = datetime.fromisoformat(line["timestamp"]).isoformat(" ", "milliseconds")[:23]
            typer.echo(f"{stamp} | {logging.getLevelName(line['level']):<7} | {line['name']} - {line['message']}")


@flow_run.command("watch")
def watch_(name: Name, timeout: Timeout = None) -> None:
    """Print the states of a flow run until it has ended; the exit code is 0 when it completed."""
    with opened() as backend:
        watch(backend, FLOW_RUN.one(backend, name)["id"], timeout)


@flow_run.command("cancel")
def cancel(name: Name) -> None:
    """Cancel a flow run."""
    with opened() as backend:
        run = FLOW_RUN.one(backend, name)
        if _has_ended(run):
            raise OrchestrationError(f"The flow run {name!r} is {run['state_name']}; there is nothing to cancel.")
        state = state_of(run["state"]) if run["state"] else states.Scheduled()
        has_no_process = state.is_scheduled() or (state.is_paused() and state.details.pause_reschedule)
        _enter(backend, run["id"], states.Cancelled() if has_no_process else states.Cancelling(), force=False)
    typer.echo(f"Flow run {run['name']!r} was {'cancelled' if has_no_process else 'told to stop'}.")


@flow_run.command("retry")
def retry(name: Name) -> None:
    """Schedule an ended flow run of a deployment anew, now."""
    with opened() as backend:
        run = FLOW_RUN.one(backend, name)
        if not _has_ended(run):
            raise OrchestrationError(f"The flow run {run['name']!r} has not ended; there is nothing to retry.")
        if run["deployment_id"] is None:
            raise OrchestrationError(f"No deployment made {run['name']!r}, so no worker runs it; call its flow again.")
        _enter(backend, run["id"], states.Scheduled(datetime.now(UTC), name="AwaitingRetry"), force=True)
    typer.echo(f"Flow run {run['name']!r} waits for a worker.")


def _enter(backend: Backend, run_id: str, state: states.State, force: bool) -> None:
    decision = backend.propose_flow_run_state(UUID(run_id), state, force)
    if isinstance(decision, Abort | Wait) or (isinstance(decision, Reject) and not decision.state.is_cancelled()):
        raise OrchestrationError(f"The flow run cannot become {state.name}: {decision.reason}")


def lines_of(
    backend: Backend, run_id: str, follow: bool, wait: Callable[[float], None] = time.sleep
) -> Iterator[Document]:
    """The log lines of a flow run; with ``follow`` those to come as well, until it has ended."""
    where: dict[str, Any] = among("logs", flow_run_id=[run_id])
    shown: dict[str, datetime] = {}
    for _ in looks_at(backend, run_id, wait) if follow else [None]:
        offset = 0
        while page := backend.find("logs", Query(where, "TIMESTAMP_ASC", PAGE, offset)):
            yield from (line for line in page if line["id"] not in shown)
            if follow:
                shown |= {line["id"]: datetime.fromisoformat(line["timestamp"]) for line in page}
            offset += len(page)
        if shown:
            where["logs"]["timestamp"] = {"after_": moment_text(max(shown.values()) - LATE_LINES)}


def watch(backend: Backend, run_id: str, patience: float | None, wait: Callable[[float], None] = time.sleep) -> None:
    """Print the states of a flow run as it enters them, until it has ended.

    Raises:
        Exit: it did not complete, or not within ``patience`` seconds.
    """
    end, shown = time.monotonic() + (patience or float("inf")), None
    for run in looks_at(backend, run_id, wait):
        state = run["state"]
        if state and state["id"] != shown:
            shown = state["id"]
            typer.echo(" | ".join(filter(None, (state["timestamp"], state["name"], state["message"]))))
        if not _has_ended(run) and time.monotonic() > end:
            typer.echo(f"The run has not ended within {patience:g} seconds; it goes on.", err=True)
            break
    raise typer.Exit(0 if run["state_type"] == states.StateType.COMPLETED else 1)


def looks_at(backend: Backend, run_id: str, wait: Callable[[float], None]) -> Iterator[Document]:
    """A flow run again and again, the last time when it has ended."""
    while not _has_ended(run := backend.read("flow_runs", id=run_id)):
        yield run
        wait(POLL_SECONDS)
    yield run


def _has_ended(run: Document) -> bool:
    return run["state_type"] in states.TERMINAL
