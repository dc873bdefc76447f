"""Our client on a real Prefect server: what it did is there, and Prefect's own command line lists it."""

import sys
from pathlib import Path

import pytest

from tests.interop.conftest import Side, asked


@pytest.fixture
def there(tmp_path: Path, peers_server: str) -> Side:
    """This project's client, on Prefect's server."""
    return Side("ours", sys.executable, tmp_path, peers_server)


@pytest.fixture
def peer_there(tmp_path: Path, peer_python: str, peers_server: str) -> Side:
    """Prefect's client, on its own server."""
    return Side("peer", peer_python, tmp_path, peers_server)


def test_runs_logs_and_artifacts_are_there(there: Side, peer_there: Side) -> None:
    there.program("journey", "journey", "ajourney", "broken", "retried")
    runs = asked(there.api_url, "flow_runs/filter", {"sort": "EXPECTED_START_TIME_DESC"})
    assert {run["name"] for run in runs} >= {"journey of 1"}
    assert sorted(run["state_name"] for run in runs) == ["Completed"] * 4 + ["Failed"]
    journey = next(run for run in runs if run["name"] == "journey of 1")
    tasks = asked(there.api_url, "task_runs/filter", {"flow_runs": {"id": {"any_": [journey["id"]]}}})
    assert [task["state_name"] for task in tasks] == ["Completed"] * 7
    flaky = next(task for task in tasks if task["name"].startswith("flaky"))
    states = asked(there.api_url, f"task_run_states/?task_run_id={flaky['id']}")
    assert [each["name"] for each in states] == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]
    listing = peer_there.command("flow-run", "ls")
    assert "journey" in listing
    assert "on the way with 1" in peer_there.command("flow-run", "logs", journey["id"])
    assert "journey-report" in peer_there.command("artifact", "ls")
    assert "journey of 1" in [run["name"] for run in there.listed("flow-run", "ls")]


def test_blocks_travel_both_ways(there: Side, peer_there: Side) -> None:
    there.program("saved_blocks", "save", "from-ours")
    peer_there.program("saved_blocks", "load", "from-ours")
    peer_there.program("saved_blocks", "save", "from-peer")
    there.program("saved_blocks", "load", "from-peer")
    assert "from-ours-bucket" in peer_there.command("block", "ls")
