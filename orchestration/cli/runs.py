"""``orchestrate flow``, ``flow-run``, ``task-run``, ``deployment``, and ``init`` and ``deploy``, which make those."""

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path
from typing import Any
from uuid import UUID

import typer

from orchestration.backend.port import Backend
from orchestration.cli.kinds import group, kind_of, store, value_of
from orchestration.cli.output import may, new_app, print_documents, print_json
from orchestration.domain import errors, rules, states
from orchestration.domain.schedules import moment_meant, schedule_of, slot_key, span_meant
from orchestration.domain.schemas import filters, wire

Wait = Callable[[float], None]
POLL_SECONDS = 0.5
# How long after its moment a line may still arrive, from another process, and be followed.
LATE_LINES = timedelta(seconds=5)
FLOW_RUN, DEPLOYMENT, SCHEDULE = kind_of("flow-run"), kind_of("deployment"), kind_of("deployment schedule")
flow, flow_run, task_run, deployment = (group(kind_of(name)) for name in ("flow", "flow-run", "task-run", "deployment"))


@flow.command("serve")
def serve_flow(
    entrypoint: str, name: str, cron: list[str] | None = None, interval: list[float] | None = None,
    rrule: list[str] | None = None, param: list[str] | None = None, tag: list[str] | None = None,
    limit: int | None = None,
) -> None:  # fmt: skip
    """Deploy a flow, and run what is asked of it here, until it is stopped."""
    from orchestration.sdk.projects.pulling import load_flow

    times = {"cron": cron, "interval": interval, "rrule": rrule}
    load_flow(entrypoint, Path.cwd()).serve(name, parameters=_parameters(param), tags=tag, limit=limit, **times)


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
    state = _enter(run, states.Cancelling() if run["state"] else states.Cancelled())
    typer.echo(f"Flow run {run['name']!r} was {'cancelled' if state.is_cancelled() else 'told to stop'}.")


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


def _enter(run: wire.Document, state: states.State, force: bool = False) -> states.State:
    """The state that a run enters: the proposed one, or where no process is to be stopped, Cancelled at once."""
    decision = store().propose_flow_run_state(UUID(run["id"]), state, force)
    if isinstance(decision, rules.Accept) or (isinstance(decision, rules.Reject) and decision.state.is_cancelled()):
        return decision.state
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


# Slots that a listing shows, and that a backfill makes without asking.
NEXT, MOST_SLOTS = 5, 100
# The name of the state in which a run of the past waits, by which it is never late.
BACKFILL = "Backfill"


deploy, init, project, schedule = map(new_app, ("Deploy flows.", *["Begin a project."] * 2, "List schedules."))
project.callback()(lambda: None)  # else its only command would have no name
deployment.add_typer(schedule, name="schedule")


@deploy.command()
def deploy_(
    entrypoint: str | None = None, name: list[str] | None = None, all_: bool = False, pool: str | None = None,
    cron: list[str] | None = None, interval: list[float] | None = None, rrule: list[str] | None = None,
    timezone: str | None = None, param: list[str] | None = None, tag: list[str] | None = None, dry_run: bool = False,
) -> None:  # fmt: skip
    """Deploy what prefect.yaml and deployment.yaml say, or the flow of an entrypoint: all of it, or nothing."""
    from orchestration.sdk.context import current_session
    from orchestration.sdk.projects.deploying import planned, save
    from orchestration.sdk.projects.files import Said, read_project

    times = {"cron": cron, "interval": interval, "rrule": rrule}
    schedules = [{kind: each, "timezone": timezone} for kind, given in times.items() for each in given or ()]
    said = {"parameters": _parameters(param), "work_pool": {"name": pool} if pool else {}}
    lists = {field: value for field, value in (("tags", tag), ("schedules", schedules)) if value}
    common, entries = read_project(folder := Path.cwd())
    if entrypoint:
        entries = [Said({**common, "name": (name or [""])[0], "entrypoint": entrypoint})]
    backend, plans = current_session().backend, []
    for each in entries if all_ else _named(entries, name):
        merged = {field: {**(each.data.get(field) or {}), **value} for field, value in said.items() if value}
        plan = planned(backend, replace(each, data={**each.data, **merged, **lists}), folder, is_dry=dry_run)
        if any(fnmatchcase(plan.name, called if "/" in called else f"*/{called}") for called in name or ("*",)):
            plans.append(plan)
    if not plans:
        raise errors.UsageError(f"No deployment here is called {', '.join(name or ())}.")
    if not dry_run:
        save(backend, plans)
    for plan in plans:
        done = "Would deploy" if dry_run else "Deployed"
        typer.echo("\n  ".join((f"{done} {plan.name} ({plan.what}).", *plan.differences())))


def _named(entries: list[Any], names: Sequence[str] | None) -> list[Any]:
    """The deployments that are meant, by their names or ``flow/name``; the only one need not be named."""
    patterns = [name.rpartition("/")[2] for name in names or ("*",)]
    found = [each for each in entries if any(fnmatchcase(each.data["name"], pattern) for pattern in patterns)]
    if not entries:
        raise errors.UsageError("There is nothing to deploy here: write a prefect.yaml, or name ENTRYPOINT, -n and -p.")
    if not found or (len(found) > 1 and not names) or not found[0].data["name"]:
        there = ", ".join(each.data["name"] for each in entries)
        raise errors.UsageError(f"Say which to deploy, with -n NAME{f' or --all; there are {there}' if there else ''}.")
    return found


def _parameters(param: Sequence[str] | None) -> wire.Document:
    """What ``--param`` says."""
    if missing := [text for text in param or () if "=" not in text]:
        raise errors.UsageError(f"{missing[0]!r} gives no value; write it as name=value.")
    return {name: value_of(value) for name, _, value in (text.partition("=") for text in param or ())}


@init.command()
@project.command("init")
def start(name: str | None = None) -> None:
    """Put prefect.yaml, deployment.yaml, .prefectignore and .prefect/ into this folder, where they are not there."""
    from orchestration.sdk.projects.files import start_project

    made = start_project(Path.cwd(), name)
    typer.echo(f"Made {', '.join(made)}." if made else "All files of a project are here already.")


@deployment.command("run")
def run_deployment(
    name: str, param: list[str] | None = None, start_at: str | None = None, start_in: str | None = None,
    watch_: bool = False, tag: list[str] | None = None, run_name: str | None = None,
) -> None:  # fmt: skip
    """Ask for a run of a deployment, now or later; a worker starts it."""
    from orchestration.sdk.projects import deploying

    if start_at and start_in:
        raise errors.UsageError("Give either --start-at or --start-in.")
    now, document = datetime.now(UTC), DEPLOYMENT.one(name)
    due = moment_meant(start_at, now.astimezone()) if start_at else now + span_meant(start_in or "0s")
    wanted: Any = {"parameters": _parameters(param), "scheduled_time": due, "tags": tag, "flow_run_name": run_name}
    made = deploying.run_deployment(document["id"], timeout=0, **wanted)
    typer.echo(f"Asked for flow run {made.name!r} ({made.id}) of {document['flow_name']}/{document['name']}.")
    if watch_:
        watch(store(), str(made.id))


@deployment.command("backfill")
def backfill(name: str, from_: str, to: str, slug: str | None = None, yes: bool = False) -> None:
    """Ask for the runs of past slots of a deployment's schedules; those that have run do not run again."""
    now = datetime.now(UTC).astimezone()
    first, last = moment_meant(from_, now) - datetime.resolution, min(moment_meant(to, now), now)
    document = DEPLOYMENT.one(name)
    wanted = []
    for each in document["schedules"]:
        slots = schedule_of(each["schedule"]).slots(first) if slug in (None, each["slug"], each["id"]) else ()
        for slot in takewhile(lambda slot: slot <= last, slots):
            key = slot_key(document["id"], each["slug"] or each["id"], slot)
            state = wire.state_document(states.Scheduled(slot, name=BACKFILL))
            own = {"tags": [BACKFILL.lower()], "parameters": each["parameters"]}
            wanted.append((slot, {"idempotency_key": key, "state": state, **own}))
    if len(wanted) > MOST_SLOTS:
        may(f"Ask for {len(wanted)} runs?", yes)
    wanted.sort(key=lambda pair: pair[0])
    made = [store().create_run_of_deployment(UUID(document["id"]), own) for _, own in wanted]
    new = sum(run.created >= now for run in made)
    typer.echo(f"Asked for {new} run(s) of {len(made)} slot(s); {len(made) - new} had one before.")


@schedule.command("ls")
def list_schedules(name: str, as_json: bool = False) -> None:
    """List the schedules of a deployment, with the times that come next."""
    found = DEPLOYMENT.one(name)["schedules"]
    for each in found:
        each["next"] = list(map(wire.moment_text, schedule_of(each["schedule"]).upcoming(datetime.now(UTC), NEXT)))
    print_documents(found, SCHEDULE.columns, as_json, "The deployment has no schedules.")
