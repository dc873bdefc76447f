"""The processes of runs: warm or cold, ended when their time is up, and gone with whoever was to look after them."""

from __future__ import annotations

import os
import signal

import pytest

from orchestration.domain.schemas.filters import among
from orchestration.services import supervisor
from tests.support.alive import is_alive
from tests.support.working import Workplace

HOLDS_THE_INTERPRETER = """
    import collections, itertools
    @flow(timeout_seconds=0.2, retries=%d)
    def main():
        child = subprocess.Popen(["sleep", "1000"])
        Path("child").write_text(str(child.pid))
        collections.deque(itertools.repeat(0), maxlen=0)
"""


@pytest.mark.parametrize("retries", [0, 1])
def test_a_flow_that_holds_the_interpreter_is_killed_when_its_time_is_up(
    anywhere: Workplace, monkeypatch: pytest.MonkeyPatch, retries: int
) -> None:
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 0.5)
    run_id = anywhere.ask(anywhere.deploy(HOLDS_THE_INTERPRETER % retries))
    worker = anywhere.worker()
    anywhere.work(worker, lambda: anywhere.run(run_id).state_name == "TimedOut")
    assert anywhere.states(run_id)[-2:] == ["Retrying" if retries else "Running", "TimedOut"]
    assert "time limit" in str(anywhere.run(run_id).state)
    anywhere.work(worker, lambda: not worker._runs)
    assert not is_alive(anywhere.folder / "child")


def test_a_limit_holds_for_the_flows_function_only(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks that it started may end, however long they take; so may its hooks."""
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 0.0)
    code = """
        def slow(*_): time.sleep(0.5)
        @task
        def rest(): time.sleep(1.0)
        @flow(timeout_seconds=0.9, on_completion=[slow])
        def main(): rest.submit()
    """
    run_id = place.ask(place.deploy(code))
    worker = place.worker(once=True)
    place.work(worker, worker.ended.is_set)
    assert place.run(run_id).state_name == "Completed"


def test_a_killed_nursery_takes_its_processes_along_and_another_one_takes_its_place(place: Workplace) -> None:
    code = """
        @flow(retries=1)
        def main():
            if not Path("child").exists():
                child = subprocess.Popen(["sh", "-c", "trap '' TERM; while true; do sleep 60; done"])
                Path("nursery").write_text(str(os.getppid()))
                Path("child").write_text(str(child.pid))
                time.sleep(1000)
    """
    run_id = place.ask(place.deploy(code))
    worker, child = place.worker(), place.folder / "child"
    place.work(worker, lambda: child.exists() and bool(child.read_text()))
    os.kill(int((place.folder / "nursery").read_text()), signal.SIGKILL)
    place.work(worker, lambda: place.run(run_id).state_name == "Completed")
    assert place.states(run_id)[-5:] == ["Crashed", "AwaitingRetry", "Pending", "Retrying", "Completed"]
    assert not is_alive(child)


def test_a_killed_nursery_takes_along_what_a_command_has_started(place: Workplace) -> None:
    command = "sh -c 'echo $PPID > nursery; sleep 1000 & echo $! > child; wait'"
    run_id = place.ask(place.deploy("", job_variables={"command": command, "working_dir": str(place.folder)}))
    worker, child = place.worker(), place.folder / "child"
    place.work(worker, lambda: child.exists() and child.read_text().endswith("\n"))
    child.write_text(child.read_text().strip())
    os.kill(int((place.folder / "nursery").read_text()), signal.SIGKILL)
    place.work(worker, lambda: place.run(run_id).state_name == "Crashed" and not worker._runs)
    place.work(worker, lambda: not is_alive(child))
    assert place.states(run_id)[-1] == "Crashed"


def test_processes_are_warm_unless_their_variables_speak_to_the_interpreter(place: Workplace) -> None:
    tells = "{len(sys.orig_argv)} {sys.flags.optimize} {os.getcwd()}"
    code = f"@flow\ndef main(): Path(os.environ['TELL']).write_text(f'{tells}')\n"
    runs = {"warm": {}, "cold": {"PYTHONOPTIMIZE": "1"}}
    for name, more in runs.items():
        place.ask(place.deploy(code, job_variables={"env": {"TELL": name, **more}}))
    worker = place.worker(once=True)
    place.work(worker, worker.ended.is_set)
    told = {name: (place.folder / name).read_text().split() for name in runs}
    assert [words[0] for words in told.values()] == ["3", "4"]  # only a cold one was started with the run's id
    assert [words[1:] for words in told.values()] == [["0", str(place.folder)], ["1", str(place.folder)]]


def test_variables_of_a_job_may_have_places_that_its_process_fills(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_WORKER", "here")
    place.backend.create("variables", {"name": "colour", "value": "green"})
    code = "@flow\ndef main(): Path('told').write_text(os.environ['A'] + os.environ['B'])\n"
    env = {"A": "{{ prefect.variables.colour }}, ", "B": "{{ $OF_THE_WORKER }}"}
    done = place.ask(place.deploy(code, job_variables={"env": env}))
    failed = place.ask(place.deploy(code, job_variables={"env": {"A": "{{ prefect.variables.nothing }}"}}))
    worker = place.worker(once=True)
    place.work(worker, worker.ended.is_set)
    assert (place.run(done).state_name, place.run(failed).state_name) == ("Completed", "Failed")
    assert (place.folder / "told").read_text() == "green, here"
    assert "{{ prefect.variables.nothing }} stands for nothing" in str(place.run(failed).state)


def test_each_of_two_processes_at_a_time_throws_its_own_dice(place: Workplace) -> None:
    code = """
        @flow
        def child(): return runtime.flow_run.name
        @flow
        def main(): Path(f"name of {os.getpid()}").write_text(" ".join(child() for _ in range(3)))
    """
    deployment = place.deploy(code)
    for _ in range(2):
        place.ask(deployment)
    worker = place.worker(once=True)
    place.work(worker, worker.ended.is_set)
    first, second = (file.read_text() for file in place.folder.glob("name of *"))
    assert first != second


def test_all_that_a_process_has_printed_is_kept_however_quickly_it_ends(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "MOST_WAITING", 100)
    monkeypatch.setattr(supervisor, "READ_SECONDS", 60.0)
    run_id = place.ask(place.deploy("", job_variables={"command": "seq 2000", "stream_output": False}))
    worker = place.worker(once=True)
    place.work(worker, worker.ended.is_set)
    found = place.backend.count("logs", among("logs", flow_run_id=[run_id]))
    assert found == 2000


def test_a_process_that_leaves_its_group_with_the_output_does_not_hold_up_the_end(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "READ_SECONDS", 0.5)
    command = "sh -c 'setsid sleep 30 & echo $! > child; exit 3'"
    run_id = place.ask(place.deploy("", job_variables={"command": command, "working_dir": str(place.folder)}))
    worker = place.worker(once=True)
    place.work(worker, worker.ended.is_set)
    assert "exit code 3" in str(place.run(run_id).state)
    os.kill(int((place.folder / "child").read_text()), signal.SIGKILL)
