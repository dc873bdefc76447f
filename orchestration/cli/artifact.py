"""``orchestrate artifact``."""

from typing import Annotated

import typer

from orchestration.cli.kinds import NO_FILTER, Kind, group
from orchestration.cli.output import AsJson, Column, Limit, Output, Yes, may, print_documents
from orchestration.cli.store import found, one, opened
from orchestration.domain.errors import ObjectNotFound, UsageError
from orchestration.domain.schemas.filters import among

COLUMNS = (
    Column("ID", "id", "exact"),
    Column("Key", "key"),
    Column("Type", "type", "exact"),
    Column("Updated", "updated", "time"),
)
VERSION = Kind("artifacts", "artifact", COLUMNS, key="key", sort="ID_DESC")
LATEST = Kind("artifact_collections", "artifact", COLUMNS, key="key", sort="ID_DESC")
app = group(LATEST, "", "List and read what runs publish.")

ById = Annotated[str | None, typer.Option("--id", help="One version, by its id.")]


@app.command("ls")
def ls(
    limit: Limit = 100,
    every: Annotated[bool, typer.Option("--all", "-a", help="Every version, not only the latest of each key.")] = False,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """List artifacts."""
    (VERSION if every else LATEST).show(NO_FILTER, limit, output or as_json)


@app.command("inspect")
def inspect(key: str, limit: Limit = 10, output: Output = None, as_json: AsJson = False) -> None:
    """Show the versions of an artifact, newest first."""
    with opened() as backend:
        versions = list(found(backend, "artifacts", among("artifacts", key=[key]), limit, "ID_DESC"))
    if not versions:
        raise ObjectNotFound(f"There is no artifact {key!r}; list them with `orchestrate artifact ls`.")
    print_documents(versions, (*COLUMNS, Column("Data", "data")), output or as_json, "")


@app.command("delete")
def delete(key: Annotated[str | None, typer.Argument()] = None, id_: ById = None, yes: Yes = False) -> None:
    """Delete all versions of an artifact, or one."""
    if (key is None) == (id_ is None):
        raise UsageError("Say which artifact: either its key or, for one version, --id.")
    with opened() as backend:
        if id_ is not None:
            ids = [one(backend, "artifacts", id_)["id"]]
        else:
            ids = [each["id"] for each in found(backend, "artifacts", among("artifacts", key=[key]))]
        if not ids:
            raise ObjectNotFound(f"There is no artifact {key!r}; list them with `orchestrate artifact ls`.")
        may(f"Delete {len(ids)} version(s)?", yes)
        for each in ids:
            backend.delete("artifacts", id=each)
    typer.echo(f"Deleted {len(ids)} version(s) of the artifact {key or id_!r}.")
