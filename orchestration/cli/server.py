"""``orchestrate server``."""

import sys
from contextlib import closing
from datetime import UTC, datetime
from functools import partial

import typer

from orchestration.backend.connect import open_database
from orchestration.backend.surroundings import current_settings
from orchestration.cli.kinds import group, kind_of
from orchestration.cli.output import may, new_app, print_fields
from orchestration.cli.worker import print_unit
from orchestration.domain import errors, keys
from orchestration.domain.addresses import HOST, PORT, url_of
from orchestration.persistence import schema
from orchestration.services import background as processes

server = new_app("Start, stop and look after a server.")
database = new_app("Bring the server's database up to date, or empty it.")
KEYS = kind_of("server key")
key = group(KEYS)
server.add_typer(database, name="database")
server.add_typer(key, name="key")
server.add_typer(group(kind_of("server audit")), name="audit")



@server.command("start")
def start(
    host: str = HOST, port: int = PORT, background: bool = False, no_services: bool = False
) -> None:
    """Start a server."""
    settings = current_settings()
    if background:
        url = processes.start(settings.home, host, port, *["--no-services"] * no_services).url
        typer.echo(f"The server answers at {url}; stop it with `orchestrate server stop`.")
        return
    from orchestration.services.serve import run_server

    with processes.listening(host, port) as listener:
        announce = partial(typer.echo, f"Serving {url_of(host, port)}; Ctrl-C stops it.")
        run_server(settings, listener, announce, with_services=not no_services)


@server.command("unit")
def unit() -> None:
    """Print a systemd unit that keeps a server running."""
    print_unit("server", "start")


@server.command("stop")
def stop() -> None:
    """Stop the server that was started in the background."""
    found = processes.stop(current_settings().home)
    typer.echo(f"Stopped the server at {found.url}." if found else "No server runs in the background.")


@server.command("status")
def status(as_json: bool = False) -> None:
    """Tell whether the server answers; the exit code is 0 when it does."""
    settings = current_settings()
    found = processes.running(settings.home)
    url = found.url if found else settings.api_url or url_of(HOST, PORT)
    answers, pid = processes.is_healthy(url), found.owner.pid if found else None
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
    if found := processes.running(settings.home):
        raise errors.OrchestrationError(f"A server at {found.url} uses it; stop it first: `orchestrate server stop`.")
    if not (yes or sys.stdin.isatty()):
        raise errors.UsageError("This removes all runs, blocks and settings of the store; say --yes if that is meant.")
    may("Remove all runs, blocks and settings of the store?", yes)
    with closing(open_database(settings)) as opened_database:
        schema.reset(opened_database, datetime.now(UTC))
    typer.echo("The database is as new.")


@key.command("create")
def create(name: str, role: keys.Role = keys.Role.OPERATOR) -> None:
    """Make an API key and print it; nobody can read it again."""
    made = keys.new_key()
    KEYS.create({"name": name, "role": role.value, "digest": keys.digest(made)})
    typer.echo(made)
    typer.echo(f"Keep it: it is not shown again. Clients use it as ORCHESTRATION_API_KEY, as {role}.", err=True)


@key.command("revoke")
def revoke(name: str) -> None:
    """Let a key open nothing any more."""
    KEYS.change(name, {"revoked": datetime.now(UTC)}, verb="revoke")
