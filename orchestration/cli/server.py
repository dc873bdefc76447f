"""``orchestrate server``."""

import sys
from contextlib import closing
from datetime import UTC, datetime

import typer

from orchestration.backend.connect import open_database
from orchestration.backend.surroundings import current_settings
from orchestration.cli.output import Yes, may, new_app
from orchestration.domain.errors import UsageError
from orchestration.persistence import schema

server = new_app("Look after the database that runs are kept in.")
database = new_app("Bring the database up to date, or empty it.")
server.add_typer(database, name="database")


@server.callback()
def of_server() -> None:
    """Look after the database that runs are kept in."""


@database.command("upgrade")
def upgrade(yes: Yes = False) -> None:
    """Bring the database to the schema of this version; what it was before is kept in a copy beside a SQLite file."""
    with closing(open_database(current_settings())) as opened_database, opened_database.schema() as now:
        typer.echo(f"{now.place} has schema {now.version()}, the newest that this version knows.")


@database.command("reset")
def reset(yes: Yes = False) -> None:
    """Remove all that the database holds; a copy is kept beside a SQLite file."""
    if not (yes or sys.stdin.isatty()):
        raise UsageError("This removes all runs, blocks and settings of the store; say --yes if that is meant.")
    may("Remove all runs, blocks and settings of the store?", yes)
    with closing(open_database(current_settings())) as opened_database:
        schema.reset(opened_database, datetime.now(UTC))
    typer.echo("The database is as new.")
