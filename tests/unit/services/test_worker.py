"""A worker and the processes of its runs: what they are given, how they end, and how they are ended."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from orchestration.backend.clock import utc_now
from orchestration.domain.errors import StoreError
from orchestration.domain.states import Cancelling, Scheduled
from orchestration.services import supervisor
from tests.support.alive import is_alive
from tests.support.working import Workplace

QUICK = "@flow\ndef main(n: int = 1): print('got', n)\n"


def test_a_run_is_lived_in_a_process_and_all_that_it_says_is_kept(anywhere: Workplace) -> None:
    code = """
        @flow
        def main(n: int):
            get_run_logger().info("logged %s", n)
            print("printed", n)
            subprocess.run(["echo", "of a child"])
            return n
    """
    run_id = anywhere.ask(anywhere.deploy(code, parameters={"n": 1}), parameters={"n": "7"})
    worker = anywhere.worker(once=True)
    anywhere.work(worker, worker.ended.is_set)
    assert anywhere.states(run_id) == ["Scheduled", "Pending", "Running", "Completed"]
    said = anywhere.lines(run_id)
    assert {"logged 7", "printed 7", "of a child"} <= set(said)
    assert said.count("logged 7") == 1
    (known,) = (
        anywhere.backend.find("workers") if not os.environ.get("ORCHESTRATION_API_URL") else [{"status": "ONLINE"}]
    )
    assert known["status"] == "ONLINE"


def test_job_variables_give_a_process_its_surroundings(place: Workplace, tmp_path: Path) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    deployment = place.deploy(
        f"@flow\ndef main(): Path({str(tmp_path / 'told')!r}).write_text(os.environ['A'] + os.environ['B'])",
        job_variables={
            "env": {"A": "deployed", "B": "deployed"},
            "working_dir": str(elsewhere),
            "stream_output": False,
        },
    )
    run_id = place.ask(deployment, job_variables={"env": {"A": "asked ", "B": 2}})
    command = place.ask(
        place.deploy(QUICK, job_variables={"command": "sh -c 'pwd; exit 3'", "working_dir": str(elsewhere)})
    )
    nowhere = place.ask(place.deploy(QUICK, job_variables={"working_dir": str(tmp_path / "nowhere")}))
    worker = place.worker(once=True)
    place.work(worker, worker.ended.is_set)
    assert place.run(run_id).state_name == "Completed"
    assert (tmp_path / "told").read_text() == "asked 2"
    assert place.lines(command) == [str(elsewhere)]
    assert "exit code 3" in str(place.run(command).state)
    assert "could not be started" in str(place.run(nowhere).state)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('at once')", "ValueError: at once"),
        ("main = 3", "is no flow"),
        ("@flow\ndef main(n: int): return n", "missing a required argument"),
        ("@flow\ndef main(n: int = 'x'): return n", "Validation of flow parameters failed"),
    ],
)
def test_a_flow_that_cannot_start_fails_with_a_sentence(place: Workplace, code: str, said: str) -> None:
    run_id = place.ask(place.deploy(code))
    worker = place.worker(once=True)
    place.work(worker, worker.ended.is_set)
    assert place.run(run_id).state_name == "Failed"
    assert said in str(place.run(run_id).state)


def test_a_process_that_dies_is_told_of_and_its_flow_is_tried_again(anywhere: Workplace) -> None:
    code = """
        @flow(retries=1)
        def main():
            if not Path("second").exists():
                Path("second").touch()
                os.kill(os.getpid(), signal.SIGKILL)
    """
    run_id = anywhere.ask(anywhere.deploy(code))
    anywhere.work(anywhere.worker(), lambda: anywhere.run(run_id).state_name == "Completed")
    expected = ["Scheduled", "Pending", "Running", "Crashed", "AwaitingRetry", "Pending", "Retrying", "Completed"]
    assert anywhere.states(run_id) == expected
    assert "SIGKILL" in str(anywhere.backend.flow_run_states(run_id)[3].message)


@pytest.mark.parametrize("ignores", [False, True], ids=["obeys", "ignores SIGTERM"])
def test_cancelling_ends_the_whole_group(
    place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ignores: bool
) -> None:
    monkeypatch.setattr(supervisor.Supervised.stop, "__defaults__", (0.5 if ignores else 30.0,))
    code = f"""
        def told(flow, run, state): Path("hooks").open("a").write(state.name)
        @flow(retries=3, on_cancellation=[told])
        def main():
            {"signal.signal(signal.SIGTERM, signal.SIG_IGN)" if ignores else "pass"}
            child = subprocess.Popen(["sh", "-c", "trap '' TERM; while true; do sleep 60; done"])
            Path("child").write_text(str(child.pid))
            while True: time.sleep(0.1)
    """
    run_id = place.ask(place.deploy(code))
    worker, child = place.worker(), place.folder / "child"
    place.work(worker, lambda: child.exists() and bool(child.read_text()))
    assert is_alive(child)
    place.backend.propose_flow_run_state(run_id, Cancelling())
    place.work(worker, lambda: place.run(run_id).state_name == "Cancelled" and not is_alive(child))
    assert place.states(run_id)[-2:] == ["Cancelling", "Cancelled"]
    assert ignores or (place.folder / "hooks").read_text() == "Cancelled"
    worker.stop.set()
    place.work(worker, worker.ended.is_set)


def test_a_process_whose_lease_is_lost_is_ended_and_records_nothing(place: Workplace) -> None:
    code = "@flow\ndef main():\n    Path('began').touch()\n    time.sleep(100)\n"
    run_id = place.ask(place.deploy(code))
    worker = place.worker(limit=1)
    place.work(worker, (place.folder / "began").exists)
    place.backend.end_claim(UUID(str(worker._runs[0].claim_id)), "given up for dead")
    worker.stop.set()
    place.work(worker, worker.ended.is_set)
    assert place.states(run_id)[-1] == "Crashed"


def test_a_run_that_waits_for_long_gives_up_its_place_and_keeps_its_slot(place: Workplace) -> None:
    code = """
        from datetime import datetime, timedelta, timezone
        @flow
        def main():
            Path("slots").open("a").write(f"{runtime.flow_run.scheduled_start_time:%F} ")
            return State(StateType.SCHEDULED, "AwaitingRetry", details=StateDetails(
                scheduled_time=datetime.now(timezone.utc) + timedelta(days=1)))
    """
    code = code.replace(
        "        from datetime",
        "        from orchestration.domain.states import State, StateDetails, StateType\n        from datetime",
    )
    slot = utc_now() - timedelta(days=9)
    document = {"type": "SCHEDULED", "state_details": {"scheduled_time": slot.isoformat()}}
    run_id = place.ask(place.deploy(code), state=document)
    for _ in range(2):
        worker = place.worker(once=True)
        place.work(worker, worker.ended.is_set)
        assert place.states(run_id)[-2:][1] == "AwaitingRetry"
        place.backend.propose_flow_run_state(run_id, Scheduled(utc_now(), name="AwaitingRetry"), force=True)
    assert (place.folder / "slots").read_text() == f"{slot:%F} " * 2


def test_a_suspended_run_is_resumed_by_a_worker(place: Workplace) -> None:
    code = "@flow\ndef main():\n    suspend_flow_run(timeout=60)\n    Path('done').touch()\n"
    run_id = place.ask(place.deploy(code))
    worker = place.worker()
    place.work(worker, lambda: place.run(run_id).state_name == "Suspended" and not worker._runs)
    place.backend.propose_flow_run_state(run_id, Scheduled(utc_now(), name="Resuming"), force=True)
    place.work(worker, lambda: place.run(run_id).state_name == "Completed")
    assert (place.folder / "done").exists()


def test_a_worker_keeps_to_its_limit_and_finishes_what_it_has_begun(place: Workplace) -> None:
    deployment = place.deploy("@flow\ndef main(): time.sleep(0.3)\n")
    runs = [place.ask(deployment) for _ in range(2)]
    worker = place.worker(limit=1)
    place.work(worker, lambda: bool(worker._runs))
    assert len(worker._runs) == 1
    worker.stop.set()
    place.work(worker, worker.ended.is_set)
    assert [place.run(run_id).state_name for run_id in runs] == ["Completed", "Scheduled"]


def test_a_worker_that_is_to_stop_at_once_ends_its_runs(place: Workplace) -> None:
    run_id = place.ask(place.deploy("@flow\ndef main():\n    Path('began').touch()\n    time.sleep(100)\n"))
    worker = place.worker()
    place.work(worker, (place.folder / "began").exists)
    worker.stop_at_once()
    place.work(worker, worker.ended.is_set)
    assert place.states(run_id)[-1] == "Crashed"


def test_a_store_that_fails_when_a_run_ends_is_asked_again(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = place.ask(place.deploy(QUICK))
    worker, end_claim, failures = place.worker(), place.backend.end_claim, [StoreError("The disk is full.")]

    def end(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        end_claim(*arguments)

    monkeypatch.setattr(place.backend, "end_claim", end)
    with pytest.raises(StoreError):
        place.work(worker, lambda: False)
    worker.stop.set()
    place.work(worker, worker.ended.is_set)
    assert place.run(run_id).state_name == "Completed"


def test_time_is_up_even_if_the_store_does_not_answer(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 0.2)
    code = """
        import collections, itertools
        @flow(timeout_seconds=0.2)
        def main():
            Path("child").write_text(str(os.getpid()))
            collections.deque(itertools.repeat(0), maxlen=0)
    """
    run_id = place.ask(place.deploy(code))
    worker, child = place.worker(), place.folder / "child"
    place.work(worker, lambda: child.exists() and bool(child.read_text()))

    def fail(*_: Any) -> Any:
        raise StoreError("The server is away.")

    with monkeypatch.context() as away:
        away.setattr(place.backend, "renew_claims", fail)
        while is_alive(child):
            with suppress(StoreError):
                worker.tick(utc_now())
    place.work(worker, lambda: not worker._runs)
    assert place.states(run_id)[-2:] == ["Running", "TimedOut"]
