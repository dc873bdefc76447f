"""``orchestrate worker``."""

from __future__ import annotations

import logging
import shlex
from typing import Annotated

import typer

from orchestration.backend.local_work import LocalWork
from orchestration.backend.port import Backend
from orchestration.backend.surroundings import current_settings
from orchestration.cli.kinds import opened
from orchestration.cli.output import new_app
from orchestration.cli.units import unit_of
from orchestration.domain.errors import ObjectNotFound, UsageError
from orchestration.domain.schemas.wire import Document
from orchestration.services import loop
from orchestration.services.scheduler import Scheduler
from orchestration.services.worker import Wanted, Worker

worker = new_app("Run what deployments ask for.")

Pool = Annotated[str, typer.Option("--pool", "-p", help="The work pool whose runs it takes.")]
Queues = Annotated[list[str] | None, typer.Option("--work-queue", "-q", help="Only those of a queue, or of several.")]
Type = Annotated[str | None, typer.Option("--type", "-t", help="Of the pool, which is made if it is not there.")]
AtOnce = Annotated[int | None, typer.Option("--limit", "-l", help="Runs at a time.", min=1)]
WorkerName = Annotated[str | None, typer.Option("--name", "-n", help="What the store calls this worker.")]
Once = Annotated[bool, typer.Option("--run-once", help="Look for runs once, and end with them.")]


@worker.command("start")
def start(
    pool: Pool, work_queue: Queues = None, type_: Type = None, limit: AtOnce = None, name: WorkerName = None,
    run_once: Once = False,
) -> None:  # fmt: skip
    """Take the runs of a work pool until it is stopped; a second Ctrl-C ends the runs as well."""
    logging.basicConfig(format="%(asctime)s | %(message)s", level=logging.INFO)
    with opened() as backend:
        also = Scheduler(backend).tick if isinstance(backend, LocalWork) else None
        about = Wanted(
            _pool(backend, pool, type_), current_settings().home, work_queue or (), limit, name, run_once, also
        )
        for each in about.queues:
            backend.read("work_queues", work_pool_id=about.pool["id"], name=each)
        typer.echo(f"Waiting for runs of the work pool {pool!r}.")
        here = Worker(backend, about)
        with loop.stopped_by_signals(here.stop.set, here.stop_at_once):
            loop.run(here.tick, here.ended)


def _pool(backend: Backend, name: str, kind: str | None) -> Document:
    """The pool of that name; made, of a kind that is given, where there is none."""
    if kind not in (None, "process"):
        raise UsageError(f"Runs are processes here; there are no workers of type {kind!r}.")
    try:
        return backend.read("work_pools", name=name)
    except ObjectNotFound:
        if kind is None:
            remedy = f"make it with `orchestrate work-pool create --type process {shlex.quote(name)}`"
            raise ObjectNotFound(f"There is no work pool {name!r}; {remedy}.") from None
    return backend.create("work_pools", {"name": name, "type": kind})


@worker.command("unit")
def unit(pool: Pool) -> None:
    """Print a systemd unit that keeps a worker running."""
    typer.echo(unit_of(f"worker of {pool}", ["worker", "start", "--pool", pool], current_settings().home))
