"""What Ctrl-C and a termination signal leave of a script: its exit code, and runs that say how they ended."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestration.domain.settings import read_settings
from orchestration.sdk.awaiting import termination_as_exit
from orchestration.sdk.client import SyncClient
from orchestration.sdk.context import open_session

ENOUGH = 30.0
INTERRUPTED = "Execution was aborted by an interrupt signal."
TERMINATED = "Execution was aborted by a termination signal."
LEFT_BEHIND = "The flow run around this task run has ended."
ROOT = Path(__file__).resolve().parents[3]

SCRIPT = """
import signal, threading
signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a tool that measures coverage sets its own
from orchestration import ThreadPoolTaskRunner, flow, task

busy = threading.Barrier(3)

@task
def mapped(x):
    busy.wait()
    threading.Event().wait(30)

@task
def called():
    print("now", flush=True)
    threading.Event().wait(30)

def say(flow, run, state):
    print("hook", state.name, flush=True)

@flow(on_crashed=[say], task_runner=ThreadPoolTaskRunner(max_workers=2))
def main(in_pool):
    if not in_pool:
        called()
    mapped.map(range(8))
    busy.wait()
    print("now", flush=True)
    threading.Event().wait(30)

main({in_pool})
"""


@pytest.fixture(autouse=True)
def _children_find_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def _what_the_store_says() -> list[list[tuple[str, str | None]]]:
    """State and message of all flow runs, and of all task runs."""
    session = open_session(read_settings(os.environ, Path.home()))
    try:
        client = SyncClient(session)
        flow_runs = [run.state for run in client.read_flow_runs()]
        task_runs = [run.state for run in client.read_task_runs()]
    finally:
        session.close()
    return [[(state.name, state.message) for state in states if state] for states in (flow_runs, task_runs)]


def _interrupted(script: Path, signum: signal.Signals) -> tuple[int, str, str]:
    """How a script ends that gets the signal once it has printed ``now``."""
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "now\n"
            process.send_signal(signum)
            out, err = process.communicate(timeout=ENOUGH)
        finally:
            process.kill()
        return process.returncode, out, err


@pytest.mark.parametrize(
    ("signum", "in_pool", "codes", "message"),
    [
        (signal.SIGINT, True, {-signal.SIGINT, 130}, INTERRUPTED),
        (signal.SIGTERM, True, {143}, TERMINATED),
        (signal.SIGTERM, False, {143}, TERMINATED),
    ],
)
def test_a_signal_ends_the_script_and_its_runs_as_crashed(
    signum: signal.Signals, in_pool: bool, codes: set[int], message: str, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(in_pool=in_pool))
    code, out, err = _interrupted(script, signum)
    assert code in codes, err
    assert out == "hook Crashed\n"
    assert message in err
    flow_runs, task_runs = _what_the_store_says()
    assert flow_runs == [("Crashed", message)]
    assert len(task_runs) == (8 if in_pool else 1)
    assert {name for name, _ in task_runs} == {"Crashed"}
    assert {told for _, told in task_runs} == ({LEFT_BEHIND} if in_pool else {message})


def test_a_termination_is_an_exit_only_while_the_outermost_flow_runs() -> None:
    def own(_signum: int, _frame: object) -> None:
        raise ValueError("the program's own")

    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with termination_as_exit(is_outermost=False):
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        with pytest.raises(SystemExit) as exit_info, termination_as_exit(is_outermost=True):
            signal.raise_signal(signal.SIGTERM)
        assert exit_info.value.code == 143
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        signal.signal(signal.SIGTERM, own)
        with pytest.raises(ValueError, match="own"), termination_as_exit(is_outermost=True):
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_leave_signals_alone() -> None:
    seen: list[Any] = []

    def work() -> None:
        with termination_as_exit(is_outermost=True):
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(ENOUGH)
    assert seen == [before]
