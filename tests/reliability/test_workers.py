"""Workers that are killed, starved and told to cancel, again and again: each run ends, once, and leaves nothing."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from orchestration.backend.clock import utc_now
from orchestration.backend.local import LocalBackend
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document
from orchestration.domain.states import Cancelling
from orchestration.services import loop, supervisor, worker as workers
from orchestration.services.loop import Scheduler
from tests.support.alive import is_alive
from tests.support.working import Workplace, workplace

PATIENCE = 300.0
# A worker that ticks its own scheduler, whose leases are as short as its first argument says.
WORKER = """
import sys
from orchestration.domain import schedules
schedules.LEASE_SECONDS = float(sys.argv.pop(1))
from orchestration.services import worker
worker.RENEW_SECONDS = schedules.LEASE_SECONDS / 5
from orchestration.cli.app import app
app(prog_name="orchestrate")
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    """A pool on this machine's database."""
    with workplace(tmp_path, monkeypatch) as place:
        yield place


@contextmanager
def _worker(lease: float, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The worker that people start, with leases of so many seconds."""
    command = [sys.executable, "-c", WORKER, str(lease), "worker", "start", "-p", "trips", *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _until(condition: Callable[[], bool], place: Workplace) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, place.story()
        threading.Event().wait(0.05)


def _tell(capsys: pytest.CaptureFixture[str], facts: Mapping[str, object]) -> None:
    with capsys.disabled():
        sys.stdout.write(json.dumps(facts) + "\n")


@pytest.mark.parametrize(
    ("kills", "runs", "seconds"), [(5, 3, 0.5), pytest.param(50, 25, 1.5, marks=pytest.mark.reliability)]
)
def test_however_often_workers_are_killed_each_run_ends_and_none_lives_twice(
    place: Workplace, kills: int, runs: int, seconds: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed at random points of claim, start and run; each attempt holds a lock while it lives."""
    deployment = place.deploy("""
        import fcntl
        @flow(retries=100)
        def main(n: int, seconds: float):
            with Path(f"lock {n}").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    Path("doubled").open("a").write(f"{n}\\n")
                child = subprocess.Popen(["sleep", "1000"])
                Path("children").open("a").write(f"{child.pid}\\n")
                time.sleep(seconds)
                child.kill()
    """)
    asked = [place.ask(deployment, parameters={"n": number, "seconds": seconds}) for number in range(runs)]
    killed = 0
    for _ in range(kills):
        with _worker(2.0, "--limit", "2") as worker:
            threading.Event().wait(random.uniform(0.5, 2.5))
            killed += worker.poll() is None
            worker.send_signal(signal.SIGKILL)
            worker.wait()
    with _worker(2.0, "--limit", "2"):
        _until(lambda: all(place.run(each).state_name == "Completed" for each in asked), place)
    stories = {run_id: Counter(place.states(run_id)) for run_id in asked}
    begun = sum(each["Running"] + each["Retrying"] for each in stories.values())
    crashed = sum(each["Crashed"] for each in stories.values())
    children = (place.folder / "children").read_text().split()
    alive = sum(Path(f"/proc/{pid}/cmdline").read_text() == "sleep\x001000\x00" for pid in children if _is_there(pid))
    doubled = len((place.folder / "doubled").read_text().split()) if (place.folder / "doubled").exists() else 0
    told = {"kills": killed, "runs": runs, "attempts": begun, "crashed": crashed, "doubled": doubled, "left": alive}
    _tell(capsys, told)
    assert all(each["Completed"] == 1 for each in stories.values())
    assert (killed, doubled, alive, begun) == (kills, 0, 0, runs + crashed)
    assert crashed > 0 or kills < 10, "the fault happened"


def _is_there(pid: str) -> bool:
    return Path(f"/proc/{pid}/cmdline").exists()


@pytest.mark.parametrize(("lease", "seconds"), [(2.0, 5.0), pytest.param(15.0, 35.0, marks=pytest.mark.reliability)])
def test_code_that_holds_on_to_the_interpreter_is_not_given_up_for_dead(
    place: Workplace, lease: float, seconds: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two of them, on two cores; a thread of theirs, as a heartbeat would be, does not get to run."""
    deployment = place.deploy("""
        import collections, itertools, threading
        def beat(gaps):
            last = time.monotonic()
            while not gaps.get("over"):
                time.sleep(0.01)
                now = time.monotonic()
                gaps["longest"], last = max(gaps["longest"], now - last), now
        @flow
        def main(seconds: float):
            gaps = {"longest": 0.0}
            thread = threading.Thread(target=beat, args=[gaps])
            thread.start()
            count = 10_000_000
            while gaps["longest"] < seconds:
                collections.deque(itertools.repeat(0, count), maxlen=0)
                time.sleep(0.1)
                count *= 2
            gaps["over"] = True
            thread.join()
            print("silent for", gaps["longest"])
    """)
    asked = [place.ask(deployment, parameters={"seconds": seconds}) for _ in range(2)]
    with _worker(lease):
        _until(lambda: all(_has_ended(place, each) for each in asked), place)
    silent = [float(line.split()[-1]) for each in asked for line in place.lines(each) if line.startswith("silent for")]
    states = dict(Counter(state for each in asked for state in place.states(each)))
    _tell(capsys, {"lease": lease, "silent for": [round(each, 1) for each in silent], "states": states})
    assert states == {"Scheduled": 2, "Pending": 2, "Running": 2, "Completed": 2}
    assert min(silent) > 2 * lease, "the fault happened"


def _has_ended(place: Workplace, run_id: UUID) -> bool:
    state = place.run(run_id).state
    return state is not None and state.is_final()


@pytest.mark.parametrize("count", [6, pytest.param(50, marks=pytest.mark.reliability)])
def test_each_run_that_is_cancelled_ends_once_with_all_that_it_has_started(
    place: Workplace, count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At random points of their lives; half of them, and all their children, take no notice of SIGTERM."""
    grace = 2.0
    monkeypatch.setattr(supervisor.Supervised.stop, "__defaults__", (grace,))
    monkeypatch.setattr(workers, "RENEW_SECONDS", 0.2)
    deployment = place.deploy("""
        def told(flow, run, state): Path(f"hook {run.id}").open("a").write(state.name)
        @flow(retries=3, on_cancellation=[told])
        def main(stubborn: bool):
            child = subprocess.Popen(["sh", "-c", "trap '' TERM; while true; do sleep 60; done"])
            Path(f"child {child.pid}").write_text(str(child.pid))
            if stubborn:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            Path(f"began {runtime.flow_run.id}").touch()
            while True: time.sleep(0.1)
    """)
    worker = place.worker(limit=4)
    working = threading.Thread(target=loop.run, args=(worker.tick, worker.ended))
    working.start()
    taken: list[float] = []
    try:
        asked = [place.ask(deployment, parameters={"stubborn": number % 2 == 0}) for number in range(count)]
        waiting = list(asked)
        while waiting:
            run_id = waiting.pop(0)
            if random.random() < 0.8:  # else it may not have begun
                _until((place.folder / f"began {run_id}").exists, place)
                threading.Event().wait(random.uniform(0.0, 0.2))
            place.backend.propose_flow_run_state(run_id, Cancelling())
            began = time.monotonic()
            if random.random() < 0.5 or not waiting:
                _until(partial(_has_ended, place, run_id), place)
                taken.append(time.monotonic() - began)
        _until(lambda: all(_has_ended(place, each) for each in asked), place)
    finally:
        worker.stop_at_once()
        working.join()
    names = Counter(place.run(each).state_name for each in asked)
    hooks = Counter(file.read_text() for file in place.folder.glob("hook *"))
    begun = [each for each in asked if (place.folder / f"began {each}").exists()]
    children = list(place.folder.glob("child *"))
    facts = {"cancelled": count, "begun": len(begun), "states": dict(names), "hooks": dict(hooks)}
    left = sum(map(is_alive, children))
    slowest = round(max(taken), 1)
    _tell(capsys, {**facts, "grandchildren": len(children), "left": left, "slowest, s": slowest, "grace, s": grace})
    assert names == {"Cancelled": count}
    assert hooks.keys() <= {"Cancelled"}
    assert (len(children) >= len(begun) > 0, left) == (True, 0)


@pytest.mark.parametrize("seconds", [6.0, pytest.param(20.0, marks=pytest.mark.reliability)])
def test_a_downtime_over_slots_is_caught_up_as_each_schedule_asks(
    place: Workplace, seconds: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slot each second, a worker with its scheduler that is killed and comes back; every slot has its one end."""
    policies = {"all": None, "latest": "latest", "three": "all(3)", "none": "none"}
    made = {
        name: place.deploy("@flow\ndef main(): pass\n", schedules=[
            {"schedule": {"interval": 1.0}, "slug": "seconds", "catchup": catchup}
        ])["id"] for name, catchup in policies.items()
    }  # fmt: skip
    with _worker(5.0) as worker:
        for each in made.values():
            _until(lambda each=each: "Completed" in {run["state_name"] for run in _slots(place, each)}, place)  # type: ignore[misc]
        worker.send_signal(signal.SIGKILL)
        killed = worker.wait() == -signal.SIGKILL
    threading.Event().wait(seconds)
    assert isinstance(place.backend, LocalBackend)
    back = utc_now()
    Scheduler(place.backend).tick(back)
    waiting, missed, lost = dict[str, int](), dict[str, int](), 0
    for name, deployment_id in made.items():
        due = [run for run in _slots(place, deployment_id) if _slot(run) <= back]
        lost += round((back - _slot(due[0])).total_seconds() - 0.5) + 1 - len({_slot(run) for run in due})
        assert len(due) == len({_slot(run) for run in due}), "no slot has two runs"
        waiting[name] = sum(run["state_type"] == "SCHEDULED" for run in due)
        missed[name] = sum(run["state_name"] == "Missed" for run in due)
    _tell(capsys, {"downtime, s": seconds, "lost": lost, "to be caught up": waiting, "missed": missed})
    assert (killed, lost) == (True, 0)
    assert waiting.pop("all") >= seconds - 1
    assert waiting == {"latest": 1, "three": 3, "none": 1}
    assert missed.pop("all") == 0
    assert min(missed.values()) >= seconds - 4, "the fault happened"


def _slots(place: Workplace, deployment_id: str) -> list[Document]:
    where = {"deployments": {"id": {"any_": [deployment_id]}}}
    return place.backend.find("flow_runs", Query(where, "EXPECTED_START_TIME_ASC", 1000))


def _slot(run: Document) -> datetime:
    return datetime.fromisoformat(run["expected_start_time"])
