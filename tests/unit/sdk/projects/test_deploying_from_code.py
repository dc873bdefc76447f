"""Deployments made from code."""

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration import Cron, Flow, GitRepository, Interval, RRule, flow, serve
from orchestration.backend.port import Backend
from orchestration.domain.errors import ConfigurationError, UsageError
from orchestration.sdk.projects.pulling import load_flow
from tests.support.repositories import FLOW, repository

SERVING = """
import sys
from orchestration import serve
from orchestration.sdk.projects import deploying as serving
from orchestration.sdk.projects.pulling import load_flow
from pathlib import Path

class Worker(serving.subprocess.Popen):
    def __init__(self, command):
        super().__init__([sys.executable, "-c", "import time; print('waiting', flush=True); time.sleep(60)"])

serving.subprocess.Popen = Worker
load_flow("flows/train.py:train", Path.cwd()).serve("served", cron="0 9 3 * *", limit=2)
"""


@pytest.fixture
def train(project: Path) -> Flow[..., Any]:
    """A flow that lies in the current folder."""
    found: Flow[..., Any] = load_flow("flows/train.py:train", project)
    return found


def _made(backend: Backend) -> dict[str, Any]:
    (found,) = backend.find("deployments")
    return found


def test_a_flow_is_deployed_from_code(backend: Backend, train: Flow[..., Any], project: Path) -> None:
    made_id = train.deploy(
        "monthly", work_pool_name="trips", work_queue_name="urgent", cron="0 9 3 * *", parameters={"n": 4}, tags=["a"],
        job_variables={"env": {}}, version="7", description="d", concurrency_limit=1, build=False, push=False,
    )  # fmt: skip
    made = _made(backend)
    assert made == {
        **made, "id": str(made_id), "name": "monthly", "flow_name": "train", "entrypoint": "flows/train.py:train",
        "work_pool_name": "trips", "work_queue_name": "urgent", "parameters": {"n": 4}, "tags": ["a"], "version": "7",
        "description": "d", "concurrency_limit": 1, "job_variables": {"env": {}},
    }  # fmt: skip
    assert made["pull_steps"] == [{"prefect.deployments.steps.set_working_directory": {"directory": str(project)}}]
    train.deploy("monthly", work_pool_name="trips")
    assert [each["schedule"]["cron"] for each in _made(backend)["schedules"]] == ["0 9 3 * *"]
    train.deploy("monthly", work_pool_name="trips", schedules=[])
    assert _made(backend)["schedules"] == []


def test_schedules_of_all_kinds_are_given_together(backend: Backend, train: Flow[..., Any]) -> None:
    schedules = [
        Cron("0 9 3 * *", "America/New_York", slug="m", parameters={"n": 5}),
        Interval(timedelta(hours=1), datetime(2024, 1, 1, tzinfo=UTC), timezone="UTC"),
        RRule("FREQ=DAILY", active=False),
    ]
    train.deploy("all", "trips", schedules=schedules, interval=[60, 120], cron="0 0 * * *", schedule=Cron("1 1 * * *"))
    made = _made(backend)["schedules"]
    kinds = [next(kind for kind in ("cron", "interval", "rrule") if kind in each["schedule"]) for each in made]
    assert sorted(kinds) == ["cron"] * 3 + ["interval"] * 3 + ["rrule"]
    (monthly,) = (each for each in made if each["slug"] == "m")
    assert (monthly["parameters"], monthly["schedule"]["timezone"]) == ({"n": 5}, "America/New_York")


def test_what_cannot_be_deployed_is_refused(backend: Backend, train: Flow[..., Any]) -> None:
    for options, sentence in (({"image": "x"}, "no 'image' here"), ({"triggers": [1]}, "Triggers are not for files")):
        with pytest.raises(ConfigurationError, match=sentence):
            train.deploy("monthly", work_pool_name="trips", **options)
    with pytest.raises(ConfigurationError, match="There is no work pool 'absent'"):
        train.deploy("monthly", work_pool_name="absent")
    names: dict[str, Any] = {"flow": flow}
    exec("@flow\ndef typed_in():\n    pass\n", names)  # noqa: S102
    with pytest.raises(UsageError, match="is in no file"):
        names["typed_in"].deploy("monthly", work_pool_name="trips")
    assert backend.find("deployments") == []


def test_a_flow_comes_from_a_folder_or_a_repository(backend: Backend, project: Path, tmp_path: Path) -> None:
    origin = repository(tmp_path / "taxi", {"flows/train.py": FLOW.replace("train(", "learn(")})
    for source in (origin.as_uri(), GitRepository(origin.as_uri(), branch="main")):
        found = flow.from_source(source, "flows/train.py:learn")
        assert found(["2021-01"]) == 3
        found.deploy("from-git", work_pool_name="trips")
        ((step,),) = (each.values() for each in _made(backend)["pull_steps"])
        assert step["repository"] == origin.as_uri()
    Flow.from_source(project, "flows/train.py:train").deploy("from-git", work_pool_name="trips")
    assert {each["flow_name"] for each in backend.find("deployments")} == {"learn", "train"}


def test_serving_ends_with_its_process(backend: Backend, project: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVING], stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline().strip() == "waiting"
        made = _made(backend)
        assert (made["paused"], made["work_pool_name"].startswith("serve-"), made["name"]) == (False, True, "served")
        serving.send_signal(signal.SIGINT)  # coverage has a handler of its own for SIGTERM
        began = time.monotonic()
        serving.wait(timeout=20)
    assert time.monotonic() - began < 15
    assert _made(backend)["paused"]


def test_a_worker_that_ends_ends_serving(
    backend: Backend, train: Flow[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def start(command: list[str]) -> Any:
        asked.append(command)
        return real([sys.executable, "-c", ""])

    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", start)
    serve(train.to_deployment("one"), train.to_deployment("two", paused=True), limit=2, pause_on_shutdown=False)
    assert {each["name"]: each["paused"] for each in backend.find("deployments")} == {"one": False, "two": True}
    assert asked[0][2:6] == ["orchestration.cli", "worker", "start", "--pool"]
    assert asked[0][-2:] == ["--limit", "2"]
