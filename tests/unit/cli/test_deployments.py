"""Listing deployments, and asking for runs of them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.cli import runs
from orchestration.domain.schemas.wire import moment_of
from orchestration.domain.states import Completed
from tests.support.command_line import asked, orchestrate, table
from tests.support.records import flow_run

MONTHLY = {"cron": "0 9 3 * *", "timezone": "America/New_York"}


@pytest.fixture
def deployment(backend: Backend) -> dict[str, Any]:
    """One that runs monthly."""
    flow_id = str(backend.create_flow_run(flow_run(state=None)).flow_id)
    given = {"name": "monthly", "flow_id": flow_id, "schedules": [{"schedule": MONTHLY}], "parameters": {"n": 1}}
    schema = {"properties": {name: {} for name in ("n", "place", "month")}, "required": []}
    return backend.create("deployments", {**given, "parameter_openapi_schema": schema})


def _asked_for(*words: object) -> dict[str, Any]:
    said = orchestrate("deployment", "run", "train/monthly", *words)
    found: dict[str, Any] = asked("flow-run", "inspect", said.partition("(")[2].partition(")")[0])
    return found


def test_deployments_are_listed_and_shown(deployment: dict[str, Any]) -> None:
    assert table("deployment", "ls")[1][:3] == ["train", "monthly", "no"]
    assert [each["id"] for each in asked("deployment", "ls")] == [deployment["id"]]
    for name in ("train/monthly", "monthly", deployment["id"]):
        assert asked("deployment", "inspect", name)["id"] == deployment["id"]
    assert "deployment ls" in orchestrate("deployment", "inspect", "other/monthly", code=1)


def test_a_deployment_is_paused_resumed_and_deleted(deployment: dict[str, Any]) -> None:
    orchestrate("deployment", "pause", "train/monthly")
    assert asked("deployment", "inspect", "train/monthly")["paused"]
    orchestrate("deployment", "resume", "train/monthly")
    assert not asked("deployment", "inspect", "train/monthly")["paused"]
    orchestrate("deployment", "delete", "train/monthly")
    assert asked("deployment", "ls") == []


def test_schedules_are_listed(deployment: dict[str, Any]) -> None:
    (schedule,) = asked("deployment", "schedule", "ls", "train/monthly")
    assert schedule["schedule"] == MONTHLY
    assert table("deployment", "schedule", "ls", "train/monthly")[1][1] == "yes"
    assert len(schedule["next"]) == 5
    assert all(moment.split("T")[0].endswith("-03") for moment in schedule["next"])


def test_a_run_is_due_at_once(deployment: dict[str, Any]) -> None:
    run = _asked_for()
    assert (run["state_name"], run["parameters"]) == ("Scheduled", {"n": 1})
    due = moment_of(run["expected_start_time"])
    assert due is not None
    assert timedelta(0) <= utc_now() - due < timedelta(minutes=1)


def test_a_run_differs_as_it_is_told(deployment: dict[str, Any]) -> None:
    run = _asked_for("-p", "n=2", "--param", "place=New York", "--param", "month=[1]", "--start-in", "1h 30m")
    assert run["parameters"] == {"n": 2, "month": [1], "place": "New York"}
    due = moment_of(run["expected_start_time"])
    assert due is not None
    assert timedelta(minutes=89) < due - utc_now() <= timedelta(minutes=90)
    assert _asked_for("--start-at", "2030-03-03T09:00:00Z")["expected_start_time"] == "2030-03-03T09:00:00Z"


def test_a_run_is_watched(deployment: dict[str, Any], backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    def end_it(_seconds: float) -> None:
        for run in backend.find("flow_runs"):
            backend.propose_flow_run_state(UUID(run["id"]), Completed(), force=True)

    monkeypatch.setattr(runs.watch, "__defaults__", (end_it,))
    said = orchestrate("deployment", "run", "train/monthly", "--watch")
    assert said.index("Scheduled") < said.index("Completed")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--param", "n"], "name=value"),
        (["--start-at", "09:00", "--start-in", "1h"], "either"),
        (["--start-in", "soon"], "5 minutes"),
        (["--param", "m=1"], "no parameter 'm'"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], sentence: str, deployment: dict[str, Any]) -> None:
    assert sentence in orchestrate("deployment", "run", "train/monthly", *words, code=2)
    assert [each["name"] for each in asked("flow-run", "ls")] == ["light-boar"]


def test_a_run_is_named_and_tagged(deployment: dict[str, Any]) -> None:
    run = _asked_for("--param", "n=5", "--tag", "a", "--name", "mine")
    assert (run["parameters"], run["tags"], run["name"]) == ({"n": 5}, ["a"], "mine")


def test_a_backfill_makes_up_for_slots_once(deployment: dict[str, Any], backend: Backend) -> None:
    words = ["deployment", "backfill", "train/monthly", "--from", "2024-01-01T00:00Z", "--to"]
    assert "Asked for 3 run(s) of 3 slot(s)" in orchestrate(*words, "2024-03-03T14:00Z")
    assert "Asked for 1 run(s) of 4 slot(s); 3 had one before." in orchestrate(*words, "2024-04-30T00:00Z")
    runs = sorted(asked("flow-run", "ls"), key=lambda run: str(run["expected_start_time"]))
    made = [run for run in runs if run["state_name"] == "Backfill"]
    assert [run["expected_start_time"] for run in made] == [
        "2024-01-03T14:00:00Z", "2024-02-03T14:00:00Z", "2024-03-03T14:00:00Z", "2024-04-03T13:00:00Z",
    ]  # fmt: skip
    assert {(tuple(run["tags"]), run["state_type"]) for run in made} == {(("backfill",), "SCHEDULED")}
    backend.change("deployments", {"schedules": []}, id=deployment["id"])
    assert len(asked("flow-run", "ls")) == len(runs)


def test_a_backfill_has_the_slots_of_the_schedule_that_is_named_and_none_to_come(deployment: dict[str, Any]) -> None:
    words = ["deployment", "backfill", "train/monthly", "--from", "2024-01-01", "--to", "2999-01-01"]
    assert "0 slot(s)" in orchestrate(*words, "--schedule", "other")
    said = orchestrate(*words)
    assert 20 < int(said.split()[2]) < 400
