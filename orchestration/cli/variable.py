"""``orchestrate variable``."""

import json
from typing import Annotated, Any

import typer

from orchestration.cli.kinds import Kind, Name, group
from orchestration.cli.output import Column, Yes, may
from orchestration.cli.store import opened
from orchestration.domain.errors import ObjectAlreadyExists

KIND = Kind(
    "variables",
    "variable",
    (Column("Name", "name"), Column("Value", "value"), Column("Tags", "tags"), Column("Updated", "updated", "time")),
    kept_by="name",
    limit=100,
)
app = group(KIND, "ls inspect", "Get, set and list variables.")

Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag of it; may be given several times.")]


@app.command("get")
def get(name: str) -> None:
    """Print the value of a variable, as JSON."""
    with opened() as backend:
        typer.echo(json.dumps(backend.read("variables", name=name)["value"], ensure_ascii=False))


@app.command("set")
def set_(
    name: str,
    value: Annotated[str, typer.Argument(help="JSON, or a text.")],
    overwrite: Annotated[bool, typer.Option(help="Change it if it is there.")] = False,
    tag: Tags = None,
) -> None:
    """Set a variable."""
    document = {"name": name, "value": value_of(value), "tags": tag or []}
    with opened() as backend:
        try:
            backend.create("variables", document, overwrite)
        except ObjectAlreadyExists:
            raise ObjectAlreadyExists(f"There is already a variable {name!r}; change it with --overwrite.") from None
    typer.echo(f"Set variable {name!r}.")


@app.command("delete", hidden=True)
@app.command("unset")
def unset(name: Name, yes: Yes = False) -> None:
    """Remove a variable."""
    with opened() as backend:
        document = KIND.one(backend, name)
        may(f"Remove the variable {name!r}?", yes)
        backend.delete("variables", name=document["name"])
    typer.echo(f"Unset variable {document['name']!r}.")


def value_of(text: str) -> Any:
    """What a person means by a text: JSON where it is some, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
