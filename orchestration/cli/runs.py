"""``orchestrate flow``, ``flow-run`` and ``task-run``."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import typer

from orchestration.backend.port import Backend
from orchestration.cli.kinds import Kind, Name, group
from orchestration.cli.output import AsJson, Limit, columns, print_json
from orchestration.cli.store import found, opened
from orchestration.domain.errors import OrchestrationError, UsageError
from orchestration.domain.rules import Abort, Reject, Wait
from orchestration.domain.schemas.filters import among
from orchestration.domain.schemas.wire import Document, moment_of, moment_text
from orchestration.domain.states import TERMINAL, Cancelled, Cancelling, Scheduled, State, StateType

RUN_COLUMNS = ("Name name text", "State state.name exact", "Started start_time time")
POLL_SECONDS = 0.5
LATE_LINES = timedelta(seconds=5)
"""How long after its moment a line may still arrive, from another process, and be followed."""

States = Annotated[list[str] | None, typer.Option("--state", help="Name of a state, such as Late.")]
StateTypes = Annotated[list[str] | None, typer.Option("--state-type", help="Type of a state, such as FAILED.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")]
Head = Annotated[bool, typer.Option("--head", "-h", help="Only the first lines.")]
Tail = Annotated[bool, typer.Option("--tail", "-t", help="Only the last lines.")]
Number = Annotated[int, typer.Option("--num-logs", "-n", help="How many lines --head or --tail shows.", min=1)]
Timeout = Annotated[float | None, typer.Option(help="Seconds; without it, until the end.")]
Reverse = Annotated[bool, typer.Option("--reverse", "-r", help="Newest line first.")]


def add_run_commands(app: typer.Typer, kind: Kind, named: str, option: str) -> None:
    """The commands ``ls``, which ``option`` narrows to some names of the resource ``named``, and ``logs``."""
    names_option: Any = typer.Option(None, option, help="Only those of this name.")

    @app.command("ls", help=f"List {kind.noun}s, newest first.")
    def ls(
        names: list[str] | None = names_option, limit: Limit = 15, state: States = None, state_type: StateTypes = None,
        as_json: AsJson = False,
    ) -> None:  # fmt: skip
        wanted = {named: {"name": names}}
        wanted.setdefault(kind.resource, {}).update(state_name=state, state_type=types_of(state_type))
        where = {name: value for each in wanted for name, value in among(each, **wanted[each]).items()}
        kind.show(as_json, where, limit, "ID_DESC")

    @app.command("logs", help=f"Print the log lines of a {kind.noun}.")
    def logs(
        name: Name, follow: Follow = False, head: Head = False, num_logs: Number = 20, reverse: Reverse = False,
        tail: Tail = False, as_json: AsJson = False,
    ) -> None:  # fmt: skip
        if head and tail:
            raise UsageError("Give either --head or --tail.")
        with opened() as backend:
            run_id = kind.one(backend, name)["id"]
            if follow:
                follow_lines(backend, kind, run_id)
                return
            lines = read_lines(backend, kind, run_id, num_logs * (head - tail), reverse)
            for line in [] if as_json else lines:
                typer.echo(text_of(line))
            if as_json:
                print_json(list(lines))


FLOW_COLUMNS = columns("ID id exact", "Name name text", "Tags tags text", "Created created time")
FLOW_RUN = Kind("flow_runs", "flow run", columns("ID id exact", "Flow flow_name text", *RUN_COLUMNS))
TASK_RUN = Kind("task_runs", "task run", columns("ID id exact", *RUN_COLUMNS))

flow = group(Kind("flows", "flow", FLOW_COLUMNS, sort="CREATED_DESC"), "List flows.", "ls inspect")
flow_run = group(FLOW_RUN, "List, follow, cancel and retry flow runs.", "inspect delete")
task_run = group(TASK_RUN, "List task runs, and read their logs.", "inspect")
add_run_commands(flow_run, FLOW_RUN, "flows", "--flow-name")
add_run_commands(task_run, TASK_RUN, "task_runs", "--task-run-name")


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
        state = backend.flow_run(UUID(run["id"])).state
        if state is not None and state.is_final():
            raise OrchestrationError(f"The flow run {run['name']!r} is {state.name}; there is nothing to cancel.")
        has_no_process = state is None or state.is_scheduled() or (state.is_paused() and state.details.pause_reschedule)
        _enter(backend, run["id"], Cancelled() if has_no_process else Cancelling(), force=False)
    typer.echo(f"Flow run {run['name']!r} was {'cancelled' if has_no_process else 'told to stop'}.")


@flow_run.command("retry")
def retry(name: Name) -> None:
    """Schedule an ended flow run of a deployment anew, now."""
    with opened() as backend:
        run = FLOW_RUN.one(backend, name)
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


def types_of(names: Sequence[str] | None) -> list[str]:
    """The types that were named, in any case.

    Raises:
        UsageError: there is no such type.
    """
    for name in names or ():
        if name.upper() not in StateType.__members__:
            raise UsageError(f"There is no state type {name!r}; use one of {', '.join(StateType)}.")
    return [name.upper() for name in names or ()]


def read_lines(backend: Backend, kind: Kind, run_id: str, number: int, reverse: bool) -> Iterator[Document]:
    """The log lines of a run: the first ``number``, the last if it is negative, all if it is 0."""
    newest_first = number < 0 or (reverse and not number)
    where = among("logs", **{f"{kind.resource.removesuffix('s')}_id": [run_id]})
    lines = found(backend, "logs", where, abs(number) or None, "TIMESTAMP_DESC" if newest_first else "TIMESTAMP_ASC")
    return lines if newest_first == reverse else iter(list(lines)[::-1])


def follow_lines(backend: Backend, kind: Kind, run_id: str, wait: Callable[[float], None] = time.sleep) -> None:
    """Print the lines of a run as they come, until it has ended."""
    where: dict[str, Any] = among("logs", **{f"{kind.resource.removesuffix('s')}_id": [run_id]})
    shown: set[str] = set()
    while True:
        has_ended = _has_ended(backend.read(kind.resource, id=run_id))
        lines = list(found(backend, "logs", where, None, "TIMESTAMP_ASC"))
        for line in lines:
            if line["id"] not in shown:
                typer.echo(text_of(line))
        if has_ended:
            return
        shown = {line["id"] for line in lines} or shown
        last = moment_of(lines[-1]["timestamp"]) if lines else None
        if last is not None:
            where["logs"]["timestamp"] = {"after_": moment_text(last - LATE_LINES)}
        wait(POLL_SECONDS)


def watch(backend: Backend, run_id: str, patience: float | None, wait: Callable[[float], None] = time.sleep) -> None:
    """Print the states of a flow run as it enters them, until it has ended.

    Raises:
        Exit: it did not complete, or not within ``patience`` seconds.
    """
    end, shown = time.monotonic() + (patience or float("inf")), None
    while True:
        run = backend.read("flow_runs", id=run_id)
        state = run["state"]
        if state and state["id"] != shown:
            shown = state["id"]
            typer.echo(" | ".join(filter(None, (state["timestamp"], state["name"], state["message"]))))
        if _has_ended(run):
            raise typer.Exit(0 if run["state_type"] == StateType.COMPLETED else 1)
        if time.monotonic() > end:
            typer.echo(f"The run has not ended within {patience:g} seconds; it goes on.", err=True)
            raise typer.Exit(1)
        wait(POLL_SECONDS)


def text_of(line: Document) -> str:
    """A log line as text."""
    stamp = datetime.fromisoformat(line["timestamp"]).isoformat(" ", "milliseconds")[:23]
    return f"{stamp} | {logging.getLevelName(line['level']):<7} | {line['name']} - {line['message']}"


def _has_ended(run: Document) -> bool:
    return run["state_type"] in TERMINAL
