"""``make serve``: starting, ending, and what keeps it from starting."""

import json
import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree

import pytest

from pipelines.duration_prediction.config import months_from_slot
from pipelines.embedded.months import write_month
from pipelines.tlc import Month
from tests.architecture.source import ROOT

ORCHESTRATE = (sys.executable, "-m", "orchestration.cli")
PROGRAM = (sys.executable, "-m", "pipelines.duration_prediction.serve", "--port")


def _slots_month() -> Month:
    """The month that a run is judged on whose slot is now."""
    return months_from_slot(datetime.now(UTC), n_months=1, lag=2).validate


@pytest.fixture
def environment(tmp_path: Path, sample_folder: Path) -> dict[str, str]:
    """That of a machine with three small months, the newest of which is the last one published."""
    newest = _slots_month().previous()
    copytree(sample_folder, tmp_path / "months")
    write_month(newest, tmp_path / "months", rows=400)
    return {**os.environ, "PYTHONPATH": str(ROOT), "TLC_DATA_DIR": str(tmp_path / "months"), "PYTHONUNBUFFERED": "1"}


def test_all_of_it_starts_and_ends_together(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with subprocess.Popen(
        [*PROGRAM, str(port)], cwd=tmp_path, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    ) as serving:
        assert serving.stdout is not None
        said = "".join(iter(serving.stdout.readline, "Waiting for runs of the work pool 'trips_prediction_pool'.\n"))
        assert "Deployed duration-prediction/duration_prediction (new)." in said
        assert '"s3_block": "embedded-s3"' in said
        assert f"The deployment is served at http://127.0.0.1:{port}/api; Ctrl-C ends all of it." in said
        _check_patience(environment, port)
        serving.send_signal(signal.SIGINT)
        assert serving.stdout.read().endswith("Stopped.\n")  # so that no child has it any more
    assert serving.returncode == 0


def _check_patience(environment: dict[str, str], port: int) -> None:
    """A run for a month that is to be published waits for it, and its process has ended."""
    there = {**environment, "ORCHESTRATION_API_URL": f"http://127.0.0.1:{port}/api"}
    asking = ("deployment", "run", "duration-prediction/duration_prediction", "--flow-run-name", "early")
    subprocess.run([*ORCHESTRATE, *asking], env=there, check=True, capture_output=True)
    states = ["Scheduled"]
    while states[-1] in ("Scheduled", "Pending", "Running"):
        words = [*ORCHESTRATE, "flow-run", "inspect", "early", "--json"]
        asked = subprocess.run(words, env=there, check=True, capture_output=True)
        run = json.loads(asked.stdout)
        states.append(run["state_name"])
    assert states[-1] == "AwaitingRetry", run["state"]["message"]
    assert f"has no data/{_slots_month().file_name} yet" in run["state"]["message"]


def test_a_port_that_is_taken_is_said_in_a_sentence(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [*PROGRAM, port], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"Nothing can listen on 127.0.0.1 port {port} (Address already in use); use another --port, or stop what "
        "listens there.",
        "The server has ended with code 1: what it said stands above.",
    ]
