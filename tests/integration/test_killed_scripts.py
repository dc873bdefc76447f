"""Scripts that are killed, interrupted or terminated in the midst of a task: no row says Running for ever."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from orchestration.backend.connect import open_backend
from orchestration.backend.local import LocalBackend
from orchestration.backend.port import Backend
from orchestration.domain.schemas.runs import FlowRun, TaskRun
from orchestration.domain.settings import Settings
from orchestration.persistence.sqlite import SqliteDatabase
from tests.support.listings import flow_runs, logs, task_runs

ROOT = Path(__file__).parents[2]
Ending = tuple[str, str | None]
"""The name of a run's last state, and its message."""

SCRIPT = """
import asyncio, signal, sys, threading
from orchestration import flow, get_run_logger, task
from tests.support.listings import flow_runs

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it

def wait():
    print("ready", flush=True)
    threading.Event().wait()

@task
def done():
    return 1

@flow
def inner():
    wait()

@task
def outer():
    inner()

@flow(name="main")
def main():
    done()
    get_run_logger().info("before the end")
    outer()

@flow(name="main")
def calls_sys_exit():
    done()
    print("ready", flush=True)
    sys.exit(3)

@flow(name="main", retries=3, retry_delay_seconds=3600)
def waits_for_its_retry():
    threading.Thread(target=watch, daemon=True).start()
    raise ValueError("no")

def watch():
    from orchestration.sdk.context import current_session
    while flow_runs(current_session().backend)[0].state_name != "AwaitingRetry":
        pass
    wait()

@flow(name="main")
def ends():
    get_run_logger().info("sum: %s", done() + done.submit().result())
    print("ready", flush=True)

@flow(name="main")
def submits():
    outer.submit()
    done.submit().wait()

@flow(name="main")
async def in_async():
    done()
    asyncio.get_running_loop().call_soon(lambda: print("ready", flush=True))  # the loop comes to it after the await
    await asyncio.Event().wait()
"""
"""Flows that never end by themselves. A flow that starts inside a task lets all that came before be written."""

DIED = "The process of this run ended without a word; it was killed, or its machine went down."
INTERRUPTED = "Execution was aborted by an interrupt signal."
EXITED = "Execution was aborted by Python system exit call."
TERMINATED = "Execution was aborted by a termination signal."
CANCELLED = "Execution was cancelled by the runtime environment."
UNSHARE = ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc"]


@contextmanager
def _running(home: Path, call: str, *before: str) -> Iterator["subprocess.Popen[str]"]:
    """A script that has come as far as saying that it is ready."""
    home.mkdir(exist_ok=True)
    (home / "script.py").write_text(f"{SCRIPT}\nif __name__ == '__main__':\n    {call}\n")
    # Measuring coverage takes SIGTERM for itself, and a handler that the program has set is not ours to replace.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    environment |= {"ORCHESTRATION_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [*before, sys.executable, str(home / "script.py")]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, env=environment, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said == "ready\n", process.communicate()[1]
            yield process
        finally:
            process.kill()


def _end(process: "subprocess.Popen[str]", how: signal.Signals) -> int:
    process.send_signal(how)
    process.communicate(timeout=60)
    return process.returncode


@contextmanager
def _opened(home: Path) -> Iterator[LocalBackend]:
    with closing(open_backend(Settings(home), dict)) as backend:
        assert isinstance(backend, LocalBackend)
        yield backend


def _end_of(run: FlowRun | TaskRun) -> Ending:
    return str(run.state_name), run.state.message if run.state else None


def _flows(backend: Backend) -> dict[str, Ending]:
    """By flow: how its run ended, and why."""
    return {run.flow_name: _end_of(run) for run in flow_runs(backend)}


def _tasks(backend: Backend) -> dict[str, Ending]:
    """By task, and by flow for the task runs that stand for flows within flows: how it ended, and why."""
    return {run.name.partition("-")[0]: _end_of(run) for run in task_runs(backend)}


COMPLETED: Ending = ("Completed", None)


@pytest.mark.parametrize("call", ["main()", "submits()", "outer()", "waits_for_its_retry()"])
def test_after_kill_9_whoever_looks_next_marks_its_runs_crashed(tmp_path: Path, call: str) -> None:
    """Flows within tasks within flows, tasks in threads, a task that no flow called, a delay before a retry."""
    with _running(tmp_path, call) as script:
        with _opened(tmp_path) as backend:
            names = {run.state_name for run in flow_runs(backend)}
            assert names == {"AwaitingRetry" if call == "waits_for_its_retry()" else "Running"}, "while it lives"
        assert _end(script, signal.SIGKILL) == -signal.SIGKILL
    with _opened(tmp_path) as backend:
        assert set(_flows(backend).values()) == {("Crashed", DIED)}
        tasks = _tasks(backend)
        assert tasks.pop("done", COMPLETED) in (COMPLETED, ("Crashed", DIED))
        assert set(tasks.values()) <= {("Crashed", DIED)}
        assert ("outer" in tasks) == (call != "waits_for_its_retry()")
        ended: list[FlowRun | TaskRun] = [*flow_runs(backend), *task_runs(backend)]
        assert None not in [run.end_time for run in ended]
        if call == "main()":
            assert "before the end" in [line.message for line in logs(backend)], "what was written is kept"


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [(signal.SIGINT, -signal.SIGINT, INTERRUPTED), (signal.SIGTERM, 128 + signal.SIGTERM, TERMINATED)],
)
@pytest.mark.parametrize("call", ["main()", "waits_for_its_retry()", "asyncio.run(in_async())"])
def test_a_script_that_is_told_to_end_says_how_it_ended(
    tmp_path: Path, how: signal.Signals, code: int, message: str, call: str
) -> None:
    with _running(tmp_path, call) as script:
        assert _end(script, how) == code
    crashed = ("Crashed", CANCELLED if "async" in call else message)
    with _opened(tmp_path) as backend:
        assert set(_flows(backend).values()) == {crashed}
        tasks = _tasks(backend)
        assert tasks.pop("done", COMPLETED) == COMPLETED
        assert set(tasks.values()) <= {crashed}
        assert backend.crash_dead_runs() == [], "nothing was left to judge"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_what_other_threads_were_running_ends_with_the_flow(tmp_path: Path, how: signal.Signals) -> None:
    with _running(tmp_path, "submits()") as script:
        _end(script, how)
    with closing(SqliteDatabase(tmp_path / "orchestration.db")) as database:  # as it is before anybody judges it
        for table in ("flow_run", "task_run"):
            rows = database.read(f"SELECT DISTINCT state_name FROM {table}")  # noqa: S608 - the two names above
            assert {row["state_name"] for row in rows} <= {"Crashed", "Completed"}


def test_a_flow_that_leaves_the_program_says_so(tmp_path: Path) -> None:
    with _running(tmp_path, "calls_sys_exit()") as script:
        assert script.wait(60) == 3
    with _opened(tmp_path) as backend:
        assert (_flows(backend), _tasks(backend)) == ({"main": ("Crashed", EXITED)}, {"done": COMPLETED})


def test_a_script_that_ended_leaves_nothing(tmp_path: Path) -> None:
    """No process, no file beside the store's own, and no row that anybody must judge."""
    with _running(tmp_path, "ends()") as script:
        _, errors = script.communicate(timeout=60)
        assert script.returncode == 0
    assert errors.splitlines()[-1].endswith("Finished in state Completed()")
    assert {path.name for path in tmp_path.iterdir()} == {"script.py", "orchestration.db", "orchestration.db.lock"}
    with pytest.raises(ProcessLookupError):
        os.killpg(script.pid, 0)
    with _opened(tmp_path) as backend:
        assert _flows(backend) == {"main": COMPLETED}
        assert [run.state_name for run in task_runs(backend)] == ["Completed", "Completed"]


def test_a_script_in_another_container_is_not_judged(tmp_path: Path) -> None:
    """Its processes have numbers of their own, which say nothing here; neither does its death."""
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody make a process namespace")
    with _running(tmp_path, "main()", *UNSHARE, "--kill-child") as script:
        _end(script, signal.SIGKILL)
    with _opened(tmp_path) as backend:
        assert {run.state_name for run in flow_runs(backend)} == {"Running"}
    with _running(tmp_path / "control", "main()") as script:
        _end(script, signal.SIGKILL)
    with _opened(tmp_path / "control") as backend:
        assert {run.state_name for run in flow_runs(backend)} == {"Crashed"}, "which here it would be"
