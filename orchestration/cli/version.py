"""``orchestrate version``."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version as version_of

import typer

from orchestration.backend.surroundings import current_settings, read_profiles
from orchestration.cli.output import AsJson, print_fields
from orchestration.domain.addresses import server_type
from orchestration.domain.profiles import chosen

version = typer.Typer()


@version.command(help="Show versions, and where runs are kept.")
def show(as_json: AsJson = False) -> None:
    """Print versions, the profile, and what keeps the runs."""
    try:
        ours = version_of("orchestration")
    except PackageNotFoundError:
        ours = "not installed"
    settings = current_settings()
    kind = server_type(settings.api_url)
    facts = {
        "Version": ours,
        "Python version": platform.python_version(),
        "OS/Arch": f"{platform.system().lower()}/{platform.machine()}",
        "Profile": chosen(os.environ, read_profiles()),
        "Server type": kind,
        "Home": str(settings.home),
    }
    if kind != "ephemeral":
        facts["Server"] = str(settings.api_url)
    elif settings.database_url:
        facts["Database"] = settings.database_url.partition(":")[0]
    else:
        path = settings.database_path
        size = f"{path.stat().st_size / 1e6:.1f} MB" if path.exists() else "not made yet"
        facts["Database"] = f"sqlite, {size}, {path}"
    print_fields(facts, as_json)
