"""A server's process: it answers, it ends when it is told to, and what it acknowledged is there afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from orchestration.domain.errors import ConfigurationError, OrchestrationError
from orchestration.domain.settings import Settings
from orchestration.services.serve import listening, run_server

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys, socket
from pathlib import Path
from orchestration.domain.settings import Settings
from orchestration.services.serve import run_server
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
run_server(Settings(Path(sys.argv[1]), api_url="http://127.0.0.1:9/api"), listener)
"""


@contextmanager
def _server(home: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-c", PROGRAM, str(home)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def _ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, f"/api/{path}", body, {"content-type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_server_ends_when_it_is_told_to_and_loses_nothing(tmp_path: Path, sign: signal.Signals) -> None:
    with _server(tmp_path) as (process, port):
        assert _ask(port, "GET", "health") == (200, b"true")
        assert _ask(port, "POST", "variables/", '{"name": "a", "value": 1}')[0] == 201
        process.send_signal(sign)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "", "")
    with _server(tmp_path) as (_, port):
        assert _ask(port, "GET", "variables/name/a")[0] == 200


def test_others_cannot_reach_a_server_that_asks_nobody(tmp_path: Path) -> None:
    with listening("0.0.0.0", 0) as listener, pytest.raises(ConfigurationError, match="key"):  # noqa: S104 - refused
        run_server(Settings(tmp_path), listener)


def test_an_address_that_is_taken_is_told_of() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OrchestrationError, match="in use"):
        listening("127.0.0.1", taken.getsockname()[1])
