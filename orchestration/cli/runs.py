"""``orchestrate flow``, ``flow-run``, ``task-run`` and ``deployment``."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import typer

from orchestration.backend.port import Backend
from orchestration.cli.kinds import group, kind_of, store
from orchestration.cli.output import print_json
from orchestration.domain import errors, rules, states
from orchestration.domain.schemas import filters, wire

Wait = Callable[[float], None]
POLL_SECONDS = 0.5
# How long after its moment a line may still arrive, from another process, and be followed.
LATE_LINES = timedelta(seconds=5)


FLOW_RUN, DEPLOYMENT, SCHEDULE = kind_of("flow-run"), kind_of("deployment"), kind_of("deployment schedule")
flow, flow_run, task_run, deployment = (group(kind_of(name)) for name in ("flow", "flow-run", "task-run", "deployment"))


@flow_run.command("ls")
def list_runs(
    flow_name: list[str] | None = None, limit: int | None = None, state: list[str] | None = None, as_json: bool = False
) -> None:
    """List flow runs, newest first."""
    where = {**filters.among("flows", name=flow_name), **filters.among("flow_runs", state_name=state)}
    FLOW_RUN.show(as_json, where, limit)


@flow_run.command("logs")
def logs(name: str, follow: bool = False, as_json: bool = False) -> None:
    """Print the log lines of a flow run."""
    lines = lines_of(store(), FLOW_RUN.one(name)["id"], follow)
    if as_json:
        print_json(list(lines))
    for line in lines:
        stamp = datetime.fromisoformat(line["timestamp"]).isoformat(" ", "milliseconds")[:23]
        typer.echo(f"{stamp} | {logging.getLevelName(line['level']):<7} | {line['name']} - {line['message']}")


@flow_run.command("watch")
def watch_(name: str) -> None:
    """Print the states of a flow run until it has ended; the exit code is 0 when it completed."""
    watch(store(), FLOW_RUN.one(name)["id"])


@flow_run.command("cancel")
def cancel(name: str) -> None:
    """Cancel a flow run."""
    run = FLOW_RUN.one(name)
    if _has_ended(run):
        raise errors.OrchestrationError(f"The flow run {name!r} is {run['state_name']}; there is nothing to cancel.")
    state = wire.state_of(run["state"]) if run["state"] else states.Scheduled()
    has_no_process = state.is_scheduled() or (state.is_paused() and state.details.pause_reschedule)
    _enter(run, states.Cancelled() if has_no_process else states.Cancelling())
    typer.echo(f"Flow run {run['name']!r} was {'cancelled' if has_no_process else 'told to stop'}.")


@flow_run.command("retry")
def retry(name: str) -> None:
    """Schedule an ended flow run of a deployment anew, now."""
    run = FLOW_RUN.one(name)
    if not _has_ended(run):
        raise errors.OrchestrationError(f"The flow run {run['name']!r} has not ended; there is nothing to retry.")
    if run["deployment_id"] is None:
        raise errors.OrchestrationError(f"No deployment made {name!r}, so no worker runs it; call its flow again.")
    _enter(run, states.AwaitingRetry(datetime.now(UTC)), force=True)
    typer.echo(f"Flow run {run['name']!r} waits for a worker.")


@flow_run.command("execute")
def execute(name: str) -> None:
    """Live a flow run of a deployment here and now, in a process of its own; the exit code is 0 when it completed."""
    command = [sys.executable, "-m", "orchestration.services.run", FLOW_RUN.one(name)["id"]]
    raise typer.Exit(subprocess.call(command))  # noqa: S603 - it is ours


def _enter(run: wire.Document, state: states.State, force: bool = False) -> None:
    decision = store().propose_flow_run_state(UUID(run["id"]), state, force)
    if isinstance(decision, rules.Reject) and decision.state.is_cancelled():
        return  # a server that knows of no process to stop cancels it at once
    if not isinstance(decision, rules.Accept):
        raise errors.OrchestrationError(f"The flow run cannot become {state.name}: {decision.reason}")


def lines_of(backend: Backend, run_id: str, follow: bool, wait: Wait = time.sleep) -> Iterator[wire.Document]:
    """The log lines of a flow run; with ``follow`` those to come as well, until it has ended."""
    where: dict[str, Any] = filters.among("logs", flow_run_id=[run_id])
    shown: dict[str, datetime] = {}
    for _ in looks_at(backend, run_id, wait) if follow else [None]:
        offset = 0
        while page := backend.find("logs", filters.Query(where, "TIMESTAMP_ASC", filters.PAGE, offset)):
            yield from (line for line in page if line["id"] not in shown)
            if follow:
                shown |= {line["id"]: datetime.fromisoformat(line["timestamp"]) for line in page}
            offset += len(page)
        if shown:
            where["logs"]["timestamp"] = {"after_": wire.moment_text(max(shown.values()) - LATE_LINES)}


def watch(backend: Backend, run_id: str, wait: Wait = time.sleep) -> None:
    """Print the states of a flow run as it enters them, until it has ended.

    Raises:
        Exit: it has ended; with 0 when it completed.
    """
    shown = None
    for run in looks_at(backend, run_id, wait):
        state = run["state"]
        if state and state["id"] != shown:
            shown = state["id"]
            typer.echo(" | ".join(filter(None, (state["timestamp"], state["name"], state["message"]))))
    raise typer.Exit(0 if run["state_type"] == states.StateType.COMPLETED else 1)


def looks_at(backend: Backend, run_id: str, wait: Wait) -> Iterator[wire.Document]:
    """A flow run again and again, the last time when it has ended."""
    while not _has_ended(run := backend.read("flow_runs", id=run_id)):
        yield run
        wait(POLL_SECONDS)
    yield run


def _has_ended(run: wire.Document) -> bool:
    return run["state_type"] in states.TERMINAL
