"""``make serve``: starting, ending, and what keeps it from starting."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

PROGRAM = (sys.executable, "-m", "pipelines.duration_prediction.serve", "--port")


@pytest.fixture
def environment(tmp_path: Path, sample_folder: Path) -> dict[str, str]:
    """That of a machine with two small months."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TLC_DATA_DIR": str(sample_folder), "PYTHONUNBUFFERED": "1"}


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
        serving.send_signal(signal.SIGINT)
        assert serving.stdout.read().endswith("Stopped.\n")  # so that no child has it any more
    assert serving.returncode == 0


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
