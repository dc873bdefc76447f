"""``orchestrate --help`` and ``orchestrate version``: whole processes, from the shell's view."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import BARE, OURS, PEER, Contender, Figures, Options, compare
from benchmarks.report import Measure, main

COMMANDS = {"--help": 0.20, "version": 0.35}
"""What is typed after the name of the program, and the seconds that it may take."""

PROGRAMS = {OURS: ("-m", "orchestration.cli"), PEER: ("-m", "prefect"), BARE: ("-c", "pass")}


def measure(options: Options) -> Sequence[Measure]:
    """Seconds of each command, beside a Python that does nothing and Prefect's command of the same name."""
    samples = compare(options, options.contenders(), run_commands, warm_up=False)
    return [
        Measure(
            what=f"orchestrate {command}, whole process",
            unit="s",
            ours=samples.of(OURS, command),
            bare=samples.of(BARE, command),
            peer=samples.of(PEER, command),
            at_most=at_most,
        )
        for command, at_most in COMMANDS.items()
    ]


def run_commands(contender: Contender, home: Path) -> Figures:
    """The seconds that each command takes a contender."""
    program = [contender.python, *PROGRAMS[contender.name]]
    return {command: _seconds([*program, command], contender, home) for command in COMMANDS}


def _seconds(command: Sequence[str], contender: Contender, home: Path) -> float:
    begin = time.perf_counter()
    subprocess.run(command, env=contender.environment(home), cwd=home, check=True, capture_output=True)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main("cli_start", measure)
