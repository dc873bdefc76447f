"""``orchestrate profile`` and ``config``: named sets of settings, and what they come to."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from orchestration.backend.surroundings import current_environ, read_profiles
from orchestration.cli.output import AsJson, Yes, columns, may, new_app, print_documents, print_fields, print_json
from orchestration.domain.errors import ConfigurationError, ObjectAlreadyExists, UsageError
from orchestration.domain.profiles import FILE, Profiles, chosen, text_of, variable
from orchestration.domain.settings import (
    CHOICE,
    PEER_NAMES,
    PEER_PREFIX,
    PREFIX,
    SECRETS,
    VARIABLES,
    home_of,
    read_settings,
)

profile = new_app("Make and choose named sets of settings.")
config = new_app("Show and change settings.")

NameOrNone = Annotated[str | None, typer.Argument(metavar="NAME", help="The one in use, unless given.")]
Defaults = Annotated[bool, typer.Option("--show-defaults/--hide-defaults", help="Those that nobody has set, too.")]
Sources = Annotated[bool, typer.Option("--show-sources/--hide-sources", help="Where each value comes from.")]
Secrets = Annotated[bool, typer.Option("--show-secrets/--hide-secrets", help="Show secrets as they are.")]
From = Annotated[str | None, typer.Option("--from", help="Copy the settings of this profile.")]


@profile.command("ls")
def ls(as_json: AsJson = False) -> None:
    """List profiles."""
    profiles = read_profiles()
    in_use, all_of_them = chosen(os.environ, profiles), profiles.by_name.items()
    found = [{"name": name, "active": name == in_use, "settings": len(values)} for name, values in all_of_them]
    print_documents(found, columns("Name name text", "Active active exact", "Settings settings exact"), as_json, "")


@profile.command("use")
def use(name: str) -> None:
    """Make a profile the one in use."""
    write(read_profiles().using(name))
    typer.echo(f"The profile {name!r} is in use.")


@profile.command("create")
def create(name: str, from_: From = None) -> None:
    """Make a profile."""
    profiles = read_profiles()
    if name in profiles.by_name:
        raise ObjectAlreadyExists(f"There is already a profile {name!r}; see it with `orchestrate profile inspect`.")
    write(profiles.having(name, profiles.values(from_) if from_ else {}))
    typer.echo(f"Made the profile {name!r}; choose it with `orchestrate profile use {name}`.")


@profile.command("inspect")
def inspect(name: NameOrNone = None, as_json: AsJson = False) -> None:
    """Show the settings of a profile."""
    profiles = read_profiles()
    print_fields(masked(profiles.values(name or chosen(os.environ, profiles))), as_json)


@profile.command("delete")
def delete(name: str, yes: Yes = False) -> None:
    """Delete a profile."""
    profiles = read_profiles()
    left = profiles.without(name)
    if name == profiles.active:
        raise ConfigurationError(f"The profile {name!r} is in use; choose another one first.")
    may(f"Delete the profile {name!r}?", yes)
    write(left)
    typer.echo(f"Deleted the profile {name!r}.")


@profile.command("rename")
def rename(name: str, new_name: str) -> None:
    """Give a profile another name."""
    profiles = read_profiles()
    if new_name in profiles.by_name:
        raise ObjectAlreadyExists(f"There is already a profile {new_name!r}.")
    renamed = profiles.without(name).having(new_name, profiles.values(name))
    write(renamed.using(new_name) if name == profiles.active else renamed)
    typer.echo(f"The profile {name!r} is now {new_name!r}.")


@config.command("view")
def view(
    show_defaults: Defaults = False, show_sources: Sources = True, show_secrets: Secrets = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show the settings."""
    environ = current_environ()
    settings = read_settings(environ, Path.home())
    values, sources = {CHOICE: chosen(os.environ, read_profiles())}, {CHOICE: ""}
    for field, name in sorted(VARIABLES.items(), key=lambda pair: pair[1]):
        sources[name] = _source(name, environ)
        if show_defaults or sources[name] != "default":
            value = getattr(settings, field)
            values[name] = "" if value is None else str(value)
    shown = values if show_secrets else masked(values)
    if as_json:
        print_json(shown)
    for name, text in shown.items() if not as_json else ():
        typer.echo(f"{name}='{text}'" + (f" (from {sources[name]})" if show_sources and sources[name] else ""))


@config.command("set")
def set_(settings: Annotated[list[str], typer.Argument(metavar="NAME=VALUE ...")]) -> None:
    """Set settings in the profile in use."""
    given = dict(text.partition("=")[::2] for text in settings)
    if not all("=" in text for text in settings):
        raise UsageError("Give each setting as NAME=VALUE.")
    _change({variable(name): value for name, value in given.items()}, "Set")


@config.command("unset")
def unset(settings: Annotated[list[str], typer.Argument(metavar="NAME ...")]) -> None:
    """Remove settings from the profile in use."""
    _change(dict.fromkeys(map(variable, settings)), "Unset")


def write(profiles: Profiles) -> None:
    """Put these profiles in the place of those in the home folder, at once and for their owner's eyes only."""
    home = home_of(os.environ, Path.home())
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=home, prefix=FILE, delete=False) as file:
        file.write(text_of(profiles))  # a temporary file has the mode 0600 from its birth
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(home / FILE)


def masked(values: Mapping[str, str]) -> dict[str, str]:
    """The values with a mask in the place of each secret."""
    return {name: "********" if name in SECRETS else value for name, value in values.items()}


def _source(name: str, environ: Mapping[str, str]) -> str:
    """Where the value of a variable comes from; Prefect's variable counts where ours is not set."""
    peer = PEER_PREFIX + name.removeprefix(PREFIX)
    if os.environ.get(name):
        return "env"
    if name.removeprefix(PREFIX) in PEER_NAMES and os.environ.get(peer):
        return f"env {peer}"
    return "profile" if environ.get(name) else "default"


def _change(changes: dict[str, str | None], done: str) -> None:
    profiles = read_profiles()
    name = chosen(os.environ, profiles)
    merged = {**profiles.values(name), **changes}
    values = {key: value for key, value in merged.items() if value is not None}
    read_settings(values, Path.home())  # a value that is not of its kind is refused before it is kept
    write(profiles.having(name, values))
    for key in changes:
        typer.echo(f"{done} {key} in the profile {name!r}.")
        if os.environ.get(key):
            typer.echo(f"{key} is also set in the environment, which wins.", err=True)
