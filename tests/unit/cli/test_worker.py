"""Workers, units and single runs from the command line."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.backend.port import Backend
from tests.support.command_line import orchestrate
from tests.support.serving import ROOT
from tests.support.working import Workplace

CODE = "@flow\ndef main(n: int = 1):\n    assert n\n"


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    """The process of the tests keeps its handlers."""
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGINT)}
    yield
    for sign, handler in before.items():
        signal.signal(sign, handler)


@pytest.fixture
def place(backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """A pool in the store that the commands use."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (folder := tmp_path / "code").mkdir()
    return Workplace(backend, folder, tmp_path / "home")


def test_a_worker_looks_for_work_once(place: Workplace) -> None:
    run_id = place.ask(place.deploy(CODE))
    orchestrate("worker", "start", "-p", "trips", "-t", "process", "--run-once", "--work-queue", "default")
    assert place.states(run_id) == ["Scheduled", "Pending", "Running", "Completed"]


def test_a_worker_of_a_type_makes_its_pool(backend: Backend) -> None:
    orchestrate("worker", "start", "--pool", "new", "--type", "process", "--run-once")
    assert backend.read("work_pools", name="new")["type"] == "process"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("-p", "new"), 1, "work-pool create --type process new"),
        (("-p", "trips", "-t", "docker"), 2, "no workers of type 'docker'"),
        (("-p", "trips", "--work-queue", "nowhere"), 1, "nowhere"),
    ],
)
@pytest.mark.usefixtures("place")
def test_a_mistake_is_told_in_a_sentence(arguments: tuple[str, ...], code: int, said: str) -> None:
    assert said in orchestrate("worker", "start", *arguments, "--run-once", code=code)


@pytest.mark.parametrize(("value", "code", "state"), [(1, 0, "Completed"), (0, 1, "Failed")])
def test_a_run_is_executed_here_and_now(place: Workplace, value: int, code: int, state: str) -> None:
    run_id = place.ask(place.deploy(CODE), parameters={"n": value})
    orchestrate("flow-run", "execute", run_id, code=code)
    assert place.run(run_id).state_name == state


@pytest.mark.parametrize("words", [("worker", "unit", "--pool", "trips %1"), ("server", "unit")])
def test_units_start_what_they_are_asked_for(words: tuple[str, ...], tmp_path: Path) -> None:
    text = orchestrate(*words)
    (command,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    assert command.endswith("server start" if words[0] == "server" else "worker start --pool 'trips %%1'")
    assert f'Environment="ORCHESTRATION_HOME={tmp_path}/home"' in text
