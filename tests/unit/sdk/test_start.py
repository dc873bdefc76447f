"""The start of a run in a process: a store, and loggers that write to it."""

import logging
from pathlib import Path

import pytest

from orchestration import flow, test_harness
from orchestration.sdk.logs import FLOW_LOGGER, ROOT, TASK_LOGGER, ConsoleHandler, StoreHandler
from orchestration.sdk.session import Session, close_session, current_session, swap_session
from orchestration.sdk.start import started_session


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


def test_a_server_that_is_named_is_not_passed_over_in_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("ORCHESTRATION_HOME", str(tmp_path))
    monkeypatch.setenv("ORCHESTRATION_API_URL", "http://127.0.0.1:4200/api")
    before = swap_session(None)
    try:
        started_session()
    finally:
        close_session()
        swap_session(before)
    assert "Runs are kept on this machine" in capsys.readouterr().err
