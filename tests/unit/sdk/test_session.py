"""The one open store of a process: opened at the first need, swapped, closed, and left to the parent after a fork."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import orchestration
from orchestration import flow, get_run_logger
from orchestration.domain.settings import Settings
from orchestration.sdk import context
from orchestration.sdk.context import Session, close_session, current_session, open_session, swap_session
from tests.support.listings import flow_runs, logs, task_runs

ROOT = Path(orchestration.__file__).parents[1]


@pytest.fixture(autouse=True)
def _no_session() -> Iterator[None]:
    before = swap_session(None)
    yield
    close_session()
    swap_session(before)


def _run(folder: Path, program: str) -> list[str]:
    """What a program of its own prints, on a home folder of its own."""
    environ = {"ORCHESTRATION_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_first_need_opens_it_from_the_environment(tmp_path: Path) -> None:
    session = current_session()
    assert session is current_session()
    assert session.settings.home == tmp_path / "home"
    assert session.settings.database_path.exists()


def test_another_can_take_its_place_and_nothing_is_closed(tmp_path: Path) -> None:
    first, second = current_session(), open_session(Settings(tmp_path / "other"))
    assert swap_session(second) is first
    assert current_session() is second
    assert flow_runs(first.backend) == []
    assert swap_session(first) is second
    second.close()
    assert current_session() is first


def test_closing_writes_what_is_left_and_the_next_need_opens_anew(tmp_path: Path) -> None:
    @flow
    def main() -> None:
        get_run_logger().info("kept")

    main()
    before = current_session()
    close_session()
    close_session()
    assert context._current is None
    after = current_session()
    assert after is not before
    assert "kept" in [line.message for line in logs(after.backend)]


def test_the_store_is_released_even_if_the_last_rows_cannot_be_written(tmp_path: Path) -> None:
    told: list[str] = []

    class Broken:
        """A recorder and a backend that tell how they are closed."""

        def __init__(self, name: str, error: Exception | None = None) -> None:
            self.name, self.error = name, error

        def close(self) -> None:
            told.append(self.name)
            if self.error is not None:
                raise self.error

    session = Session(Settings(tmp_path), Broken("backend"), Broken("recorder", OSError("full")))  # type: ignore[arg-type]
    with pytest.raises(OSError, match="full"):
        session.close()
    assert told == ["recorder", "backend"]


def test_threads_that_need_it_at_once_get_the_same(tmp_path: Path) -> None:
    program = (
        "import threading\n"
        "from orchestration.sdk.context import current_session\n"
        "found, start = [], threading.Barrier(8)\n"
        "def ask():\n"
        "    start.wait()\n"
        "    found.append(current_session())\n"
        "threads = [threading.Thread(target=ask) for _ in range(8)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "print(len(found), len(set(map(id, found))))\n"
    )
    assert _run(tmp_path, program) == ["8", "1"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_opens_a_store_of_its_own(tmp_path: Path) -> None:
    program = (
        "import os\n"
        "from orchestration import flow\n"
        "from orchestration.sdk import context\n"
        "@flow\n"
        "def main(): ...\n"
        "main()\n"
        "before = context.current_session()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    forgotten = context._current is None\n"
        "    main()\n"
        "    context.close_session()\n"
        "    os._exit(0 if forgotten else 1)\n"
        "print(os.waitpid(child, 0)[1], context.current_session() is before, len(before.backend.find(\"flow_runs\")))\n"
    )
    assert _run(tmp_path, program) == ["0", "True", "2"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_waits_for_no_thread_that_was_asking(tmp_path: Path) -> None:
    program = (
        "import os, signal\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from orchestration.sdk import context\n"
        "with ThreadPoolExecutor(1) as other:\n"
        "    other.submit(context._lock.acquire).result()\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        signal.alarm(20)\n"
        "        context.current_session()\n"
        "        os._exit(0)\n"
        "    other.submit(context._lock.release).result()\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    assert _run(tmp_path, program) == ["0"]


def test_the_child_side_of_a_fork_forgets_and_closes_nothing() -> None:
    session = current_session()
    context._forget_session()
    assert context._current is None
    assert flow_runs(session.backend) == []
    session.close()


def test_the_end_of_the_process_writes_what_is_left(tmp_path: Path) -> None:
    program = "from orchestration import task\n@task\ndef work(): ...\nwork()\n"
    assert _run(tmp_path, program) == []
    session = open_session(Settings(tmp_path / "home"))
    assert [run.state_name for run in task_runs(session.backend)] == ["Completed"]
    session.close()
