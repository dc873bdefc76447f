"""A new project: the files that it begins with."""

from __future__ import annotations

import subprocess
from pathlib import Path

from orchestration.sdk.projects.git import GitRepository

_TEMPLATES = Path(__file__).with_name("templates")
_FOLDER = ".prefect"


def start_project(folder: Path, name: str | None = None) -> list[str]:
    """Put the files of a project that are not there yet into a folder; their names.

    Where the folder is a clone, runs are to clone what it was cloned from.
    """
    address, branch = _git(folder, "remote", "get-url", "origin"), _git(folder, "branch", "--show-current")
    clone = f"- prefect.deployments.steps.git_clone:\n    repository: {GitRepository(address).url}\n" if address else ""
    pull = f"\n{clone}    branch: {branch or 'main'}\n    access_token: null" if clone else " null"
    made = []
    for template in sorted(_TEMPLATES.iterdir()):
        path = folder / template.name.replace("dot", ".")
        if not path.exists():
            text = template.read_text("utf-8").replace("NAME", name or folder.resolve().name)
            path.write_text(text.replace(" PULL", pull), "utf-8")
            made.append(path.name)
    if not (folder / _FOLDER).is_dir():
        (folder / _FOLDER).mkdir()
        made.append(f"{_FOLDER}/")
    return made


def _git(folder: Path, *words: str) -> str:
    """What git says of a folder; nothing where it knows nothing."""
    try:
        return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603, S607
    except OSError:
        return ""
