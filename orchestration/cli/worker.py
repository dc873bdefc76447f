"""``orchestrate worker``, and the units that keep workers and servers running."""

from __future__ import annotations

import logging
import shlex
import sys
from pathlib import Path

import typer

from orchestration.backend.local_work import LocalWork
from orchestration.backend.surroundings import current_settings
from orchestration.cli.kinds import kind_of, store
from orchestration.cli.output import new_app
from orchestration.domain.errors import ObjectNotFound, UsageError
from orchestration.services import loop
from orchestration.services.scheduler import Scheduler
from orchestration.services.worker import Wanted, Worker

worker = new_app("Run what deployments ask for.")
UNIT = Path(__file__).with_name("unit.service")


@worker.command("start")
def start(
    pool: str, work_queue: list[str] | None = None, type_: str | None = None, limit: int | None = None,
    name: str | None = None, run_once: bool = False,
) -> None:  # fmt: skip
    """Take the runs of a work pool until it is stopped.

    A first Ctrl-C lets the runs end that are under way, a second one ends them, and a third one waits for nothing.
    """
    logging.basicConfig(format="%(asctime)s | %(message)s")
    loop.LOGGER.setLevel(logging.INFO)
    if type_ not in (None, "process"):
        raise UsageError(f"Runs are processes here; there are no workers of type {type_!r}.")
    backend = store()
    try:
        about = backend.read("work_pools", name=pool)
    except ObjectNotFound:
        if type_ is None:
            remedy = f"make it with `orchestrate work-pool create --type process {shlex.quote(pool)}`"
            raise ObjectNotFound(f"There is no work pool {pool!r}; {remedy}.") from None
        about = backend.create("work_pools", {"name": pool, "type": type_})
    queues = [kind_of("work-queue").one(f"{pool}/{queue}")["name"] for queue in work_queue or ()]
    ticks = [Scheduler(backend).tick] if isinstance(backend, LocalWork) else []
    here = Worker(backend, Wanted(about, current_settings().home, queues, limit, name, run_once))
    loop.at_signals(here.stop.set, here.stop_at_once, sys.exit)
    typer.echo(f"Waiting for runs of the work pool {pool!r}.")
    with loop.beside(*ticks):
        loop.run(here.tick, here.ended)


@worker.command("unit")
def unit(pool: str) -> None:
    """Print a systemd unit that keeps a worker running."""
    print_unit("worker", "start", "--pool", pool)


def print_unit(*words: str) -> None:
    """Print the unit that runs a command of this installation in the current folder, with this home."""
    command = shlex.join([sys.executable, "-m", "orchestration.cli", *words]).replace("%", "%%")
    text = UNIT.read_text(encoding="ascii")
    typer.echo(text.format(what=words[0], command=command, home=current_settings().home, folder=Path.cwd()).rstrip())
