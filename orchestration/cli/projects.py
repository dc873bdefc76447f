"""``orchestrate deploy``, ``init`` and ``project``, and ``deployment`` with what it runs, plans and makes up for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from orchestration.backend.deployments import run_of_slot
from orchestration.cli.kinds import Name, group, opened, value_of
from orchestration.cli.output import AsJson, Yes, may, new_app, print_documents
from orchestration.cli.runs import DEPLOYMENT, SCHEDULE, At, In, Params, Watch, deployment, watch
from orchestration.domain.errors import UsageError
from orchestration.domain.moments import moment_meant, span_meant
from orchestration.domain.schedules import schedule_of
from orchestration.domain.schemas.filters import among
from orchestration.domain.schemas.wire import Document, moment_text, state_document
from orchestration.domain.states import Scheduled

if TYPE_CHECKING:
    from orchestration.sdk.projects.deploying import Plan

NEXT, MOST_SLOTS = 5, 100
"""Slots that a listing shows, and that a backfill makes without asking."""
BACKFILL = "Backfill"
"""The name of the state in which a run of the past waits, by which it is never late."""

Entrypoint = Annotated[str | None, typer.Argument(help="path/to/file.py:function; without it, what the file says.")]
Names = Annotated[list[str] | None, typer.Option("--name", "-n", help="Its name, or a pattern of those in the file.")]
All = Annotated[bool, typer.Option("--all", help="All deployments of the file.")]
File = Annotated[Path | None, typer.Option("--prefect-file", help="Instead of prefect.yaml.", exists=True)]
Pool = Annotated[str | None, typer.Option("--pool", "-p", help="The work pool whose workers run it.")]
Queue = Annotated[str | None, typer.Option("--work-queue", "-q", help="The queue in that pool.")]
Crons = Annotated[list[str] | None, typer.Option("--cron", help="When it runs, such as '0 9 3 * *'.")]
Intervals = Annotated[list[float] | None, typer.Option("--interval", help="Seconds between runs.")]
RRules = Annotated[list[str] | None, typer.Option("--rrule", help="When it runs, by RFC 5545.")]
Zone = Annotated[str | None, typer.Option("--timezone", help="Of these times, such as America/New_York.")]
Json = Annotated[str | None, typer.Option("--params", help="Parameters, as a JSON object.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", "-t", help="A tag; may be given several times.")]
Param = Annotated[list[str] | None, typer.Option("--param", help="name=value, a JSON value or a text.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
RunName = Annotated[str | None, typer.Option("--flow-run-name", "--name", help="What the run is called.")]
From = Annotated[str, typer.Option("--from", help="The first moment, such as 2024-01-01.")]
To = Annotated[str, typer.Option("--to", help="The last moment.")]
Slug = Annotated[str | None, typer.Option("--schedule", help="The slug or id of one of its schedules.")]
Title = Annotated[str | None, typer.Option("--name", help="Of the project; without it, the folder's.")]

deploy, init, project = new_app("Deploy flows."), new_app("Begin a project."), new_app("Begin a project.")
schedule = group(SCHEDULE)
deployment.add_typer(schedule, name="schedule")


@deploy.command()
def deploy_(
    entrypoint: Entrypoint = None, name: Names = None, all_: All = False, file: File = None, pool: Pool = None,
    work_queue: Queue = None, cron: Crons = None, interval: Intervals = None, rrule: RRules = None,
    timezone: Zone = None, param: Param = None, params: Json = None, tag: Tags = None, dry_run: Dry = False,
) -> None:  # fmt: skip
    """Deploy what prefect.yaml and deployment.yaml say, or the flow of an entrypoint: all of it, or nothing."""
    from orchestration.sdk.projects.deploying import planned, save
    from orchestration.sdk.projects.files import Entry, Source, read_project
    from orchestration.sdk.session import close_session, current_session

    times = {"cron": cron, "interval": interval, "rrule": rrule}
    schedules = [{kind: each, "timezone": timezone} for kind, given in times.items() for each in given or ()]
    given = {"parameters": _parameters(param, params), "tags": tag, "schedules": schedules}
    in_pool = {key: value for key, value in (("name", pool), ("work_queue_name", work_queue)) if value}
    said, folder = {key: value for key, value in given.items() if value}, Path.cwd()
    common, entries = read_project(folder, file)
    if entrypoint:
        if not name:
            raise UsageError("Give the deployment a name: -n NAME.")
        entries = [Entry({**common, "name": name[0], "entrypoint": entrypoint}, Source(None))]
    chosen = [
        replace(each, data={**each.data, **said, "work_pool": {**(each.data.get("work_pool") or {}), **in_pool}})
        for each in (entries if entrypoint or all_ else _named(entries, name))
    ]
    backend = current_session().backend
    try:
        plans = [planned(backend, each, folder, is_dry=dry_run) for each in chosen]
        if not entrypoint and name:
            plans = [plan for plan in plans if any(fnmatchcase(plan.name, _pattern(each)) for each in name)]
        if not dry_run:
            save(backend, plans)
        _tell(plans, "Would deploy" if dry_run else "Deployed")
    finally:
        close_session()


def _pattern(name: str) -> str:
    return name if "/" in name else f"*/{name}"


def _named(entries: list[Any], names: Sequence[str] | None) -> list[Any]:
    """The deployments of a file that are meant; the only one need not be named."""
    patterns = [name.rpartition("/")[2] for name in names or ("*",)]
    found = [each for each in entries if any(fnmatchcase(each.data["name"], pattern) for pattern in patterns)]
    if not entries:
        raise UsageError("There is no deployment to deploy here: write a prefect.yaml, or name ENTRYPOINT, -n and -p.")
    if not found or (len(found) > 1 and not names):
        there = ", ".join(each.data["name"] for each in entries)
        raise UsageError(f"Say which to deploy, with -n NAME or --all; there are {there}.")
    return found


def _tell(plans: Sequence[Plan], done: str) -> None:
    for plan in plans:
        changes = list(plan.differences())
        what = "new" if plan.known is None else "changed" if changes else "as it was"
        typer.echo("\n  ".join((f"{done} {plan.name} ({what}).", *changes)))


def _parameters(param: Sequence[str] | None, params: str | None) -> Document:
    """What ``--param`` and ``--params`` say."""
    given = value_of(params or "{}")
    if not isinstance(given, dict):
        raise UsageError(f"--params {params!r} is no JSON object.")
    if missing := [text for text in param or () if "=" not in text]:
        raise UsageError(f"{missing[0]!r} gives no value; write it as name=value.")
    return given | {name: value_of(value) for name, _, value in (text.partition("=") for text in param or ())}


@init.command()
@project.command("init")
def start(name: Title = None) -> None:
    """Put prefect.yaml, deployment.yaml, .prefectignore and .prefect/ into this folder, where they are not there."""
    from orchestration.sdk.projects.starting import start_project

    made = start_project(Path.cwd(), name)
    typer.echo(f"Made {', '.join(made)}." if made else "All files of a project are here already.")


project.callback()(lambda: None)


@deployment.command("run")
def run_deployment(
    name: Name, param: Params = None, params: Json = None, start_at: At = None, start_in: In = None,
    watch_: Watch = False, tag: Tags = None, run_name: RunName = None,
) -> None:  # fmt: skip
    """Ask for a run of a deployment, now or later; a worker starts it."""
    from orchestration.sdk.projects.parameter_schema import check_parameters

    if start_at and start_in:
        raise UsageError("Give either --start-at or --start-in.")
    now, given = datetime.now(UTC), _parameters(param, params)
    due = moment_meant(start_at, now.astimezone()) if start_at else now + span_meant(start_in or "0s")
    with opened() as backend:
        document = DEPLOYMENT.one(backend, name)
        check_parameters(document.get("parameter_openapi_schema") or {}, given)
        wanted = {"parameters": given, "state": state_document(Scheduled(due)), "tags": tag or []}
        made = backend.create_run_of_deployment(UUID(document["id"]), wanted | ({"name": run_name} if run_name else {}))
        typer.echo(f"Asked for flow run {made.name!r} ({made.id}) of {document['flow_name']}/{document['name']}.")
        if watch_:
            watch(backend, str(made.id), None)


@deployment.command("backfill")
def backfill(name: Name, from_: From, to: To, slug: Slug = None, yes: Yes = False) -> None:
    """Ask for the runs of past slots of a deployment's schedules; those that have run do not run again."""
    now = datetime.now(UTC).astimezone()
    first, last = moment_meant(from_, now), min(moment_meant(to, now), now)
    with opened() as backend:
        document = DEPLOYMENT.one(backend, name)
        slots = [(slot, each) for each in document["schedules"] if slug in (None, each["slug"], each["id"])
                 for slot in _slots(each, first, last)]  # fmt: skip
        if len(slots) > MOST_SLOTS:
            may(f"Ask for {len(slots)} runs?", yes)
        made = []
        for slot, each in sorted(slots, key=lambda pair: pair[0]):
            own = {"state": state_document(Scheduled(slot, name=BACKFILL)), "tags": [BACKFILL.lower()]}
            wanted = {**run_of_slot(document, each, slot), **own}
            del wanted["auto_scheduled"]  # so that no change of the schedule takes it away
            made.append(backend.create_run_of_deployment(UUID(document["id"]), wanted))
    new = sum(run.created >= now for run in made)
    typer.echo(f"Asked for {new} run(s) of {len(slots)} slot(s); {len(slots) - new} had one before.")


def _slots(schedule: Document, first: datetime, last: datetime) -> list[datetime]:
    slots = schedule_of(schedule["schedule"]).slots(first - datetime.resolution)
    return list(takewhile(lambda slot: slot <= last, slots))


@schedule.command("ls")
def list_schedules(name: Name, as_json: AsJson = False) -> None:
    """List the schedules of a deployment, with the times that come next."""
    now = datetime.now(UTC)
    with opened() as backend:
        where = among("schedules", deployment_id=[DEPLOYMENT.one(backend, name)["id"]])
        found = [
            {**each, "next": [moment_text(slot) for slot in schedule_of(each["schedule"]).upcoming(now, NEXT)]}
            for each in SCHEDULE.found(backend, where, SCHEDULE.limit)
        ]
    print_documents(found, SCHEDULE.columns, as_json, "The deployment has no schedules.")
