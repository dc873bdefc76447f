"""``orchestrate work-pool``."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestration.cli.kinds import Kind, Name, add_limit, changed, group
from orchestration.cli.output import columns
from orchestration.cli.store import opened
from orchestration.cli.variable import Overwrite
from orchestration.domain.errors import ConfigurationError, ObjectAlreadyExists

COLUMNS = columns(
    "Name name text", "Type type text", "Status status exact", "Limit concurrency_limit exact", "ID id exact"
)
KIND = Kind("work_pools", "work pool", COLUMNS, kept_by="name", limit=200)
PAUSES = {"pause": {"is_paused": True}, "resume": {"is_paused": False}}
app = group(KIND, "Make and manage work pools.", "ls inspect delete", **PAUSES)
add_limit(app, KIND)

Template = Annotated[Path | None, typer.Option("--base-job-template", help="A JSON file.", exists=True, dir_okay=False)]
Paused = Annotated[bool, typer.Option(help="Let no worker start its runs yet.")]
Type = Annotated[str, typer.Option("--type", "-t", help="What its workers start.")]
MaybeSlots = Annotated[int | None, typer.Option(help="How many runs at once.", min=0)]
Text = Annotated[str | None, typer.Option(help="What it is for.")]


@app.command("create")
def create(
    name: str, base_job_template: Template = None, paused: Paused = False, type_: Type = "process",
    overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """Make a work pool."""
    document = {"name": name, "type": type_, "is_paused": paused, **_template(base_job_template)}
    with opened() as backend:
        try:
            backend.create("work_pools", document, overwrite)
        except ObjectAlreadyExists:
            raise ObjectAlreadyExists(f"There is already a work pool {name!r}; change it with --overwrite.") from None
    typer.echo(f"Made work pool {name!r}; start a worker with `orchestrate worker start -p {name}`.")


@app.command("update")
def update(
    name: Name, base_job_template: Template = None, concurrency_limit: MaybeSlots = None, description: Text = None
) -> None:
    """Change a work pool."""
    given = {"concurrency_limit": concurrency_limit, "description": description, **_template(base_job_template)}
    changed(KIND, name, {field: value for field, value in given.items() if value is not None})


def _template(path: Path | None) -> dict[str, Any]:
    try:
        return {} if path is None else {"base_job_template": json.loads(path.read_text(encoding="utf-8"))}
    except ValueError as error:
        raise ConfigurationError(f"The file {path} is not JSON: {error}.") from None
