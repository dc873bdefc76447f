"""``orchestrate version``, ``profile`` and ``config``: where runs are kept, and the settings that say so."""

import os
import platform
import tempfile
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path

import typer

from orchestration.backend.surroundings import current_settings, read_profiles
from orchestration.cli.output import new_app, print_documents, print_fields
from orchestration.domain import errors, settings as names

version = new_app("Show versions, and where runs are kept.")
profile = new_app("Make and choose named sets of settings.")
config = new_app("Show and change settings.")


@version.command("version")
def show(as_json: bool = False) -> None:
    """Show versions, and where runs are kept."""
    settings = current_settings()
    path, url = settings.database_path, settings.database_url
    size = f"{path.stat().st_size / 1e6:.1f} MB" if path.exists() else "not made yet"
    database = {"Database": url.partition(":")[0] if url else f"sqlite, {size}, {path}"}
    facts = {
        "Version": next((each.version for each in distributions(name="orchestration")), "not installed"),
        "Python version": platform.python_version(), "OS/Arch": f"{platform.system().lower()}/{platform.machine()}",
        "Profile": names.chosen(os.environ, read_profiles()), "Server type": names.server_type(settings.api_url),
        "Home": str(settings.home),
    }  # fmt: skip
    print_fields({**facts, **({"Server": settings.api_url} if settings.api_url else database)}, as_json)


@profile.command("ls")
def ls(as_json: bool = False) -> None:
    """List profiles."""
    profiles = read_profiles()
    in_use, every = names.chosen(os.environ, profiles), profiles.by_name.items()
    rows = [{"name": name, "active": name == in_use, "settings": len(values)} for name, values in every]
    columns = [(name.capitalize(), name, "exact") for name in ("name", "active", "settings")]
    print_documents(rows, columns, as_json, "")


@profile.command("use")
def use(name: str) -> None:
    """Make a profile the one in use."""
    write(read_profiles().using(name))
    typer.echo(f"The profile {name!r} is in use.")


@profile.command("create")
def create(name: str) -> None:
    """Make a profile."""
    profiles = read_profiles()
    if name in profiles.by_name:
        raise errors.ObjectAlreadyExists(f"There is already a profile {name!r}; see it with `profile inspect`.")
    write(profiles.having(name, {}))
    typer.echo(f"Made the profile {name!r}; choose it with `orchestrate profile use {name}`.")


@profile.command("inspect")
def inspect(name: str | None = None, as_json: bool = False) -> None:
    """Show the settings of a profile."""
    profiles = read_profiles()
    print_fields(masked(profiles.values(name or names.chosen(os.environ, profiles))), as_json)


@config.command("view")
def view(show_secrets: bool = False, as_json: bool = False) -> None:
    """Show the settings, set or not."""
    settings = current_settings()
    values = {names.CHOICE: names.chosen(os.environ, read_profiles())}
    for name, field in sorted((name, field) for field, name in names.VARIABLES.items()):
        values[name] = "" if getattr(settings, field) is None else str(getattr(settings, field))
    print_fields(values if show_secrets else masked(values), as_json)


@config.command("set")
def set_(settings: list[str]) -> None:
    """Set settings in the profile in use."""
    if not all("=" in text for text in settings):
        raise errors.UsageError("Give each setting as NAME=VALUE.")
    _change({names.variable(name): value for name, _, value in (text.partition("=") for text in settings)}, "Set")


@config.command("unset")
def unset(settings: list[str]) -> None:
    """Remove settings from the profile in use."""
    _change(dict.fromkeys(map(names.variable, settings)), "Unset")


def write(profiles: names.Profiles) -> None:
    """Put these profiles in the place of those in the home folder, at once and for their owner's eyes only."""
    home = names.home_of(os.environ, Path.home())
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=home, prefix=names.FILE, delete=False) as file:
        file.write(names.text_of(profiles))  # a temporary file has the mode 0600 from its birth
    Path(file.name).replace(home / names.FILE)


def masked(values: Mapping[str, str]) -> dict[str, str]:
    """The values with a mask in the place of each secret."""
    return {name: "********" if value and name in names.SECRETS else value for name, value in values.items()}


def _change(changes: Mapping[str, str | None], done: str) -> None:
    profiles = read_profiles()
    name = names.chosen(os.environ, profiles)
    values = {key: value for key, value in {**profiles.values(name), **changes}.items() if value is not None}
    names.read_settings(values, Path.home())  # a value that is not of its kind is refused before it is kept
    write(profiles.having(name, values))
    for key in changes:
        wins = "; the environment sets it too, and wins" if os.environ.get(key) else ""
        typer.echo(f"{done} {key} in the profile {name!r}{wins}.")
