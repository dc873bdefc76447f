"""What runs print: lines of their logs with ``log_prints``, and ordinary output without."""

import builtins
import io
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from orchestration import flow, task
from orchestration.domain.schemas.filters import among
from orchestration.sdk import logs
from orchestration.sdk.client import SyncClient
from orchestration.sdk.context import Session, swap_session

pytestmark = pytest.mark.usefixtures("session")


@pytest.fixture(autouse=True)
def _restore_print() -> Iterator[None]:
    before = builtins.print
    yield
    builtins.print = before


def _printed(client: SyncClient) -> list[str]:
    """The lines of all logs that the engine did not write itself."""
    engines_own = ("Beginning", "Finished")
    return [line.message for line in client.read_logs() if not line.message.startswith(engines_own)]


def _say(*words: object) -> None:
    print(*words)  # noqa: T201


def test_a_flow_with_log_prints_logs_what_it_prints(client: SyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    @flow(log_prints=True)
    def main() -> None:
        _say("RMSE is", 5.1)

    main()
    (run,) = client.read_flow_runs()
    (line,) = [each for each in client.read_logs() if each.message == "RMSE is 5.1"]
    assert (line.level, line.flow_run_id, line.task_run_id) == (20, run.id, None)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "RMSE is 5.1" in captured.err


def test_a_flow_without_prints(client: SyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    @flow
    def main() -> None:
        _say("plain")

    main()
    assert _printed(client) == []
    assert capsys.readouterr().out == "plain\n"


def test_a_task_alone_can_log_what_it_prints(client: SyncClient) -> None:
    @task(log_prints=True)
    def work() -> None:
        _say("from a task")

    @flow
    def main() -> None:
        work()
        _say("from the flow")

    main()
    (run,) = client.read_task_runs()
    lines = client.read_logs(among("logs", task_run_id=(run.id,))["logs"])
    assert [line.message for line in lines if line.message.startswith("from")] == ["from a task"]
    assert _printed(client) == ["from a task"]


def test_tasks_and_subflows_follow_the_flow_around_them_unless_told(client: SyncClient) -> None:
    @task
    def follows() -> None:
        _say("task")

    @task(log_prints=False)
    def refuses() -> None:
        _say("quiet task")

    @flow
    def inner() -> None:
        _say("subflow")
        follows.submit().wait()

    @flow(log_prints=False)
    def quiet() -> None:
        _say("quiet subflow")
        follows()

    @flow(log_prints=True)
    def main() -> None:
        follows()
        refuses()
        inner()
        quiet()
        _say("flow")

    main()
    assert _printed(client) == ["task", "subflow", "task", "flow"]


def test_a_setting_makes_it_the_default(session: Session, client: SyncClient) -> None:
    @task
    def work() -> None:
        _say("task")

    @flow
    def main() -> None:
        _say("flow")

    swap_session(replace(session, settings=replace(session.settings, log_prints=True)))
    main()
    work()
    assert _printed(client) == ["flow", "task"]


def test_separators_and_ends(client: SyncClient) -> None:
    @flow(log_prints=True)
    def main() -> None:
        print("a", "b", sep="-", end="!")  # noqa: T201
        print("100%", "%s", flush=True)  # noqa: T201
        print()  # noqa: T201
        print("two\nlines", file=None, sep=None, end=None)  # noqa: T201

    main()
    assert _printed(client) == ["a-b", "100% %s", "", "two\nlines"]


def test_what_goes_to_a_file_stays_there(client: SyncClient) -> None:
    file = io.StringIO()

    @flow(log_prints=True)
    def main() -> None:
        print("a", "b", sep="-", end="!", file=file)
        print("standard output", file=sys.stdout)  # noqa: T201
        print("standard error", file=sys.stderr)  # noqa: T201

    main()
    assert file.getvalue() == "a-b!"
    assert _printed(client) == ["standard output", "standard error"]


def test_outside_of_runs_print_prints(client: SyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    builtins.print = logs.print_or_log
    print("a", "b", sep="-", end="!")  # noqa: T201
    assert capsys.readouterr().out == "a-b!"
    assert _printed(client) == []
