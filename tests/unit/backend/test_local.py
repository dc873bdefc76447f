"""What only this backend does beside the contract: it opens the store, and tells of a lost race."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestration.backend.connect import open_backend
from orchestration.backend.local import _settle
from orchestration.domain.rules import Abort, Accept, Wait
from orchestration.domain.settings import Settings
from orchestration.domain.states import Pending, Running
from orchestration.persistence.database import NO_PARAMS, Row
from tests.support.listings import flow_runs
from tests.support.records import at, flow_run, later


class LostRace:
    """A transaction in a database where somebody else was quicker: the guarded update changes no row."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def execute(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> list[Row]:
        self.statements.append(sql.split(maxsplit=1)[0])
        return []

    def lock(self, *names: str) -> None:
        raise AssertionError(f"{names} must be held before the run is read")

    def insert_many(self, *_: object) -> None:
        raise AssertionError("no state may be written by the one that came second")


def test_who_comes_second_is_told_so() -> None:
    """With one writer at a time it cannot happen; with several it must not lose the other's state."""
    tx, running = LostRace(), at(Running(), 1)
    decision = _settle(tx, flow_run(state=at(Pending(), 0)), Accept(running), later(1))
    assert decision == Abort("Another process changed the run's state at the same moment.")
    assert tx.statements == ["UPDATE"]


@pytest.mark.parametrize("decision", [Wait(1.0, "early"), Abort("ended")])
def test_what_changes_nothing_writes_nothing(decision: Wait | Abort) -> None:
    tx = LostRace()
    assert _settle(tx, flow_run(), decision, later(1)) is decision
    assert tx.statements == []


BEGIN = """
import sys
from pathlib import Path
from orchestration.backend.connect import open_backend
from orchestration.backend.surroundings import this_process
from orchestration.domain.settings import Settings
from orchestration.domain.states import Running
from tests.support.records import flow_run
backend = open_backend(Settings(Path(sys.argv[1])), dict)
print(backend.create_flow_run(flow_run(state=Running(), owner=this_process())).id, flush=True)
sys.stdin.read()
"""


def test_opening_marks_the_runs_of_dead_processes(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    command = [sys.executable, "-c", BEGIN, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        living = open_backend(settings, dict)
        assert [run.state_name for run in flow_runs(living)] == ["Running"]
        living.close()
        process.send_signal(signal.SIGKILL)
    looking = open_backend(settings, dict)
    assert [run.state_name for run in flow_runs(looking)] == ["Crashed"]
    looking.close()


def test_the_settings_choose_the_file_and_its_durability(tmp_path: Path) -> None:
    backend = open_backend(Settings(tmp_path / "home", sqlite_synchronous="FULL"), dict)
    assert (tmp_path / "home" / "orchestration.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    backend.close()
