"""The start of a run in a process: a store, and loggers that write to it."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration import flow, test_harness
from orchestration.sdk.context import Session, current_session
from orchestration.sdk.logs import FLOW_LOGGER, ROOT, TASK_LOGGER, ConsoleHandler, StoreHandler, started_session


def _count(logger: logging.Logger, kind: type[logging.Handler]) -> int:
    return sum(isinstance(handler, kind) for handler in logger.handlers)


def test_it_is_the_session_of_the_process(session: Session) -> None:
    assert started_session() is session
    assert started_session() is current_session()


@pytest.mark.usefixtures("session")
def test_runs_can_log_to_console_and_store_once() -> None:
    for _ in range(3):
        started_session()
    assert _count(ROOT, ConsoleHandler) == 1
    assert (_count(FLOW_LOGGER, StoreHandler), _count(TASK_LOGGER, StoreHandler)) == (1, 1)


def test_each_session_sets_the_level_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with test_harness():
        started_session()
        assert ROOT.level == logging.INFO
        monkeypatch.setenv("ORCHESTRATION_LOGGING_LEVEL", "ERROR")
        with test_harness():
            started_session()
            assert ROOT.level == logging.ERROR
        started_session()
        assert ROOT.level == logging.INFO


def test_without_a_session_the_first_run_opens_one() -> None:
    @flow
    def main() -> bool:
        return started_session() is current_session()

    with test_harness():
        assert main()


SCRIPT = "from orchestration import flow\n\n@flow\ndef main():\n    {body}\n\nmain()\n"


@pytest.mark.parametrize(
    ("body", "settings", "ends", "traced"),
    [
        ("pass", {"ORCHESTRATION_DATABASE_URL": "oracle://db"}, "ORCHESTRATION_DATABASE_URL", False),
        ("pass", {"ORCHESTRATION_DATABASE_URL": "sqlite:////dev/null/x.db"}, "/dev/null", False),
        ("1 / 0", {}, "ZeroDivisionError", True),
    ],
)
def test_a_script_whose_store_cannot_be_used_ends_with_one_sentence(
    tmp_path: Path, body: str, settings: dict[str, str], ends: str, traced: bool
) -> None:
    own = {"ORCHESTRATION_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path), **settings}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(body=body)],
        env={**os.environ, **own}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (1, traced)
    assert ends in done.stderr.strip().splitlines()[-1]
