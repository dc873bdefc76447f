"""``orchestrate variable``."""

import json
from typing import Annotated, Any

import typer

from orchestration.cli.kinds import Kind, group
from orchestration.cli.output import columns
from orchestration.cli.store import opened

COLUMNS = columns("Name name text", "Value value text", "Tags tags text", "Updated updated time")
KIND = Kind("variables", "variable", COLUMNS, kept_by="name", limit=100)
variable = group(KIND, "Get, set and list variables.", "ls inspect delete unset")

Value = Annotated[str, typer.Argument(help="JSON, or a text.")]
Overwrite = Annotated[bool, typer.Option(help="Change it if it is there.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag; may be given several times.")]


@variable.command("get")
def get(name: str) -> None:
    """Print the value of a variable, as JSON."""
    with opened() as backend:
        typer.echo(json.dumps(KIND.one(backend, name)["value"], ensure_ascii=False))


@variable.command("set")
def set_(name: str, value: Value, overwrite: Overwrite = False, tag: Tags = None) -> None:
    """Set a variable."""
    KIND.create({"name": name, "value": value_of(value), "tags": tag or []}, overwrite)


def value_of(text: str) -> Any:
    """What a person means by a text: JSON where it is some, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
