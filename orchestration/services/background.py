"""A server in the background: started, found again by its process, and stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.request import ProxyHandler, build_opener

from orchestration.backend.surroundings import is_dead, process
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.schemas.runs import Owner
from orchestration.domain.settings import url_of

FILE, LOG = "server.json", "server.log"
SECONDS_TO_START = 30.0
# Then it is killed; all that it has acknowledged is in its store.
SECONDS_TO_STOP = 15.0


class Running(NamedTuple):
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


def start(home: Path, host: str, port: int, *options: str) -> Running:
    """Start a server in the background and wait until it answers.

    Raises:
        OrchestrationError: one runs already, or it did not come up; the sentence is the server's own.
    """
    if other := running(home):
        raise OrchestrationError(f"A server runs already, at {other.url}; stop it with `orchestrate server stop`.")
    listening(host, port).close()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    words = ["server", "start", "--host", host, "--port", str(port), *options]
    command = [sys.executable, "-m", "orchestration.cli", *words]
    with (home / LOG).open("w", encoding="utf-8") as log:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)  # noqa: S603 - it is ours
    server = Running(process(child.pid), url_of(host, port))
    (home / FILE).write_text(json.dumps({"owner": asdict(server.owner), "url": server.url}), encoding="utf-8")
    wait_until(lambda: child.poll() is not None or is_healthy(server.url), SECONDS_TO_START)
    if child.poll() is not None or not is_healthy(server.url):
        stop(home)
        said = (home / LOG).read_text(encoding="utf-8").strip().splitlines() or ["It said nothing."]
        raise OrchestrationError(f"The server did not start: {said[-1]}")
    return server


def stop(home: Path) -> Running | None:
    """Stop the server in the background; the one that ran."""
    if server := running(home):
        for sign in (signal.SIGTERM, signal.SIGKILL):
            os.kill(server.owner.pid, sign)
            if wait_until(lambda: is_dead(server.owner), SECONDS_TO_STOP):
                break
    (home / FILE).unlink(missing_ok=True)
    return server


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; ``OrchestrationError`` says in a sentence why none can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise OrchestrationError(
            f"Nothing can listen on {host} port {port} ({os.strerror(error.errno or 0)}); use another --port, "
            "or stop what listens there."
        ) from None


def is_healthy(url: str) -> bool:
    """Whether a server answers at the address of an interface."""
    try:
        with build_opener(ProxyHandler({})).open(f"{url.rstrip('/')}/health", timeout=2) as answer:
            return bool(answer.read() == b"true")
    except (OSError, HTTPException):
        return False


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether a condition came true in time."""
    end = time.monotonic() + seconds
    while not (holds := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return holds
