"""``orchestrate profile``."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from orchestration.backend.surroundings import read_profiles
from orchestration.cli.output import AsJson, Yes, columns, may, print_documents, print_fields
from orchestration.domain.errors import ConfigurationError, ObjectAlreadyExists
from orchestration.domain.profiles import FILE, Profiles, chosen, text_of
from orchestration.domain.settings import SECRETS, home_of

app = typer.Typer(help="Make and choose named sets of settings.", no_args_is_help=True)

NameOrNone = Annotated[str | None, typer.Argument(metavar="NAME", help="The one in use, unless given.")]
From = Annotated[str | None, typer.Option("--from", help="Copy the settings of this profile.")]


@app.command("ls")
def ls(as_json: AsJson = False) -> None:
    """List profiles."""
    profiles = read_profiles()
    in_use, all_of_them = chosen(os.environ, profiles), profiles.by_name.items()
    found = [{"name": name, "active": name == in_use, "settings": len(values)} for name, values in all_of_them]
    print_documents(found, columns("Name name text", "Active active exact", "Settings settings exact"), as_json, "")


@app.command("use")
def use(name: str) -> None:
    """Make a profile the one in use."""
    write(read_profiles().using(name))
    typer.echo(f"The profile {name!r} is in use.")


@app.command("create")
def create(name: str, from_: From = None) -> None:
    """Make a profile."""
    profiles = read_profiles()
    if name in profiles.by_name:
        raise ObjectAlreadyExists(f"There is already a profile {name!r}; see it with `orchestrate profile inspect`.")
    write(profiles.having(name, profiles.values(from_) if from_ else {}))
    typer.echo(f"Made the profile {name!r}; choose it with `orchestrate profile use {name}`.")


@app.command("inspect")
def inspect(name: NameOrNone = None, as_json: AsJson = False) -> None:
    """Show the settings of a profile."""
    profiles = read_profiles()
    print_fields(masked(profiles.values(name or chosen(os.environ, profiles))), as_json)


@app.command("delete")
def delete(name: str, yes: Yes = False) -> None:
    """Delete a profile."""
    profiles = read_profiles()
    left = profiles.without(name)
    if name == profiles.active:
        raise ConfigurationError(f"The profile {name!r} is in use; choose another first, with `orchestrate profile use`.")
    may(f"Delete the profile {name!r}?", yes)
    write(left)
    typer.echo(f"Deleted the profile {name!r}.")


@app.command("rename")
def rename(name: str, new_name: str) -> None:
    """Give a profile another name."""
    profiles = read_profiles()
    if new_name in profiles.by_name:
        raise ObjectAlreadyExists(f"There is already a profile {new_name!r}.")
    renamed = profiles.without(name).having(new_name, profiles.values(name))
    write(renamed.using(new_name) if name == profiles.active else renamed)
    typer.echo(f"The profile {name!r} is now {new_name!r}.")


def write(profiles: Profiles) -> None:
    """Put these profiles in the place of those in the home folder, at once and for their owner's eyes only."""
    home = home_of(os.environ, Path.home())
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=home, prefix=FILE, delete=False) as file:
        file.write(text_of(profiles))  # a temporary file has the mode 0600 from its birth
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(home / FILE)


def masked(values: Mapping[str, str]) -> dict[str, str]:
    """The values with a mask in the place of each secret."""
    return {name: "********" if name in SECRETS else value for name, value in values.items()}
