"""Workers that are killed, or told to stop: their runs end truthfully, start again, and never live twice at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from orchestration.backend.clock import utc_now
from orchestration.backend.local import LocalBackend
from tests.support.alive import lives
from tests.support.working import SECONDS, Workplace, workplace

ROOT = Path(__file__).parents[2]
LONG = """
    @flow(retries=1)
    def main():
        with Path("attempts").open("a") as file:
            file.write(f"{os.getpid()}\\n")
        while not Path("enough").exists():
            time.sleep(0.02)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    """A pool on this machine's database."""
    with workplace(tmp_path, monkeypatch) as place:
        yield place


@contextmanager
def _worker(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A worker's process, by the command that people type."""
    command = [sys.executable, "-m", "orchestration.cli", "worker", "start", "-p", "trips", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _until(condition: object, place: Workplace) -> None:
    end = time.monotonic() + SECONDS
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, place.story()
        _pass(0.02)


def _pass(seconds: float) -> None:
    """Let time pass, in which other processes do what is looked at afterwards."""
    threading.Event().wait(seconds)


def _pids(place: Workplace) -> list[int]:
    file = place.folder / "attempts"
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []


def _pass_the_lease(place: Workplace) -> None:
    """Let the time pass after which nobody waits for a worker any more."""
    assert isinstance(place.backend, LocalBackend)
    place.backend.expire_claims(utc_now() + timedelta(seconds=16))


def test_a_killed_worker_takes_its_processes_along_and_another_one_goes_on(place: Workplace) -> None:
    run_id = place.ask(place.deploy(LONG))
    with _worker() as first:
        _until(lambda: len(_pids(place)) == 1, place)
        first.send_signal(signal.SIGKILL)
        _until(lambda: not lives(_pids(place)[0]), place)
    _pass_the_lease(place)
    assert place.states(run_id)[-2:] == ["Crashed", "AwaitingRetry"]
    with _worker():
        _until(lambda: len(_pids(place)) == 2, place)
        (place.folder / "enough").touch()
        _until(lambda: place.run(run_id).state_name == "Completed", place)
    assert place.states(run_id)[-3:] == ["Pending", "Retrying", "Completed"]


def test_a_killed_worker_takes_along_what_its_processes_have_started(place: Workplace) -> None:
    code = """
        @flow
        def main():
            child = subprocess.Popen(["sh", "-c", "trap '' TERM; while true; do sleep 60; done"])
            Path("attempts").write_text(f"{child.pid}\\n")
            time.sleep(1000)
    """
    run_id = place.ask(place.deploy(code))
    with _worker() as worker:
        _until(lambda: len(_pids(place)) == 1, place)
        assert lives(_pids(place)[0])
        worker.send_signal(signal.SIGKILL)
        _until(lambda: not lives(_pids(place)[0]), place)
    _pass_the_lease(place)
    assert place.states(run_id)[-1] == "Crashed"


def test_a_worker_that_is_told_to_stop_lets_its_runs_end(place: Workplace) -> None:
    run_id = place.ask(place.deploy(LONG))
    with _worker() as worker:
        _until(lambda: len(_pids(place)) == 1, place)
        worker.send_signal(signal.SIGTERM)
        waiting = place.ask(place.deploy(LONG))
        _pass(0.5)
        assert worker.poll() is None
        (place.folder / "enough").touch()
        said, _ = worker.communicate(timeout=SECONDS)
    assert (worker.returncode, "Traceback" in said) == (0, False), said
    assert (place.run(run_id).state_name, place.run(waiting).state_name) == ("Completed", "Scheduled")


def test_a_second_signal_ends_the_runs_at_once(place: Workplace) -> None:
    run_id = place.ask(place.deploy(LONG))
    with _worker() as worker:
        _until(lambda: len(_pids(place)) == 1, place)
        for _ in range(2):
            worker.send_signal(signal.SIGTERM)
            _pass(0.3)
        worker.communicate(timeout=SECONDS)
    assert worker.returncode == 0
    assert place.states(run_id)[-2:] == ["Crashed", "AwaitingRetry"]
    assert not lives(_pids(place)[0])


def test_worker_without_its_pool_says_what_to_do() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", "worker", "start", "-p", "nowhere"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "There is no work pool 'nowhere'; make it with `orchestrate work-pool create --type process nowhere`.\n"
    )
