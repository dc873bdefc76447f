"""A fresh clone of this repository, its commands, and what they leave running."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OURS = ("COVERAGE", "MAKE", "PYTEST", "VIRTUAL_ENV", "MFLAGS", "TLC_")


class Clone:
    """A checkout of the last commit, with a home folder of its own, run by this interpreter."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder / "clone", folder / "home"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.folder)], check=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.environment = {
            **kept, "PYTHONPATH": str(self.folder), "ORCHESTRATION_HOME": str(self.home), "TLC_SITE_URL": "",
            "PYTHONUNBUFFERED": "1",
        }  # fmt: skip

    def start(self, *words: str, where: Path | None = None) -> subprocess.Popen[str]:
        """A module of the clone as a program, which tells of itself in its output."""
        return subprocess.Popen(
            [sys.executable, "-m", *words], cwd=where or self.folder, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def orchestrate(self, *words: str, where: Path | None = None) -> str:
        """What a command prints that goes well."""
        with self.start("orchestration.cli", *words, where=where) as process:
            printed, _ = process.communicate()
        assert process.returncode == 0, printed
        return printed

    def asked(self, *words: str) -> Any:
        """What a listing has."""
        return json.loads(self.orchestrate(*words, "--json"))

    def running(self) -> list[str]:
        """The commands of all processes that use the home folder."""
        mark, found = f"ORCHESTRATION_HOME={self.home}".encode(), []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # it has ended, or is another user's
        return found
