"""``orchestrate deployment``."""

import sys
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from orchestration.cli.kinds import Kind, Name, group
from orchestration.cli.output import AsJson, columns, new_app, print_documents
from orchestration.cli.runs import watch as watch_run
from orchestration.cli.store import found, opened
from orchestration.cli.variables import value_of
from orchestration.domain.errors import UsageError
from orchestration.domain.moments import moment_meant, span_meant
from orchestration.domain.schemas.filters import among
from orchestration.domain.schemas.wire import state_document
from orchestration.domain.states import Scheduled

COLUMNS = columns(
    "Flow flow_name text", "Name name text", "Paused paused exact", "Pool work_pool_name text", "ID id exact"
)
KIND = Kind("deployments", "deployment", COLUMNS, limit=200)
PAUSES = {"pause": {"paused": True}, "resume": {"paused": False}}
deployment = group(KIND, "List, run, pause and delete deployments.", "inspect delete", **PAUSES)
schedule = new_app("List, pause and resume the schedules of a deployment.")
deployment.add_typer(schedule, name="schedule")

Flows = Annotated[list[str] | None, typer.Argument(help="Only deployments of these flows.")]
ByCreated = Annotated[bool, typer.Option(help="Newest first, instead of by name.")]
Params = Annotated[list[str] | None, typer.Option("--param", "-p", help="name=value, a JSON value or a text.")]
AllParams = Annotated[str | None, typer.Option(help="Parameters as a JSON object; - reads it from standard input.")]
JobVariables = Annotated[list[str] | None, typer.Option("--job-variable", help="name=value, for the worker.")]
At = Annotated[str | None, typer.Option(help="Such as `17:30` or `2024-03-03 09:00`.")]
In = Annotated[str | None, typer.Option(help="Such as `5 minutes`.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag of the run.")]
Watch = Annotated[bool, typer.Option(help="Print its states until it has ended.")]
Patience = Annotated[float | None, typer.Option(help="Seconds to watch at most.")]
RunName = Annotated[str | None, typer.Option(help="Name of the run.")]


@deployment.command("ls")
def ls(flow_name: Flows = None, by_created: ByCreated = False, as_json: AsJson = False) -> None:
    """List deployments."""
    KIND.show(as_json, among("flows", name=flow_name), KIND.limit, "CREATED_DESC" if by_created else "NAME_ASC")


@deployment.command("run")
def run(
    name: Name, param: Params = None, params: AllParams = None, job_variable: JobVariables = None, start_at: At = None,
    start_in: In = None, tag: Tags = None, watch: Watch = False, watch_timeout: Patience = None,
    flow_run_name: RunName = None,
) -> None:  # fmt: skip
    """Ask for a run of a deployment, now or later; a worker starts it."""
    wanted = {
        "parameters": {**_object(sys.stdin.read() if params == "-" else params or "{}"), **_pairs(param)},
        "job_variables": _pairs(job_variable) or None,
        "tags": tag or [],
        "name": flow_run_name,
        "state": state_document(Scheduled(_start(start_at, start_in))),
    }
    with opened() as backend:
        document = KIND.one(backend, name)
        asked = {key: value for key, value in wanted.items() if value is not None}
        made = backend.create_run_of_deployment(UUID(document["id"]), asked)
        typer.echo(f"Asked for flow run {made.name!r} ({made.id}) of {document['flow_name']}/{document['name']}.")
        if watch:
            watch_run(backend, str(made.id), watch_timeout)


@schedule.command("ls")
def schedule_ls(name: Name, as_json: AsJson = False) -> None:
    """List the schedules of a deployment."""
    with opened() as backend:
        schedules = list(found(backend, "schedules", among("schedules", deployment_id=[KIND.one(backend, name)["id"]])))
    shown = columns("ID id exact", "Active active exact", "Schedule schedule text")
    print_documents(schedules, shown, as_json, "The deployment has no schedules.")


def _add_switch(verb: str, active: bool) -> None:
    @schedule.command(verb, help=f"{verb.capitalize()} one schedule.")
    def switch(name: Name, schedule_id: UUID) -> None:
        with opened() as backend:
            keys = {"deployment_id": KIND.one(backend, name)["id"], "id": str(schedule_id)}
            backend.change("schedules", {"active": active}, **keys)
        typer.echo(f"{verb.capitalize()}d schedule {schedule_id}.")


_add_switch("pause", False)
_add_switch("resume", True)


def _start(at: str | None, after: str | None) -> datetime:
    if at and after:
        raise UsageError("Give either --start-at or --start-in.")
    now = datetime.now(UTC)
    return moment_meant(at, now.astimezone()) if at else now + span_meant(after) if after else now


def _pairs(texts: list[str] | None) -> dict[str, Any]:
    for text in texts or ():
        if "=" not in text:
            raise UsageError(f"{text!r} gives no value; write it as name=value.")
    return {name: value_of(value) for name, _, value in (text.partition("=") for text in texts or ())}


def _object(text: str) -> dict[str, Any]:
    given = value_of(text)
    if not isinstance(given, dict):
        raise UsageError('--params must be a JSON object, such as {"n": 3}.')
    return given
