"""Real git repositories on this disk, for tests of what is cloned from them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

FLOW = '''
from orchestration import flow

@flow
def train(months: list[str], n: int = 3) -> int:
    """Learn.

    Args:
        months: those to learn from
    """
    return n
'''
NAMES = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
WHO = {f"GIT_{name}": "somebody@example.com" for name in NAMES}


def git(folder: Path, *words: str) -> str:
    """What git prints in a folder."""
    ours = {**os.environ, **WHO, "GIT_CONFIG_GLOBAL": os.devnull}
    command = ["git", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always", *words]
    return subprocess.run(command, cwd=folder, env=ours, capture_output=True, text=True, check=True).stdout.strip()


def repository(folder: Path, files: Mapping[str, str]) -> Path:
    """A repository with one commit of these files."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    commit(folder, files)
    return folder


def commit(folder: Path, files: Mapping[str, str]) -> str:
    """Write files and commit them; the name of the commit."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "One more")
    return git(folder, "rev-parse", "HEAD")
