"""Logs of runs: on the console in Prefect's layout, and in the store."""

import logging
import logging.config
import re

import pytest

from orchestration import flow, get_logger, get_run_logger, task, test_harness
from orchestration.domain.errors import MissingContextError
from orchestration.sdk.client import SyncClient
from orchestration.sdk.logs import LONGEST_LINE

pytestmark = pytest.mark.usefixtures("session")


@flow
def _says() -> None:
    get_run_logger().info("low")
    get_run_logger().error("high")


def _said() -> list[str]:
    """What the store has of a run that says ``low`` and ``high``."""
    with test_harness() as session:
        _says()
        return [message for message in _messages(SyncClient(session)) if message in ("low", "high")]


def _messages(client: SyncClient) -> list[str]:
    return [line.message for line in client.read_logs()]


def test_the_console_shows_time_level_and_run(capsys: pytest.CaptureFixture[str]) -> None:
    @task
    def work() -> None:
        get_run_logger().warning("from %s", "work")

    @flow(flow_run_name="light-boar")
    def main() -> None:
        get_run_logger().info("from main")
        work()

    main()
    lines = capsys.readouterr().err.splitlines()
    layout = re.compile(r"\d\d:\d\d:\d\d\.\d{3} \| (\w+) +\| (.*)")
    assert all(layout.fullmatch(line) for line in lines)
    said = [line.partition(" | ")[2] for line in lines]
    assert "INFO    | Flow run 'light-boar' - from main" in said
    assert "WARNING | Task run 'work-0' - from work" in said


def test_lines_are_in_the_store_with_their_run_level_and_order(client: SyncClient) -> None:
    @flow
    def main() -> None:
        logger = get_run_logger()
        logger.info("first")
        logger.error("second")

    main()
    run = client.read_flow_runs()[0]
    lines = [line for line in client.read_logs() if line.message in ("first", "second")]
    assert [(line.message, line.level, line.flow_run_id, line.task_run_id) for line in lines] == [
        ("first", 20, run.id, None),
        ("second", 40, run.id, None),
    ]
    assert lines[0].sequence < lines[1].sequence


def test_an_exception_is_kept_with_its_traceback(client: SyncClient) -> None:
    @flow
    def main() -> None:
        try:
            raise ValueError("inner")
        except ValueError:
            get_run_logger().exception("caught")

    main()
    (line,) = [line for line in client.read_logs() if line.message.startswith("caught")]
    assert "Traceback (most recent call last)" in line.message
    assert line.message.endswith("ValueError: inner")


def test_a_line_that_is_too_long_is_cut_with_a_mark(client: SyncClient) -> None:
    @flow
    def main() -> None:
        get_run_logger().info("x" * (LONGEST_LINE + 7))

    main()
    (line,) = [line for line in client.read_logs() if line.message.startswith("xxx")]
    assert line.message.endswith("x [truncated: 7 more characters]")
    assert len(line.message) < LONGEST_LINE + 50


def test_outside_runs_there_is_no_run_logger() -> None:
    with pytest.raises(MissingContextError, match="There is no active flow or task run to log for"):
        get_run_logger()


def test_a_logger_without_a_run_writes_to_the_console_only(
    client: SyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    @flow
    def main() -> None:
        get_logger("mine").info("outside")

    main()
    get_logger().warning("nowhere")
    assert "| outside" in capsys.readouterr().err
    assert "outside" not in _messages(client)


def test_lines_of_other_libraries_are_kept_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATION_LOGGING_EXTRA_LOGGERS", "some.library")
    with test_harness() as session:
        client = SyncClient(session)

        @task
        def work() -> None:
            logging.getLogger("some.library").info("from the library")

        work()
        logging.getLogger("some.library").info("outside runs")
        lines = [line for line in client.read_logs() if "librar" in line.message or "outside" in line.message]
        assert [(line.message, line.name) for line in lines] == [("from the library", "some.library")]
        assert lines[0].task_run_id == client.read_task_runs()[0].id


def test_the_level_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _said() == ["low", "high"]
    monkeypatch.setenv("ORCHESTRATION_LOGGING_LEVEL", "ERROR")
    assert _said() == ["high"]


def test_lines_can_be_kept_out_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _said() == ["low", "high"]
    monkeypatch.setenv("ORCHESTRATION_LOGGING_TO_API_ENABLED", "false")
    assert _said() == []


def test_a_logging_configuration_of_somebody_else_does_not_silence_runs(client: SyncClient) -> None:
    @flow
    def configured() -> None:
        logging.config.dictConfig({"version": 1})
        get_run_logger().info("heard")

    before = {logger for logger in logging.Logger.manager.loggerDict.values() if isinstance(logger, logging.Logger)}
    enabled = [logger for logger in before if not logger.disabled]
    try:
        configured()
    finally:
        for logger in enabled:
            logger.disabled = False
    assert "heard" in _messages(client)
