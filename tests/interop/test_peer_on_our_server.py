"""The real Prefect client, command line and worker on our server; afterwards our own tools show the same."""

import json
import signal
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.interop.conftest import PATIENCE, PROGRAMS, Side, asked

DEPLOYED = """
from prefect import flow, get_run_logger

@flow(name="deployed", log_prints=True)
def main(month: str = "2021-02"):
    get_run_logger().info("learning from %s", month)
    print("printed")
    return month
"""


def _found(api_url: str, resource: str, **where: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = asked(api_url, f"{resource}/filter", where)
    return found


def _runs_of(api_url: str, flow_name: str) -> list[dict[str, Any]]:
    return _found(api_url, "flow_runs", flows={"name": {"any_": [flow_name]}}, sort="EXPECTED_START_TIME_DESC")


def _tasks_of(api_url: str, run: dict[str, Any]) -> dict[str, str]:
    """The states of a run's task runs by the name of the task run without its random ending."""
    found = _found(api_url, "task_runs", flow_runs={"id": {"any_": [run["id"]]}})
    return {each["name"]: each["state_name"] for each in found}


def _until(what: Any, seconds: float = PATIENCE) -> Any:
    """What a question is answered with, once it is answered with anything."""
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < deadline, "it did not come"
        threading.Event().wait(0.2)
    return answer


# -- scripts --------------------------------------------------------------------------------------


def test_a_script_of_flows_tasks_retries_subflows_and_maps(peer: Side, ours: Side) -> None:
    peer.program("journey", "journey")
    run = _runs_of(peer.api_url, "journey")[0]
    assert (run["state_name"], run["name"], run["parameters"]) == ("Completed", "journey of 1", {"number": 1})
    tasks = _until(lambda: set((found := _tasks_of(peer.api_url, run)).values()) == {"Completed"} and found)
    assert len(tasks) == 7
    (flaky,) = _found(
        peer.api_url, "task_runs", flow_runs={"id": {"any_": [run["id"]]}}, task_runs={"name": {"like_": "flaky"}}
    )
    states = asked(peer.api_url, f"task_run_states/?task_run_id={flaky['id']}")
    assert [each["name"] for each in states] == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]
    (child,) = _runs_of(peer.api_url, "child")
    assert (child["state_name"], child["parent_task_run_id"] in _ids(peer.api_url, run)) == ("Completed", True)
    way = {"flow_run_id": {"any_": [run["id"]]}, "level": {"ge_": 30}, "text": {"query": '"on the way"'}}
    lines = _until(lambda: _found(peer.api_url, "logs", logs=way))
    assert [line["message"] for line in lines] == ["on the way with 1"]
    (report,) = _found(peer.api_url, "artifacts", artifacts={"key": {"any_": ["journey-report"]}})
    assert report["data"].startswith("# RMSE")
    # our own tools show the same
    assert "journey of 1" in [each["name"] for each in ours.listed("flow-run", "ls")]
    assert "on the way with 1" in ours.command("flow-run", "logs", run["id"])
    assert "journey-report" in ours.command("artifact", "ls")
    assert {each["name"] for each in ours.listed("task-run", "ls", "--limit", "200")} >= set(tasks)


def _ids(api_url: str, run: dict[str, Any]) -> list[str]:
    return [each["id"] for each in _found(api_url, "task_runs", flow_runs={"id": {"any_": [run["id"]]}})]


def test_async_failed_and_retried_flows_end_as_prefect_ends_them(peer: Side) -> None:
    peer.program("journey", "ajourney", "broken", "retried")
    ends = {name: _runs_of(peer.api_url, name)[0] for name in ("ajourney", "broken", "retried")}
    assert {name: run["state_name"] for name, run in ends.items()} == {
        "ajourney": "Completed", "broken": "Failed", "retried": "Completed",
    }  # fmt: skip
    assert "as asked" in ends["broken"]["state"]["message"]
    assert ends["retried"]["run_count"] == 2
    states = asked(peer.api_url, f"flow_run_states/?flow_run_id={ends['retried']['id']}")
    assert [each["name"] for each in states] == ["Pending", "Running", "AwaitingRetry", "Running", "Completed"]
    assert len(_until(lambda: len(found := _tasks_of(peer.api_url, ends["ajourney"])) == 3 and found)) == 3


def test_persisted_results_are_read_back_by_another_process(peer: Side) -> None:
    name = f"persisted-{uuid4()}"
    peer.program("waiting", "persisted", name)
    assert '{"rmse": 5.1}' in peer.program("waiting", "result", name)


def test_a_paused_flow_goes_on_with_what_a_person_says(peer: Side) -> None:
    name = f"paused-{uuid4()}"
    with peer.started(str(PROGRAMS / "waiting.py"), "paused", name) as script:
        peer.program("waiting", "resume", name)
        output, _ = script.communicate(timeout=PATIENCE)
    assert "resumed with tea" in output


# -- blocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("saver", "loader"), [("peer", "ours"), ("ours", "peer"), ("peer", "peer")])
def test_blocks_that_one_side_saves_load_on_the_other(peer: Side, ours: Side, saver: str, loader: str) -> None:
    sides = {"peer": peer, "ours": ours}
    name = f"by-{saver}-for-{loader}"
    assert f"save {name}" in sides[saver].program("saved_blocks", "save", name)
    assert f"load {name}" in sides[loader].program("saved_blocks", "load", name)
    for side in (peer, ours):
        listing = side.command("block", "ls")
        assert f"{name}-bucket" in listing
        assert "hush" not in listing
    secrets = json.dumps(_found(peer.api_url, "block_documents"))
    assert "hush" not in secrets


# -- deployments, workers, limits -----------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a flow to deploy."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "deployed.py").write_text(DEPLOYED)
    return folder


def _deploy(peer: Side, project: Path, entrypoint: str, name: str) -> str:
    """A deployment on a pool of its own; the name of the pool."""
    pool = f"pool-{uuid4()}"
    peer.command("work-pool", "create", "--type", "process", pool)
    peer.command("--no-prompt", "deploy", entrypoint, "-n", name, "-p", pool, cwd=project)
    return pool


def test_a_deployment_is_run_by_the_peers_worker(peer: Side, ours: Side, project: Path) -> None:
    pool = _deploy(peer, project, "deployed.py:main", "monthly")
    assert "deployed/monthly" in peer.command("deployment", "ls")
    assert pool in peer.command("work-pool", "ls")
    peer.command("deployment", "run", "deployed/monthly", "--param", 'month="2022-02"')
    peer.command("worker", "start", "--run-once", "-p", pool, "--type", "process", cwd=project)
    (run,) = _runs_of(peer.api_url, "deployed")
    assert (run["state_name"], run["parameters"]) == ("Completed", {"month": "2022-02"})
    assert run["work_pool_name"] == pool
    lines = _until(lambda: "printed" in (text := peer.command("flow-run", "logs", run["id"])) and text)
    assert "learning from 2022-02" in lines
    assert run["name"] in peer.command("flow-run", "ls")
    assert ("deployed", "monthly") in {(each["flow_name"], each["name"]) for each in ours.listed("deployment", "ls")}
    assert [each["name"] for each in ours.listed("work-pool", "ls") if each["name"] == pool] == [pool]


def test_a_run_is_cancelled_under_the_peers_worker(peer: Side, tmp_path: Path) -> None:
    pool = _deploy(peer, PROGRAMS, "waiting.py:long", "long")
    peer.command("deployment", "run", "long/long")
    with peer.started("-m", "prefect", "worker", "start", "-p", pool, "--type", "process", cwd=PROGRAMS) as worker:
        run = _until(lambda: [each for each in _runs_of(peer.api_url, "long") if each["state_name"] == "Running"])[0]
        peer.command("flow-run", "cancel", run["id"])
        assert _until(lambda: asked(peer.api_url, f"flow_runs/{run['id']}")["state_name"] == "Cancelled")
        worker.send_signal(signal.SIGINT)
    (PROGRAMS / "started").unlink(missing_ok=True)


def _overlaps(*outputs: str) -> int:
    """How many of the spans of time that programs printed begin within another."""
    lines = [line for text in outputs for line in text.splitlines() if line.startswith("[[")]
    assert len(lines) == len(outputs)
    spans = sorted(span for line in lines for span in json.loads(line))
    return sum(later[0] < earlier[1] for earlier, later in pairwise(spans))


def test_a_limit_of_slots_holds_between_processes_and_gives_its_leases_back(peer: Side) -> None:
    peer.command("gcl", "create", "gate", "--limit", "1")
    with peer.started(str(PROGRAMS / "waiting.py"), "slots", f"a-{uuid4()}") as first:
        second = peer.program("waiting", "slots", f"b-{uuid4()}")
        other, _ = first.communicate(timeout=PATIENCE)
    assert _overlaps(second, other) == 0
    assert asked(peer.api_url, "v2/concurrency_limits/gate")["active_slots"] == 0


def test_a_limit_of_a_tag_lets_tasks_run_one_at_a_time(peer: Side) -> None:
    peer.command("concurrency-limit", "create", "narrow", "1")
    assert _overlaps(peer.program("waiting", "tagged", f"tagged-{uuid4()}")) == 0
