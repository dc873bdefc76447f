"""The real Prefect beside this project: a server of each, and the commands and scripts of both."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
PATIENCE = 120.0
"""Seconds for a command or a start; the peer's take their time on a busy machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder needs Prefect."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.interop)


@dataclass(frozen=True)
class Side:
    """One of the two: its interpreter, and where it keeps runs."""

    name: str
    python: str
    home: Path
    api_url: str

    @property
    def environment(self) -> dict[str, str]:
        """A clean environment that names this server to both."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.home),
            "SIDE": self.name,
            "COLUMNS": "200",
            "DO_NOT_TRACK": "1",
            "PREFECT_API_URL": self.api_url,
            "PREFECT_HOME": str(self.home / "prefect"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_CLI_PROMPT": "false",
            "ORCHESTRATION_HOME": str(self.home / "store"),
            **({"PYTHONPATH": str(ROOT)} if self.name == "ours" else {}),
        }

    def call(self, *arguments: str, cwd: Path | None = None, status: int = 0) -> str:
        """Run its Python with these arguments; what it printed."""
        done = subprocess.run(
            [self.python, *arguments],
            env=self.environment,
            cwd=cwd or self.home,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == status, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def program(self, name: str, *arguments: str, cwd: Path | None = None) -> str:
        """Run one of the programs."""
        return self.call(str(PROGRAMS / f"{name}.py"), *arguments, cwd=cwd)

    def command(self, *arguments: str, cwd: Path | None = None, status: int = 0) -> str:
        """Run its command line."""
        module = "prefect" if self.name == "peer" else "orchestration.cli"
        return self.call("-m", module, *arguments, cwd=cwd, status=status)

    def listed(self, *arguments: str) -> Any:
        """What a listing of its command line says, as JSON."""
        text = self.command(*arguments, "-o", "json")
        return json.loads(text[min(place for place in map(text.find, "[{") if place >= 0) :])

    @contextmanager
    def started(self, *arguments: str, cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
        """Its Python, running beside the test; ended with it."""
        process = subprocess.Popen(
            [self.python, *arguments],
            env=self.environment,
            cwd=cwd or self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def asked(api_url: str, path: str, body: Any = None) -> Any:
    """What a server answers."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"{api_url}/{path}", data, {"Content-Type": "application/json"})  # noqa: S310 - loopback
    with urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def serving(side_name: str, python: str, home: Path, more: Mapping[str, str] | None = None) -> Iterator[str]:
    """A server of one side on a free port; the address of its interface."""
    port = _free_port()
    api_url = f"http://127.0.0.1:{port}/api"
    home.mkdir(parents=True, exist_ok=True)
    module = "prefect" if side_name == "peer" else "orchestration.cli"
    environment = {**Side(side_name, python, home, api_url).environment, **(more or {})}
    environment.pop("PREFECT_API_URL")
    log = (home / "server.log").open("w")
    process = subprocess.Popen(
        [python, "-m", module, "server", "start", "--port", str(port)],
        env=environment,
        cwd=home,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        _wait_until_healthy(process, api_url, home / "server.log")
        yield api_url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _wait_until_healthy(process: subprocess.Popen[bytes], api_url: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            asked(api_url, "health")
            return
        except (URLError, ConnectionError, TimeoutError):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            threading.Event().wait(0.1)


@pytest.fixture(scope="session")
def peer_python() -> str:
    """The interpreter that has Prefect."""
    python = os.environ.get("INTEROP_PYTHON", str(ROOT / ".venv-interop" / "bin" / "python"))
    if not Path(python).exists():
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("Prefect is not installed here; `make interop` does that.")
    return python


@pytest.fixture(scope="session")
def our_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of ours."""
    with serving("ours", sys.executable, tmp_path_factory.mktemp("our-server")) as api_url:
        yield api_url


@pytest.fixture(scope="session")
def peers_server(tmp_path_factory: pytest.TempPathFactory, peer_python: str) -> Iterator[str]:
    """A server of Prefect's."""
    with serving("peer", peer_python, tmp_path_factory.mktemp("peers-server")) as api_url:
        yield api_url


@pytest.fixture
def peer(tmp_path: Path, peer_python: str, our_server: str) -> Side:
    """Prefect's client, on our server."""
    return Side("peer", peer_python, tmp_path, our_server)


@pytest.fixture
def ours(tmp_path: Path, our_server: str) -> Side:
    """This project's client, on our server."""
    return Side("ours", sys.executable, tmp_path, our_server)
