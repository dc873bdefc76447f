"""A server in the background: started, found again by its process, and stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from orchestration.backend.processes import is_dead, process
from orchestration.domain.addresses import url_of
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.schemas.runs import Owner

FILE, LOG = "server.json", "server.log"
SECONDS_TO_START = 30.0
SECONDS_TO_STOP = 15.0
"""Then it is killed; all that it has acknowledged is in its store."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that was started in the background: its process, and where its interface is."""

    owner: Owner
    url: str


def running(home: Path) -> Running | None:
    """The server that runs in the background for a home folder, if one does."""
    try:
        told = json.loads((home / FILE).read_text(encoding="utf-8"))
        server = Running(Owner(**told["owner"]), told["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None if is_dead(server.owner) else server


def start(home: Path, host: str, port: int) -> Running:
    """Start a server in the background and wait until it answers.

    Raises:
        OrchestrationError: one runs already, or it did not come up; the sentence is the server's own.
    """
    if (other := running(home)) is not None:
        raise OrchestrationError(f"A server runs already, at {other.url}; stop it with `orchestrate server stop`.")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [sys.executable, "-m", "orchestration.cli", "server", "start", "--host", host, "--port", str(port)]
    with (home / LOG).open("w", encoding="utf-8") as log:
        child = subprocess.Popen(  # noqa: S603 - the command is ours
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    url = url_of(host, port)
    try:
        wait_until(lambda: child.poll() is not None or is_healthy(url), SECONDS_TO_START)
        if child.poll() is not None or not is_healthy(url):
            said = (home / LOG).read_text(encoding="utf-8").strip().splitlines() or ["It said nothing."]
            raise OrchestrationError(f"The server did not start: {said[-1]}")
        server = Running(process(child.pid), url)
        _write(home / FILE, json.dumps({"owner": asdict(server.owner), "url": url}))
    except BaseException:
        child.kill()
        child.wait()
        raise
    return server


def stop(home: Path) -> Running | None:
    """Stop the server in the background; the one that ran."""
    server = running(home)
    if server is not None:
        os.kill(server.owner.pid, signal.SIGTERM)
        if not wait_until(lambda: is_dead(server.owner), SECONDS_TO_STOP):
            os.kill(server.owner.pid, signal.SIGKILL)
            wait_until(lambda: is_dead(server.owner), SECONDS_TO_STOP)
    (home / FILE).unlink(missing_ok=True)
    return server


def is_healthy(url: str) -> bool:
    """Whether a server answers at the address of an interface."""
    parts = urlsplit(url)
    connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=2)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/health")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether a condition came true in time."""
    end = time.monotonic() + seconds
    while not (holds := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return holds


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
