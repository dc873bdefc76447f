"""A server that is killed again and again under running scripts: nothing fails, and nothing is missing or doubled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from threading import Thread
from time import monotonic
from typing import IO

import pytest

from orchestration.backend.connect import open_backend
from orchestration.backend.port import Backend
from orchestration.domain.settings import Settings
from tests.support.listings import flow_runs, logs, task_runs
from tests.support.looping import TASKS
from tests.support.serving import Serving, own_serving

ROOT = Path(__file__).parents[2]
SECONDS = 300.0
"""The longest that scripts may take for their next run."""


@dataclass
class Told:
    """What the scripts told: the end of each run, and what they had to say."""

    ended: Queue[str] = field(default_factory=Queue)
    said: list[str] = field(default_factory=list)


@contextmanager
def _script(number: int, rounds: int, url: str, home: Path, told: Told) -> Iterator[subprocess.Popen[str]]:
    """A script on the server."""
    settings = {"ORCHESTRATION_API_URL": url, "ORCHESTRATION_HOME": str(home), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.looping", str(number), str(rounds)],
        cwd=ROOT, env={**os.environ, **settings}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    pipes = {process.stdout: told.ended.put, process.stderr: told.said.append}
    listeners = [Thread(target=_forward, args=each) for each in pipes.items()]
    for listener in listeners:
        listener.start()
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for listener in listeners:
            listener.join()
        for pipe in pipes:
            pipe.close()


def _forward(pipe: IO[str], hear: Callable[[str], None]) -> None:
    for line in pipe:
        hear(line)


def _killing(server: Serving, ended: Queue[str], runs: int, kills: int) -> int:
    """Kill the server, and start it again, ``kills`` times while so many runs end; how often it was."""
    killed = 0
    for run in range(runs):
        ended.get(timeout=SECONDS)
        if killed < kills and (run + 1) * (kills + 1) >= (killed + 1) * runs:
            server.kill()
            server.start()
            killed += 1
    return killed


def _facts(backend: Backend) -> dict[str, object]:
    """What is to be found in the store, counted."""
    runs = flow_runs(backend, limit=100_000)
    tasks = task_runs(backend, limit=1_000_000)
    wanted = {"logs": {"text": {"query": "script"}}}
    lines = Counter(line.message for line in logs(backend, wanted, limit=1_000_000))
    histories = Counter(tuple(state.name for state in backend.flow_run_states(run.id)) for run in runs)
    lives = Counter(tuple(state.name for state in backend.task_run_states(run.id)) for run in tasks)
    return {
        "flow runs": {" ".join(names): number for names, number in histories.items()},
        "task runs": {" ".join(names): number for names, number in lives.items()},
        "task runs of a flow run": sorted(set(Counter(run.flow_run_id for run in tasks).values())),
        "log lines": len(lines),
        "log lines told twice": sum(number > 1 for number in lines.values()),
    }


@pytest.mark.parametrize(
    ("scripts", "rounds", "kills"), [(2, 3, 2), pytest.param(4, 12, 10, marks=pytest.mark.reliability)]
)
def test_a_killed_server_costs_nothing(tmp_path: Path, scripts: int, rounds: int, kills: int) -> None:
    began, told, runs = monotonic(), Told(), scripts * rounds
    with own_serving() as server, ExitStack() as running:
        url = server.url(tmp_path / "store")
        processes = [
            running.enter_context(_script(number, rounds, url, tmp_path / "home", told)) for number in range(scripts)
        ]
        killed = _killing(server, told.ended, runs, kills)
        codes = [process.wait(SECONDS) for process in processes]
    with closing(open_backend(Settings(tmp_path / "store"), dict)) as backend:
        facts = _facts(backend)
    outages = sum("is back after" in line for line in told.said)
    sys.stdout.write(json.dumps({"seconds": round(monotonic() - began, 1), "outages noticed": outages, **facts}))
    assert (killed, codes) == (kills, [0] * scripts)
    assert facts == {
        "flow runs": {"Pending Running Completed": runs},
        "task runs": {"Pending Running Completed": runs * TASKS},
        "task runs of a flow run": [TASKS],
        "log lines": runs * TASKS,
        "log lines told twice": 0,
    }
    assert outages >= kills, "the fault happened"
    assert list((tmp_path / "home" / "spool").rglob("*.*")) == []
