"""A server's process: it serves until it is told to stop, then lets requests end; and one in the background.

That is started, found again by its process, and stopped.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, replace
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.request import ProxyHandler, build_opener

from orchestration.backend.connect import open_backend
from orchestration.backend.local import LocalBackend
from orchestration.backend.surroundings import is_dead, process
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.schemas.runs import Owner
from orchestration.domain.settings import Settings, check_exposure, is_loopback, url_of
from orchestration.domain.states import StoredResult
from orchestration.services import loop

# That requests and streams have once the server was told to stop.
SECONDS_TO_END = 5
# Then whoever waited for the server has its answer, and what the first listing needs is loaded.
SECONDS_TO_ANSWER = 0.3
MOST_CONNECTIONS = 1000
# Seconds that an idle connection stays open.
KEEP_ALIVE = 30


def run_server(
    settings: Settings,
    listener: socket.socket,
    announce: Callable[[], object] = bool,
    with_services: bool = True,
) -> None:
    """Serve the store of these settings until SIGINT or SIGTERM.

    The database is upgraded, and runs that died on this host are marked Crashed, before the first request.

    Args:
        settings: where the store is; a server that they name is not asked.
        listener: listens at the address where the server is to be.
        announce: is called when nothing speaks against serving any more.
        with_services: whether the scheduler runs beside it.

    Raises:
        ConfigurationError: others could reach the server, and nothing protects it; or there is no such store.
        StoreError: the store cannot be opened.
    """
    import uvicorn

    from orchestration.server.app import create_app

    with closing(open_backend(replace(settings, api_url=None), StoredResult)) as backend:
        host = listener.getsockname()[0]
        keys = [] if is_loopback(host) else backend.find("api_keys")
        check_exposure(host, settings, any(key["revoked"] is None for key in keys))
        app = create_app(settings, backend)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False,
            date_header=False, timeout_keep_alive=KEEP_ALIVE, timeout_graceful_shutdown=SECONDS_TO_END,
            limit_concurrency=MOST_CONNECTIONS,
        )  # fmt: skip
        announce()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn sends the signal that ended it once more
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else small answers wait for an ACK, 40 ms
        warming = threading.Timer(SECONDS_TO_ANSWER, backend.count, ["flow_runs"])
        warming.start()
        try:
            ticks: list[loop.Tick] = []
            if with_services and isinstance(backend, LocalBackend):
                ticks = [loop.Scheduler(backend).tick, partial(app.state.backend.announce_others, backend)]
            with loop.beside(*ticks), suppress(KeyboardInterrupt):
                uvicorn.Server(config).run(sockets=[listener])
        finally:
            warming.cancel()
            warming.join()


# -- in the background -------------------------------------------------------------------------------------------------

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
    answers = wait_until(lambda: child.poll() is not None or is_healthy(server.url), SECONDS_TO_START)
    if not answers or child.poll() is not None:
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
