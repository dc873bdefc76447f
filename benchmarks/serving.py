"""A server in a process of its own, for benchmarks that ask it things."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from benchmarks.common import OURS, PROGRAMS, Contender

PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    port: int
    pid: int
    seconds_to_start: float

    @property
    def api_url(self) -> str:
        """The address of its interface."""
        return f"http://127.0.0.1:{self.port}/api"

    def resident(self) -> float:
        """Its resident memory, in MB (Linux)."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    @contextmanager
    def connection(self) -> Iterator[HTTPConnection]:
        """A connection that is kept open."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            yield connection
        finally:
            connection.close()


def ask(connection: HTTPConnection, path: str, body: Any) -> tuple[float, Any]:
    """The seconds that an answer took, and the answer."""
    text = json.dumps(body)
    begin = time.perf_counter()
    connection.request("POST", f"/api/{path}", text, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    seconds = time.perf_counter() - begin
    assert answer.status < 300, (path, answer.status, content[:500])
    return seconds, json.loads(content or b"null")


@contextmanager
def serving(contender: Contender, home: Path, more: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server of the contender's on a free port, from the call of its process to its first healthy answer."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    ours = [sys.executable, str(PROGRAMS / "serve.py"), str(port)]
    theirs = [contender.python, "-m", "prefect", "server", "start", "--port", str(port)]
    home.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    process = subprocess.Popen(
        ours if contender.name == OURS else theirs,
        env={**contender.environment(home), **(more or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_healthy(port, process)
        yield Server(port, process.pid, time.perf_counter() - begin)
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_healthy(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("GET", "/api/health")
            if connection.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("The server did not start.") from None
            time.sleep(0.01)
        finally:
            connection.close()
