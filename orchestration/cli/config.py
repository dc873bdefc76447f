"""``orchestrate config``."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from orchestration.backend.surroundings import current_environ, read_profiles
from orchestration.cli.output import AsJson, print_json
from orchestration.cli.profile import masked, write
from orchestration.domain.errors import UsageError
from orchestration.domain.profiles import CHOICE, chosen, variable
from orchestration.domain.settings import PEER_NAMES, PEER_PREFIX, PREFIX, VARIABLES, read_settings

app = typer.Typer(help="Show and change settings.", no_args_is_help=True)

Defaults = Annotated[bool, typer.Option("--show-defaults/--hide-defaults", help="Those that nobody has set, too.")]
Sources = Annotated[bool, typer.Option("--show-sources/--hide-sources", help="Where each value comes from.")]
Secrets = Annotated[bool, typer.Option("--show-secrets/--hide-secrets", help="Show secrets as they are.")]


@app.command("view")
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


@app.command("set")
def set_(settings: Annotated[list[str], typer.Argument(metavar="NAME=VALUE ...")]) -> None:
    """Set settings in the profile in use."""
    given = dict(text.partition("=")[::2] for text in settings)
    if not all("=" in text for text in settings):
        raise UsageError("Give each setting as NAME=VALUE.")
    _change({variable(name): value for name, value in given.items()}, "Set")


@app.command("unset")
def unset(settings: Annotated[list[str], typer.Argument(metavar="NAME ...")]) -> None:
    """Remove settings from the profile in use."""
    _change(dict.fromkeys(map(variable, settings)), "Unset")


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
