"""``orchestrate server``."""

import sys
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from orchestration.backend.connect import open_database
from orchestration.backend.surroundings import current_settings
from orchestration.cli.kinds import group, kind_of
from orchestration.cli.output import AsJson, Yes, may, new_app, print_fields
from orchestration.cli.worker import print_unit
from orchestration.domain import errors
from orchestration.domain.settings import HOST, PORT, Role, digest, new_key, url_of
from orchestration.persistence.database import reset as reset_database
from orchestration.services import background as processes

server = new_app("Start, stop and look after a server.")
database = new_app("Bring the server's database up to date, or empty it.")
KEYS = kind_of("server key")
key = group(KEYS)
server.add_typer(database, name="database")
server.add_typer(key, name="key")
server.add_typer(group(kind_of("server audit")), name="audit")

Host = Annotated[str, typer.Option(help="The address to listen on.", envvar="ORCHESTRATION_SERVER_API_HOST")]
Port = Annotated[int, typer.Option(help="Of that address.", envvar="ORCHESTRATION_SERVER_API_PORT", min=1, max=65535)]
Background = Annotated[bool, typer.Option("--background", "-b", help="Return when it answers, and leave it running.")]
NoServices = Annotated[bool, typer.Option("--no-services", help="Only the interface.")]
RoleOf = Annotated[Role, typer.Option(help="Viewers read, operators run, admins do everything.")]


@server.command("start")
def start(
    host: Host = HOST, port: Port = PORT, background: Background = False, no_services: NoServices = False
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
def status(as_json: AsJson = False) -> None:
    """Tell whether the server answers; the exit code is 0 when it does."""
    settings = current_settings()
    found = processes.running(settings.home)
    url = found.url if found else settings.api_url or url_of(HOST, PORT)
    answers, pid = processes.is_healthy(url), found.owner.pid if found else None
    print_fields({"url": url, "status": "available" if answers else "unavailable", "pid": pid}, as_json)
    raise typer.Exit(0 if answers else 1)


@database.command("upgrade")
def upgrade(yes: Yes = False) -> None:
    """Bring the database to the schema of this version; what it was before is kept in a copy beside a SQLite file."""
    with closing(open_database(current_settings())) as opened_database, opened_database.session() as now:
        typer.echo(f"{now.place} has schema {now.version()}, the newest that this version knows.")


@database.command("reset")
def reset(yes: Yes = False) -> None:
    """Remove all that the database holds; a copy is kept beside a SQLite file."""
    settings = current_settings()
    if found := processes.running(settings.home):
        raise errors.OrchestrationError(f"A server at {found.url} uses it; stop it first: `orchestrate server stop`.")
    if not (yes or sys.stdin.isatty()):
        raise errors.UsageError("This removes all runs, blocks and settings of the store; say --yes if that is meant.")
    may("Remove all runs, blocks and settings of the store?", yes)
    with closing(open_database(settings)) as opened_database:
        reset_database(opened_database, datetime.now(UTC))
    typer.echo("The database is as new.")


@key.command("create")
def create(name: str, role: RoleOf = Role.OPERATOR) -> None:
    """Make an API key and print it; nobody can read it again."""
    made = new_key()
    KEYS.create({"name": name, "role": role.value, "digest": digest(made)})
    typer.echo(made)
    typer.echo(f"Keep it: it is not shown again. Clients use it as ORCHESTRATION_API_KEY, as {role}.", err=True)


@key.command("revoke")
def revoke(name: str) -> None:
    """Let a key open nothing any more."""
    KEYS.change(name, {"revoked": datetime.now(UTC)}, verb="revoke")
