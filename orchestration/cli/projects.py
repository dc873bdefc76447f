"""``orchestrate deploy``, ``init`` and ``project``, and ``deployment`` with what it runs, plans and makes up for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from orchestration.cli.kinds import Name, store, value_of
from orchestration.cli.output import AsJson, Yes, may, new_app, print_documents
from orchestration.cli.runs import DEPLOYMENT, SCHEDULE, At, In, Params, Watch, deployment, watch
from orchestration.domain.errors import UsageError
from orchestration.domain.schedules import moment_meant, schedule_of, slot_key, span_meant
from orchestration.domain.schemas.wire import Document, moment_text, state_document
from orchestration.domain.states import Scheduled

# Slots that a listing shows, and that a backfill makes without asking.
NEXT, MOST_SLOTS = 5, 100
# The name of the state in which a run of the past waits, by which it is never late.
BACKFILL = "Backfill"

Entrypoint = Annotated[str | None, typer.Argument(help="path/to/file.py:function; without it, what the file says.")]
Names = Annotated[list[str] | None, typer.Option("--name", "-n", help="Its name, or a pattern of those in the file.")]
All = Annotated[bool, typer.Option("--all", help="All deployments of the file.")]
Pool = Annotated[str | None, typer.Option("--pool", "-p", help="The work pool whose workers run it.")]
Crons = Annotated[list[str] | None, typer.Option("--cron", help="When it runs, such as '0 9 3 * *'.")]
Intervals = Annotated[list[float] | None, typer.Option("--interval", help="Seconds between runs.")]
RRules = Annotated[list[str] | None, typer.Option("--rrule", help="When it runs, by RFC 5545.")]
Zone = Annotated[str | None, typer.Option("--timezone", help="Of these times, such as America/New_York.")]
Param = Annotated[list[str] | None, typer.Option("--param", help="name=value, a JSON value or a text.")]
Json = Annotated[str, typer.Option("--params", help="Parameters, as a JSON object.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", "-t", help="A tag; may be given several times.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
RunName = Annotated[str | None, typer.Option("--flow-run-name", "--name", help="What the run is called.")]
From = Annotated[str, typer.Option("--from", help="The first moment, such as 2024-01-01.")]
To = Annotated[str, typer.Option("--to", help="The last moment.")]
Slug = Annotated[str | None, typer.Option("--schedule", help="The slug or id of one of its schedules.")]
Title = Annotated[str | None, typer.Option("--name", help="Of the project; without it, the folder's.")]

deploy, init, project, schedule = map(new_app, ("Deploy flows.", *["Begin a project."] * 2, "List schedules."))
project.callback()(lambda: None)  # else its only command would have no name
deployment.add_typer(schedule, name="schedule")


@deploy.command()
def deploy_(
    entrypoint: Entrypoint = None, name: Names = None, all_: All = False, pool: Pool = None, cron: Crons = None,
    interval: Intervals = None, rrule: RRules = None, timezone: Zone = None, param: Param = None, tag: Tags = None,
    dry_run: Dry = False,
) -> None:  # fmt: skip
    """Deploy what prefect.yaml and deployment.yaml say, or the flow of an entrypoint: all of it, or nothing."""
    from orchestration.sdk.projects.deploying import planned, save
    from orchestration.sdk.projects.files import Said, read_project
    from orchestration.sdk.runtime import close_session, current_session

    times = {"cron": cron, "interval": interval, "rrule": rrule}
    schedules = [{kind: each, "timezone": timezone} for kind, given in times.items() for each in given or ()]
    said = {"parameters": _parameters(param), "work_pool": {"name": pool} if pool else {}}
    lists = {field: value for field, value in (("tags", tag), ("schedules", schedules)) if value}
    common, entries = read_project(folder := Path.cwd())
    if entrypoint:
        entries = [Said({**common, "name": (name or [""])[0], "entrypoint": entrypoint})]
    try:
        backend, plans = current_session().backend, []
        for each in entries if all_ else _named(entries, name):
            merged = {field: {**(each.data.get(field) or {}), **value} for field, value in said.items() if value}
            plan = planned(backend, replace(each, data={**each.data, **merged, **lists}), folder, is_dry=dry_run)
            if any(fnmatchcase(plan.name, called if "/" in called else f"*/{called}") for called in name or ("*",)):
                plans.append(plan)
        if not plans:
            raise UsageError(f"No deployment here is called {', '.join(name or ())}.")
        if not dry_run:
            save(backend, plans)
        for plan in plans:
            done = "Would deploy" if dry_run else "Deployed"
            typer.echo("\n  ".join((f"{done} {plan.name} ({plan.what}).", *plan.differences())))
    finally:
        close_session()


def _named(entries: list[Any], names: Sequence[str] | None) -> list[Any]:
    """The deployments that are meant, by their names or ``flow/name``; the only one need not be named."""
    patterns = [name.rpartition("/")[2] for name in names or ("*",)]
    found = [each for each in entries if any(fnmatchcase(each.data["name"], pattern) for pattern in patterns)]
    if not entries:
        raise UsageError("There is no deployment to deploy here: write a prefect.yaml, or name ENTRYPOINT, -n and -p.")
    if not found or (len(found) > 1 and not names) or not found[0].data["name"]:
        there = ", ".join(each.data["name"] for each in entries)
        raise UsageError(f"Say which to deploy, with -n NAME{f' or --all; there are {there}' if there else ''}.")
    return found


def _parameters(param: Sequence[str] | None, params: str = "{}") -> Document:
    """What ``--param`` and ``--params`` say."""
    given = value_of(params)
    if not isinstance(given, dict):
        raise UsageError(f"--params {params!r} is no JSON object.")
    if missing := [text for text in param or () if "=" not in text]:
        raise UsageError(f"{missing[0]!r} gives no value; write it as name=value.")
    return given | {name: value_of(value) for name, _, value in (text.partition("=") for text in param or ())}


@init.command()
@project.command("init")
def start(name: Title = None) -> None:
    """Put prefect.yaml, deployment.yaml, .prefectignore and .prefect/ into this folder, where they are not there."""
    from orchestration.sdk.projects.files import start_project

    made = start_project(Path.cwd(), name)
    typer.echo(f"Made {', '.join(made)}." if made else "All files of a project are here already.")


@deployment.command("run")
def run_deployment(
    name: Name, param: Params = None, params: Json = "{}", start_at: At = None, start_in: In = None,
    watch_: Watch = False, tag: Tags = None, run_name: RunName = None,
) -> None:  # fmt: skip
    """Ask for a run of a deployment, now or later; a worker starts it."""
    from orchestration.sdk.projects.parameter_schema import check_parameters

    if start_at and start_in:
        raise UsageError("Give either --start-at or --start-in.")
    now, given = datetime.now(UTC), _parameters(param, params)
    due = moment_meant(start_at, now.astimezone()) if start_at else now + span_meant(start_in or "0s")
    document = DEPLOYMENT.one(name)
    check_parameters(document.get("parameter_openapi_schema") or {}, given)
    wanted = {"parameters": given, "state": state_document(Scheduled(due)), "tags": tag or [], "name": run_name}
    made = store().create_run_of_deployment(UUID(document["id"]), wanted)
    typer.echo(f"Asked for flow run {made.name!r} ({made.id}) of {document['flow_name']}/{document['name']}.")
    if watch_:
        watch(store(), str(made.id))


@deployment.command("backfill")
def backfill(name: Name, from_: From, to: To, slug: Slug = None, yes: Yes = False) -> None:
    """Ask for the runs of past slots of a deployment's schedules; those that have run do not run again."""
    now = datetime.now(UTC).astimezone()
    first, last = moment_meant(from_, now) - datetime.resolution, min(moment_meant(to, now), now)
    document = DEPLOYMENT.one(name)
    wanted = []
    for each in document["schedules"]:
        slots = schedule_of(each["schedule"]).slots(first) if slug in (None, each["slug"], each["id"]) else ()
        for slot in takewhile(lambda slot: slot <= last, slots):
            key = slot_key(document["id"], each["slug"] or each["id"], slot)
            state = state_document(Scheduled(slot, name=BACKFILL))
            own = {"tags": [BACKFILL.lower()], "parameters": each["parameters"]}
            wanted.append((slot, {"idempotency_key": key, "state": state, **own}))
    if len(wanted) > MOST_SLOTS:
        may(f"Ask for {len(wanted)} runs?", yes)
    wanted.sort(key=lambda pair: pair[0])
    made = [store().create_run_of_deployment(UUID(document["id"]), own) for _, own in wanted]
    new = sum(run.created >= now for run in made)
    typer.echo(f"Asked for {new} run(s) of {len(made)} slot(s); {len(made) - new} had one before.")


@schedule.command("ls")
def list_schedules(name: Name, as_json: AsJson = False) -> None:
    """List the schedules of a deployment, with the times that come next."""
    found = DEPLOYMENT.one(name)["schedules"]
    for each in found:
        each["next"] = list(map(moment_text, schedule_of(each["schedule"]).upcoming(datetime.now(UTC), NEXT)))
    print_documents(found, SCHEDULE.columns, as_json, "The deployment has no schedules.")
