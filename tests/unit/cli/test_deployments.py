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
    return backend.create("deployments", given)


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


def test_a_run_is_due_at_once(deployment: dict[str, Any]) -> None:
    run = _asked_for()
    assert (run["state_name"], run["parameters"]) == ("Scheduled", {"n": 1})
    due = moment_of(run["expected_start_time"])
    assert due is not None
    assert timedelta(0) <= utc_now() - due < timedelta(minutes=1)


def test_a_run_differs_as_it_is_told(deployment: dict[str, Any]) -> None:
    run = _asked_for("-p", "n=2", "--param", "place=New York", "--param", "m=[1]", "--start-in", "1h 30m")
    assert run["parameters"] == {"n": 2, "m": [1], "place": "New York"}
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
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], sentence: str, deployment: dict[str, Any]) -> None:
    assert sentence in orchestrate("deployment", "run", "train/monthly", *words, code=2)
    assert [each["name"] for each in asked("flow-run", "ls")] == ["light-boar"]
