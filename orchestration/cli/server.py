"""``orchestrate server`` and ``orchestrate worker``, and the units that keep them running."""

import logging
import os
import shlex
import sys
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import typer

from orchestration.backend.connect import open_database
from orchestration.backend.local import LocalBackend
from orchestration.backend.surroundings import current_settings
from orchestration.cli.kinds import group, kind_of, store
from orchestration.cli.output import may, new_app, print_fields
from orchestration.domain import errors
from orchestration.domain.schemas.filters import among
from orchestration.domain.settings import HOST, PORT, Role, digest, new_key, url_of
from orchestration.persistence.database import reset as reset_database
from orchestration.services import loop, serve
from orchestration.services.loop import Scheduler
from orchestration.services.worker import Worker

worker = new_app("Run what deployments ask for.")
UNIT = Path(__file__).with_name("unit.service")


@worker.command("start")
def start_worker(
    pool: str, work_queue: list[str] | None = None, type_: str | None = None, limit: int | None = None,
    name: str | None = None, run_once: bool = False,
) -> None:  # fmt: skip
    """Take the runs of a work pool until it is stopped.

    A first Ctrl-C lets the runs end that are under way, a second one ends them, and a third one waits for nothing.
    """
    logging.basicConfig(format="%(asctime)s | %(message)s")
    loop.LOGGER.setLevel(logging.INFO)
    if type_ not in (None, "process"):
        raise errors.UsageError(f"Runs are processes here; there are no workers of type {type_!r}.")
    backend = store()
    if type_ and not backend.count("work_pools", among("work_pools", name=[pool])):
        backend.create("work_pools", {"name": pool, "type": type_})
    about = kind_of("work-pool").one(pool)
    queues = [kind_of("work-queue").one(f"{pool}/{queue}")["name"] for queue in work_queue or ()]
    ticks = [Scheduler(backend).tick] if isinstance(backend, LocalBackend) else []
    here = Worker(backend, about, current_settings().home, queues, limit, name, run_once)
    loop.at_signals(here.stop.set, here.stop_at_once, partial(os._exit, 1))
    typer.echo(f"Waiting for runs of the work pool {pool!r}.")
    with loop.beside(*ticks):
        loop.run(here.tick, here.ended)


@worker.command("unit")
def worker_unit(pool: str) -> None:
    """Print a systemd unit that keeps a worker running."""
    print_unit("worker", "start", "--pool", pool)


def print_unit(*words: str) -> None:
    """Print the unit that runs a command of this installation in the current folder, with this home."""
    command = shlex.join([sys.executable, "-m", "orchestration.cli", *words]).replace("%", "%%")
    text = UNIT.read_text(encoding="ascii")
    typer.echo(text.format(what=words[0], command=command, home=current_settings().home, folder=Path.cwd()).rstrip())


server = new_app("Start, stop and look after a server.")
database = new_app("Bring the server's database up to date, or empty it.")
KEYS = kind_of("server key")
key = group(KEYS)
server.add_typer(database, name="database")
server.add_typer(key, name="key")
server.add_typer(group(kind_of("server audit")), name="audit")


@server.command("start")
def start_server(host: str = HOST, port: int = PORT, background: bool = False, no_services: bool = False) -> None:
    """Start a server."""
    settings = current_settings()
    if background:
        url = serve.start(settings.home, host, port, *["--no-services"] * no_services).url
        typer.echo(f"The server answers at {url}; stop it with `orchestrate server stop`.")
        return
    with serve.listening(host, port) as listener:
        announce = partial(typer.echo, f"Serving {url_of(host, port)}; Ctrl-C stops it.")
        serve.run_server(settings, listener, announce, with_services=not no_services)


@server.command("unit")
def server_unit() -> None:
    """Print a systemd unit that keeps a server running."""
    print_unit("server", "start")


@server.command("stop")
def stop() -> None:
    """Stop the server that was started in the background."""
    found = serve.stop(current_settings().home)
    typer.echo(f"Stopped the server at {found.url}." if found else "No server runs in the background.")


@server.command("status")
def status(as_json: bool = False) -> None:
    """Tell whether the server answers; the exit code is 0 when it does."""
    settings = current_settings()
    found = serve.running(settings.home)
    url = found.url if found else settings.api_url or url_of(HOST, PORT)
    answers, pid = serve.is_healthy(url), found.owner.pid if found else None
    print_fields({"url": url, "status": "available" if answers else "unavailable", "pid": pid}, as_json)
    raise typer.Exit(0 if answers else 1)


@database.command("upgrade")
def upgrade(yes: bool = False) -> None:
    """Bring the database to the schema of this version; what it was before is kept in a copy beside a SQLite file."""
    with closing(open_database(current_settings())) as opened_database, opened_database.session() as now:
        typer.echo(f"{now.place} has schema {now.version()}, the newest that this version knows.")


@database.command("reset")
def reset(yes: bool = False) -> None:
    """Remove all that the database holds; a copy is kept beside a SQLite file."""
    settings = current_settings()
    if found := serve.running(settings.home):
        raise errors.OrchestrationError(f"A server at {found.url} uses it; stop it first: `orchestrate server stop`.")
    if not (yes or sys.stdin.isatty()):
        raise errors.UsageError("This removes all runs, blocks and settings of the store; say --yes if that is meant.")
    may("Remove all runs, blocks and settings of the store?", yes)
    with closing(open_database(settings)) as opened_database:
        reset_database(opened_database, datetime.now(UTC))
    typer.echo("The database is as new.")


@key.command("create")
def create(name: str, role: Role = Role.OPERATOR) -> None:
    """Make an API key and print it; nobody can read it again."""
    made = new_key()
    KEYS.create({"name": name, "role": role.value, "digest": digest(made)})
    typer.echo(made)
    typer.echo(f"Keep it: it is not shown again. Clients use it as ORCHESTRATION_API_KEY, as {role}.", err=True)


@key.command("revoke")
def revoke(name: str) -> None:
    """Let a key open nothing any more."""
    KEYS.change(name, {"revoked": datetime.now(UTC)}, verb="revoke")
