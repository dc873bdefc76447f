"""``orchestrate artifact``."""

from typing import Annotated

import typer

from orchestration.cli.kinds import Kind, group
from orchestration.cli.output import AsJson, Limit, Yes, columns, may, print_documents
from orchestration.cli.store import NO_FILTER, opened
from orchestration.domain.errors import UsageError
from orchestration.domain.schemas.filters import among

COLUMNS = columns("ID id exact", "Key key text", "Type type exact", "Updated updated time")
VERSION = Kind("artifacts", "artifact", COLUMNS, key="key", sort="ID_DESC")
LATEST = Kind("artifact_collections", "artifact", COLUMNS, sort="ID_DESC")
artifact = group(LATEST, "List and read what runs publish.", "")

All = Annotated[bool, typer.Option("--all", "-a", help="Every version, not only the latest of each key.")]
Key = Annotated[str | None, typer.Argument(help="All versions of this key.")]
ById = Annotated[str | None, typer.Option("--id", help="One version, by its id.")]


@artifact.command("ls")
def ls(limit: Limit = 100, every: All = False, as_json: AsJson = False) -> None:
    """List artifacts."""
    (VERSION if every else LATEST).show(as_json, NO_FILTER, limit)


@artifact.command("inspect")
def inspect(key: str, limit: Limit = 10, as_json: AsJson = False) -> None:
    """Show the versions of an artifact, newest first."""
    with opened() as backend:
        versions = VERSION.found(backend, among("artifacts", key=[key]), limit, None) or [VERSION.missing(key)]
    print_documents(versions, (*COLUMNS, *columns("Data data text")), as_json, "")


@artifact.command("delete")
def delete(key: Key = None, id_: ById = None, yes: Yes = False) -> None:
    """Delete all versions of an artifact, or one."""
    if (key is None) == (id_ is None):
        raise UsageError("Say which artifact: either its key or, for one version, --id.")
    with opened() as backend:
        where = among("artifacts", **({"key": [key]} if key else {"id": [id_]}))
        versions = VERSION.found(backend, where, None, None) or [VERSION.missing(key or str(id_))]
        may(f"Delete {len(versions)} version(s)?", yes)
        for each in versions:
            VERSION.delete(backend, each)
    typer.echo(f"Deleted {len(versions)} version(s) of the artifact {key or id_!r}.")
