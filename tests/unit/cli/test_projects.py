"""Beginning a project, and deploying it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestration.backend.port import Backend
from orchestration.sdk.context import close_session
from tests.architecture.source import ROOT
from tests.support.command_line import asked, orchestrate
from tests.support.repositories import FLOW, commit, repository

HEAD = "deployments:\n- name: monthly\n  entrypoint: flows/train.py:train\n  work_pool: {name: trips}\n"
SECOND = HEAD.replace("deployments:\n", "").replace("monthly", "weekly")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: Backend) -> Path:
    """The current folder, with a flow; and a work pool."""
    close_session()  # of another test
    (tmp_path / "project" / "flows").mkdir(parents=True)
    (tmp_path / "project" / "flows" / "train.py").write_text(FLOW)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.syspath_prepend(str(tmp_path))
    backend.create("work_pools", {"name": "trips", "type": "process"})
    return tmp_path / "project"


def _deployed() -> list[str]:
    return sorted(each["name"] for each in asked("deployment", "ls"))


def test_a_project_begins_with_four_things(project: Path) -> None:
    said = orchestrate("project", "init")
    for name in ("prefect.yaml", "deployment.yaml", ".prefectignore", ".prefect/"):
        assert (name in said, (project / name).exists()) == (True, True)
    assert "name: project" in (project / "prefect.yaml").read_text()
    assert "pull: null" in (project / "prefect.yaml").read_text()
    (project / "prefect.yaml").unlink()
    assert orchestrate("init", "--name", "taxi").strip() == "Made prefect.yaml."
    assert "name: taxi" in (project / "prefect.yaml").read_text()
    (project / "prefect.yaml").write_text("name: mine\n")
    assert "here already" in orchestrate("init")
    assert (project / "prefect.yaml").read_text() == "name: mine\n"
    assert "deployment.yaml:3: A deployment is a mapping, with 'name'" in orchestrate("deploy", "--all", code=1)


def test_what_the_file_says_is_deployed(project: Path) -> None:
    (project / "prefect.yaml").write_text(HEAD)
    assert "Would deploy train/monthly (new)." in orchestrate("deploy", "--dry-run")
    assert _deployed() == []
    assert "Deployed train/monthly (new)." in orchestrate("deploy", "--all")
    assert "Deployed train/monthly (as it was)." in orchestrate("deploy")
    said = orchestrate("deploy", "-n", "monthly", "--param", "n=4", "--tag", "a", "--cron", "0 9 3 * *", "--dry-run")
    assert 'tags: [] -> ["a"]' in said
    assert (_deployed(), asked("deployment", "inspect", "monthly")["tags"]) == (["monthly"], [])


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--all"], ["monthly", "weekly"]), (["-n", "week*"], ["weekly"]), (["-n", "train/monthly"], ["monthly"]),
        (["-n", "monthly", "-n", "weekly"], ["monthly", "weekly"]),
    ],
)  # fmt: skip
def test_deployments_are_chosen_by_name(project: Path, words: list[str], names: list[str]) -> None:
    (project / "prefect.yaml").write_text(HEAD + SECOND)
    orchestrate("deploy", *words)
    assert _deployed() == names


def test_a_flow_is_deployed_without_a_file(project: Path) -> None:
    words = ["-n", "quick", "-p", "trips", "--param", 'months=["2021-01"]']
    times = ["--interval", "3600", "--rrule", "FREQ=DAILY", "--timezone", "America/New_York"]
    orchestrate("deploy", "flows/train.py:train", *words, *times)
    made = asked("deployment", "inspect", "train/quick")
    assert (made["work_pool_name"], made["parameters"]) == ("trips", {"months": ["2021-01"]})
    assert [each["schedule"]["timezone"] for each in made["schedules"]] == ["America/New_York"] * 2


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ([], 2, "Say which to deploy, with -n NAME or --all; there are monthly, weekly"),
        (["-n", "none"], 2, "Say which"),
        (["flows/train.py:train"], 2, "-n NAME"), (["flows/absent.py:f", "-n", "a", "-p", "trips"], 1, "no file"),
        (["--all", "--param", "n"], 2, "name=value"), (["-n", "x/*"], 2, "is called x/*"),
        (["--all", "--param", "m=1"], 1, "no parameter 'm'"), (["--all", "-p", "absent"], 1, "work-pool create"),
    ],
)  # fmt: skip
def test_what_cannot_be_deployed_is_said_in_a_sentence(
    project: Path, words: list[str], code: int, sentence: str
) -> None:
    (project / "prefect.yaml").write_text(HEAD + SECOND)
    assert sentence in orchestrate("deploy", *words, code=code)
    assert _deployed() == []


def test_a_flow_is_served_until_its_worker_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked_for = subprocess.Popen, []

    def start(command: list[str]) -> Any:
        asked_for.append(command)
        return real([sys.executable, "-c", ""])

    monkeypatch.setattr(subprocess, "Popen", start)
    words = ["--cron", "0 9 3 * *", "--param", "n=4", "-l", 2]
    orchestrate("flow", "serve", "flows/train.py:train", "-n", "served", *words)
    made = asked("deployment", "inspect", "train/served")
    assert (made["parameters"], made["paused"]) == ({"n": 4}, True)
    assert [each["schedule"]["cron"] for each in made["schedules"]] == ["0 9 3 * *"]
    assert asked_for[0][-2:] == ["--limit", "2"]


def test_how_many_runs_of_a_deployment_go_on_at_once_is_set_and_shown(project: Path) -> None:
    (project / "prefect.yaml").write_text(HEAD)
    orchestrate("deploy", "--all")
    orchestrate("deployment", "set-concurrency-limit", "train/monthly", 2)
    assert asked("deployment", "inspect", "train/monthly")["concurrency_limit"] == 2
    orchestrate("deployment", "clear-concurrency-limit", "train/monthly")
    assert asked("deployment", "inspect", "train/monthly")["concurrency_limit"] is None


def test_without_a_file_it_says_what_to_do() -> None:
    assert "write a prefect.yaml" in orchestrate("deploy", code=2)


def test_the_deployment_of_this_repository_can_be_deployed(monkeypatch: pytest.MonkeyPatch, backend: Backend) -> None:
    monkeypatch.chdir(ROOT)
    assert "create --type process trips_prediction_pool" in orchestrate("deploy", "--all", code=1)
    orchestrate("work-pool", "create", "--type", "process", "trips_prediction_pool")
    assert "Deployed duration-prediction/duration_prediction (new)." in orchestrate("deploy", "--all")
    made = asked("deployment", "inspect", "duration_prediction")
    ((step,),) = (each.values() for each in made["pull_steps"])
    assert step == {"directory": str(ROOT)}
    (schedule,) = made["schedules"]
    assert schedule["schedule"] == {"cron": "0 9 3 * *", "timezone": "America/New_York", "day_or": True}


def test_the_tutorials_chapter_does_what_its_page_says(tmp_path: Path, project: Path, backend: Backend) -> None:
    origin = repository(tmp_path / "mlops_zoomcamp", {"03-orchestration/orchestrate.py": FLOW})
    orchestrate("work-pool", "create", "--type", "process", "trips_prediction_pool")
    orchestrate("project", "init")
    files = {
        "prefect": "name: mlops\nprefect-version: 2.10.12\npull:\n- prefect.projects.steps.git_clone_project:\n"
        f"    repository: {origin.as_uri()}\n    branch: main\n    access_token: null\n",
        "deployment": "deployments:\n- name: duration_prediction\n  entrypoint: 03-orchestration/orchestrate.py:train\n"
        "  schedule:\n    cron: 0 9 3 * * \n  work_pool:\n    name: trips_prediction_pool\n",
    }
    subprocess.run(["git", "clone", "--quiet", str(origin), str(project / "clone")], check=True)
    for name, text in files.items():
        (project / "clone" / f"{name}.yaml").write_text(text)
    commit(project / "clone", {})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project / "clone")
        assert "Deployed train/duration_prediction (new)." in orchestrate("deploy", "--all")
