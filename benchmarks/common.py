"""What the benchmarks share: contenders that run one program in turn, each run in a process of its own."""

from __future__ import annotations

import argparse
import compileall
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / "benchmarks" / "programs"
PACKAGES = ("orchestration", "blocks", "pipelines")

KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "TZ", "TMPDIR")
"""All that a program sees of the environment: nobody's settings, and bytecode is written whatever the shell says."""

OURS, BARE, PEER = "ours", "bare", "peer"
IMPORT = "from orchestration import "
BARE_DECORATORS = "flow = task = lambda function: function  # "

PAIRS = {OURS: 5, BARE: 5, PEER: 1}
"""How often a process measures a slope: between short flows it is noisy, and Prefect's take half a minute a pair."""

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Contender:
    """One side of a comparison: an interpreter, and what stands in a program for our import."""

    name: str
    python: str
    replacement: str = IMPORT
    api_url: str | None = None
    """The server that its runs are kept on."""

    def version_of(self, source: str) -> str:
        """The program as this contender runs it: the same text, but for the line of the import."""
        return source.replace(IMPORT, self.replacement)

    def environment(self, home: Path) -> dict[str, str]:
        """A clean environment whose runs are kept under ``home``."""
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        if self.api_url is not None:  # both read Prefect's name
            kept["PREFECT_API_URL"] = self.api_url
        if self.name == PEER:
            quiet = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
            return {**kept, **quiet, "HOME": str(home), "PREFECT_HOME": str(home / "prefect")}
        return {**kept, "HOME": str(home), "ORCHESTRATION_HOME": str(home / "store"), "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True, slots=True)
class Options:
    """How often to measure, and Prefect's interpreter if there is one."""

    runs: int
    peer_python: str | None = None

    def contenders(self) -> list[Contender]:
        """Ours, bare Python, and Prefect where it is installed."""
        pair = [Contender(OURS, sys.executable), Contender(BARE, sys.executable, BARE_DECORATORS)]
        return [*pair, *self.peers()]

    def peers(self) -> list[Contender]:
        """Prefect where it is installed, else nobody."""
        return [Contender(PEER, self.peer_python, "from prefect import ")] if self.peer_python else []


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a command line the options that all benchmarks have."""
    parser.add_argument("--runs", type=int, default=5, help="how often each contender runs (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one run each: shows that it works, proves nothing")


def options_of(given: argparse.Namespace) -> Options:
    """The options that were given on the command line, and in ``PEER_PYTHON``."""
    return Options(1 if given.quick else max(1, given.runs), os.environ.get("PEER_PYTHON") or None)


class Samples:
    """The figures of all contenders, a list each, in the order of the rounds."""

    def __init__(self) -> None:
        self._rounds: dict[str, list[Figures]] = {}

    def add(self, contender: str, figures: Figures) -> None:
        """Take the figures of one run."""
        self._rounds.setdefault(contender, []).append(figures)

    def of(self, contender: str, figure: str) -> list[float]:
        """One figure of a contender, one value a round; none if it took no part, or did not give that figure."""
        return [figures[figure] for figures in self._rounds.get(contender, ()) if figure in figures]


def compare(
    options: Options,
    contenders: Sequence[Contender],
    run: Callable[[Contender, Path], Figures],
    warm_up: bool = True,
) -> Samples:
    """Let the contenders run in turn (A B C, A B C, ...), so that whatever else the machine does meets them alike.

    Args:
        options: how many rounds.
        contenders: who runs.
        run: one run of a contender; it may keep files, from round to round, in the folder that it is given.
        warm_up: whether each runs the smallest script first, uncounted, which makes its store and fills caches.
    """
    precompile()
    samples = Samples()
    with TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as folder:
        homes = {contender: Path(folder) / str(number) for number, contender in enumerate(contenders)}
        for contender, home in homes.items():
            home.mkdir()
            if warm_up:
                run_program(contender, home, "script.py")
        for _ in range(options.runs):
            for contender, home in homes.items():
                samples.add(contender.name, run(contender, home))
    return samples


def run_program(contender: Contender, home: Path, program: str, *arguments: object) -> dict[str, Any]:
    """Run a file of ``programs/`` once; what it prints as JSON, and ``seconds`` for the whole process.

    Raises:
        SystemExit: the program failed; the message ends with what it wrote to standard error.
    """
    script = home / program
    script.write_text(contender.version_of((PROGRAMS / program).read_text(encoding="utf-8")), encoding="utf-8")
    command = [contender.python, str(script), *map(str, arguments)]
    environment = contender.environment(home)
    log = home / "stderr.txt"
    with log.open("wb") as errors:
        begin = time.perf_counter()
        done = subprocess.run(
            command,
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            check=False,
        )
        seconds = time.perf_counter() - begin
    if done.returncode:
        told = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise SystemExit(f"{program} failed for {contender.name} with exit code {done.returncode}:\n{told}")
    lines = done.stdout.decode().splitlines()
    return {"seconds": seconds, **(json.loads(lines[-1]) if lines else {})}


def precompile() -> None:
    """Write our bytecode, which Python would else make anew at every start where it may not keep it."""
    for package in PACKAGES:
        compileall.compile_dir(ROOT / package, quiet=2)
