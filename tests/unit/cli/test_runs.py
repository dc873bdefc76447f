"""Listing, following, cancelling and retrying runs."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import typer

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.cli.kinds import with_flow_names
from orchestration.cli.runs import lines_of, watch
from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.states import Completed, Crashed, Failed, Paused, Pending, Running, Scheduled, State
from tests.support.command_line import asked, orchestrate, table
from tests.support.records import at, batch, born, flow_run, log_row, task_record

MESSAGES = [f"line {number}" for number in range(25)]


def _run(backend: Backend, name: str, flow: str, *states: State) -> FlowRun:
    run = backend.create_flow_run(flow_run(name=name, flow_name=flow, state=states[0], created=utc_now()))
    for state in states[1:]:
        backend.propose_flow_run_state(run.id, state, force=True)
    return run


@pytest.fixture
def runs(backend: Backend) -> dict[str, FlowRun]:
    """Three runs, the first with log lines and a task run."""
    made = {
        "oak": _run(backend, "oak", "train", Pending(), Running(), Completed()),
        "elm": _run(backend, "elm", "train", Pending(), Running(), Failed("no data")),
        "ash": _run(backend, "ash", "report", Scheduled(utc_now() + timedelta(hours=1))),
    }
    record = task_record(made["oak"].id)
    lines = [log_row(message, made["oak"].id) for message in MESSAGES]
    backend.record(batch(born(record, at(Completed(), 1)), logs=[*lines, log_row("fitted", made["oak"].id, record.id)]))
    return made


def _names(*words: object) -> list[str]:
    return [each["name"] for each in asked(*words)]


def test_flow_runs_are_listed_newest_first(runs: dict[str, FlowRun]) -> None:
    rows = table("flow-run", "ls")
    assert rows[0] == ["ID", "FLOW", "NAME", "STATE", "STARTED"]
    assert rows[2][:4] == [str(runs["elm"].id), "train", "elm", "Failed"]
    assert _names("flow-run", "ls") == ["ash", "elm", "oak"]
    assert _names("flow-run", "ls", "--limit", 1) == ["ash"]


def test_listings_are_narrowed(runs: dict[str, FlowRun]) -> None:
    assert _names("flow-run", "ls", "--flow-name", "train", "--flow-name", "nope") == ["elm", "oak"]
    assert _names("flow-run", "ls", "--state", "Failed", "--state", "Completed") == ["elm", "oak"]
    assert _names("flow-run", "ls", "--state", "Failed", "--flow-name", "train") == ["elm"]
    assert _names("task-run", "ls", "--limit", 1) == ["fit-0"]


def test_flows_are_listed_and_shown(runs: dict[str, FlowRun]) -> None:
    assert _names("flow", "ls") == ["report", "train"]
    assert asked("flow", "inspect", "train") == asked("flow", "inspect", runs["oak"].flow_id)


def test_what_a_server_leaves_out_of_a_run_is_asked_for(runs: dict[str, FlowRun], backend: Backend) -> None:
    sent = [{"id": "1", "flow_id": str(runs["oak"].flow_id)}, {"id": "2", "flow_id": str(new_id())}]
    assert [each["flow_name"] for each in with_flow_names(backend, sent)] == ["train", None]


def test_a_run_is_shown_by_name_or_id(runs: dict[str, FlowRun], backend: Backend) -> None:
    assert asked("flow-run", "inspect", "oak") == asked("flow-run", "inspect", runs["oak"].id)
    assert "state_name                  Completed\n" in orchestrate("flow-run", "inspect", "oak")
    assert asked("task-run", "inspect", "fit-0")["flow_run_id"] == str(runs["oak"].id)
    assert "list them with" in orchestrate("flow-run", "inspect", "nope", code=1)
    assert "no flow run" in orchestrate("flow-run", "inspect", new_id(), code=1)
    _run(backend, "oak", "train", Pending())
    assert "give the id" in orchestrate("flow-run", "inspect", "oak", code=2)


def _logged(*words: object) -> list[str]:
    return [line.rpartition(" - ")[2] for line in orchestrate(*words).splitlines()]


def test_logs_are_printed_in_order(runs: dict[str, FlowRun]) -> None:
    assert _logged("flow-run", "logs", "oak") == [*MESSAGES, "fitted"]
    assert [each["message"] for each in asked("flow-run", "logs", "oak")] == [*MESSAGES, "fitted"]


def test_a_log_line_tells_when_how_grave_and_from_where(runs: dict[str, FlowRun]) -> None:
    first = orchestrate("flow-run", "logs", "oak").splitlines()[0]
    assert first == "2024-05-17 08:30:00.000 | INFO    | orchestration.flow_runs - line 0"


def test_logs_are_followed_until_the_run_has_ended(backend: Backend) -> None:
    run = _run(backend, "oak", "train", Pending(), Running())
    backend.record(batch(logs=[log_row("first", run.id)]))
    waits: list[float] = []

    def go_on(seconds: float) -> None:
        waits.append(seconds)
        backend.record(batch(logs=[log_row(f"after {len(waits)}", run.id)]))
        if len(waits) == 2:
            backend.propose_flow_run_state(run.id, Completed())

    said = [line["message"] for line in lines_of(backend, str(run.id), True, go_on)]
    assert said == ["first", "after 1", "after 2"]
    assert len(waits) == 2


def test_an_ended_run_is_followed_to_its_end(runs: dict[str, FlowRun]) -> None:
    assert _logged("flow-run", "logs", "oak", "--follow") == [*MESSAGES, "fitted"]


@pytest.mark.parametrize(("end", "code"), [(Completed(), 0), (Crashed("died"), 1)])
def test_states_are_watched_until_the_end(
    end: State, code: int, backend: Backend, capsys: pytest.CaptureFixture[str]
) -> None:
    run, ahead = _run(backend, "oak", "train", Pending()), [Running(), end]

    def go_on(_seconds: float) -> None:
        backend.propose_flow_run_state(run.id, ahead.pop(0))

    with pytest.raises(typer.Exit) as left:
        watch(backend, str(run.id), go_on)
    assert left.value.exit_code == code
    said: list[Any] = [line.split(" | ")[1:] for line in capsys.readouterr().out.splitlines()]
    assert said == [["Pending"], ["Running"], [end.name, *([end.message] if end.message else [])]]


def test_an_ended_run_needs_no_watching(runs: dict[str, FlowRun]) -> None:
    assert "Completed" in orchestrate("flow-run", "watch", "oak")


def test_what_has_no_process_is_cancelled_at_once(runs: dict[str, FlowRun], backend: Backend) -> None:
    suspended = _run(backend, "fir", "train", Pending(), Running(), Paused(reschedule=True, name="Suspended"))
    for name, run in (("ash", runs["ash"]), ("fir", suspended)):
        assert "was cancelled" in orchestrate("flow-run", "cancel", name)
        state = backend.flow_run(run.id).state
        assert state is not None
        assert state.is_cancelled()


def test_what_runs_is_told_to_stop(backend: Backend) -> None:
    run = _run(backend, "oak", "train", Pending(), Running())
    assert "told to stop" in orchestrate("flow-run", "cancel", "oak")
    state = backend.flow_run(run.id).state
    assert state is not None
    assert state.is_cancelling()
    assert "cannot become Cancelling" in orchestrate("flow-run", "cancel", "oak", code=1)


def test_what_has_ended_cannot_be_cancelled(runs: dict[str, FlowRun]) -> None:
    assert "nothing to cancel" in orchestrate("flow-run", "cancel", "oak", code=1)


def test_an_ended_run_of_a_deployment_is_scheduled_anew(runs: dict[str, FlowRun], backend: Backend) -> None:
    made = backend.create("deployments", {"name": "monthly", "flow_id": str(runs["oak"].flow_id)})
    run = backend.create_run_of_deployment(UUID(made["id"]), {"name": "yew"})
    assert "has not ended" in orchestrate("flow-run", "retry", "yew", code=1)
    for state in (Pending(), Running(), Completed()):
        backend.propose_flow_run_state(run.id, state, force=True)
    assert "waits for a worker" in orchestrate("flow-run", "retry", "yew")
    retried = backend.flow_run(run.id).state
    assert retried is not None
    assert (retried.type.value, retried.name) == ("SCHEDULED", "AwaitingRetry")


def test_a_script_retries_its_runs_itself(runs: dict[str, FlowRun]) -> None:
    assert "call its flow again" in orchestrate("flow-run", "retry", "elm", code=1)


def test_a_run_is_deleted(runs: dict[str, FlowRun]) -> None:
    assert orchestrate("flow-run", "delete", "oak") == "Deleted flow run 'oak'.\n"
    assert _names("flow-run", "ls") == ["ash", "elm"]
