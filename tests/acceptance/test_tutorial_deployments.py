"""The tutorial's chapter on deployments, typed with ``orchestrate``, its repository replaced by one on this disk."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.clones import Clone
from tests.support.repositories import commit, git, repository

FLOW = '''
import random
from pathlib import Path

from orchestration import create_markdown_artifact, flow, task


@task(name="Add two numbers", retry_delay_seconds=2, retries=3)
def add(x: int, y: int) -> int:
    return x + y


@flow(name="Main flow", log_prints=True)
def main_flow(number_a: int = 1, number_b: int = 1) -> int:
    total = add(number_a, number_b)
    print(f"The sum is {total}, found by {Path(__file__).resolve()}.")
    create_markdown_artifact(key="sum", markdown=f"# {total}")
    return total
'''
PROJECT = """
# Generic metadata about this project
name: mlops_zoomcamp
prefect-version: 2.10.12

# build section allows you to manage and build docker images
build: null

# push section allows you to manage if and how this project is uploaded to remote locations
push: null

# pull section allows you to provide instructions for cloning this project in remote locations
pull:
- prefect.projects.steps.git_clone_project:
    repository: {repository}
    branch: main
    access_token: null
"""
DEPLOYMENT = """
deployments:
- name: duration_prediction
  entrypoint: 03-orchestration/orchestrate_duration_prediction.py:main_flow
  schedule:
    cron: 0 9 3 * * 
  work_pool:
    name: trips_prediction_pool
"""
RUN = "Main flow/duration_prediction"

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return Clone(tmp_path_factory.mktemp("deployments"))


@pytest.fixture(scope="module")
def origin(clone: Clone) -> Path:
    """The repository that the runs get their code from."""
    files = {"03-orchestration/orchestrate_duration_prediction.py": FLOW}
    return repository(clone.folder.parent / "mlops_zoomcamp", files)


@pytest.fixture(scope="module")
def deployed(clone: Clone, origin: Path) -> str:
    """The page up to ``prefect deploy --all``, in a checkout of that repository; what the last command says."""
    project = clone.folder.parent / "project"
    git(clone.folder.parent, "clone", "--quiet", str(origin), str(project))
    clone.orchestrate("work-pool", "create", "--type", "process", "trips_prediction_pool", where=project)
    said = clone.orchestrate("project", "init", where=project)
    for name in ("prefect.yaml", "deployment.yaml", ".prefectignore", ".prefect/"):
        assert (name in said, (project / name).exists()) == (True, True)
    (project / "prefect.yaml").write_text(PROJECT.format(repository=origin.as_uri()))
    (project / "deployment.yaml").write_text(DEPLOYMENT)
    return clone.orchestrate("deploy", "--all", where=project)


@pytest.fixture(scope="module")
def _worker(clone: Clone, deployed: str) -> Iterator[None]:
    """``prefect worker start -p trips_prediction_pool``, somewhere else."""
    assert deployed
    elsewhere = clone.folder.parent / "elsewhere"
    elsewhere.mkdir()
    with clone.start("orchestration.cli", "worker", "start", "-p", "trips_prediction_pool", where=elsewhere) as worker:
        yield
        worker.send_signal(signal.SIGTERM)
        worker.communicate()
        assert worker.returncode == 0
    assert clone.running() == []


def test_the_flow_is_deployed_and_will_run_on_the_third_at_nine(clone: Clone, deployed: str) -> None:
    assert deployed.startswith(f"Deployed {RUN} (new).")
    (listed,) = clone.asked("deployment", "ls")
    assert (listed["work_pool_name"], listed["paused"]) == ("trips_prediction_pool", False)
    (schedule,) = clone.asked("deployment", "schedule", "ls", RUN)
    assert len(schedule["next"]) == 5
    assert all("-03T09:00:00" in each for each in schedule["next"])


@pytest.mark.usefixtures("_worker")
def test_a_quick_run_runs_the_code_of_the_repository(clone: Clone, origin: Path) -> None:
    watched = clone.orchestrate("deployment", "run", RUN, "--param", "number_a=40", "--param", "number_b=2", "--watch")
    name = watched.split("'")[1]
    assert [line.split(" | ")[1] for line in watched.splitlines()[1:]][-1] == "Completed"
    logs = clone.orchestrate("flow-run", "logs", name)
    assert "The sum is 42" in logs
    assert f"{clone.home}/runs/" in logs
    assert clone.asked("flow-run", "inspect", name)["parameters"] == {"number_a": 40, "number_b": 2}
    (artifact,) = clone.asked("artifact", "inspect", "sum")
    assert artifact["data"] == "# 42"
    assert not list((clone.home / "runs").iterdir())
    commit(origin, {"03-orchestration/orchestrate_duration_prediction.py": FLOW.replace("sum is", "total is")})
    clone.orchestrate("deployment", "run", RUN, "--watch")
    newest = clone.asked("flow-run", "ls")[0]
    assert "The total is 2" in clone.orchestrate("flow-run", "logs", newest["id"])
