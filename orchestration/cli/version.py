"""``orchestrate version``."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version as version_of

from orchestration.backend.surroundings import current_settings, read_profiles
from orchestration.cli.output import AsJson, new_app, print_fields
from orchestration.domain.addresses import server_type
from orchestration.domain.profiles import chosen

version = new_app("Show versions, and where runs are kept.")


@version.command("version")
def show(as_json: AsJson = False) -> None:
    """Show versions, and where runs are kept."""
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
