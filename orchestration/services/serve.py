"""A server's process: it opens the store, serves until it is told to stop, and then lets requests end."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial

import uvicorn

from orchestration.backend.connect import open_backend
from orchestration.backend.local import LocalBackend
from orchestration.domain.schemas.wire import StoredDocument
from orchestration.domain.settings import Settings, check_exposure, is_loopback
from orchestration.server.app import create_app
from orchestration.services import loop
from orchestration.services.loop import Scheduler

# That requests and streams have once the server was told to stop.
SECONDS_TO_END = 5
# Then whoever waited for the server has its answer, and what the first listing needs is loaded.
SECONDS_TO_ANSWER = 0.3
MOST_CONNECTIONS = 1000
# Seconds that an idle connection stays open.
KEEP_ALIVE = 30


def run_server(
    settings: Settings, listener: socket.socket, announce: Callable[[], object] = bool, with_services: bool = True
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
    with closing(open_backend(replace(settings, api_url=None), StoredDocument)) as backend:
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
        signal.signal(signal.SIGTERM, _leave)  # uvicorn sends the signal that ended it once more
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else small answers wait for an ACK, 40 ms
        warming = threading.Timer(SECONDS_TO_ANSWER, backend.count, ["flow_runs"])
        warming.start()
        try:
            ticks: list[loop.Tick] = []
            if with_services and isinstance(backend, LocalBackend):
                ticks = [Scheduler(backend).tick, partial(app.state.backend.announce_others, backend)]
            with loop.beside(*ticks), suppress(KeyboardInterrupt):
                uvicorn.Server(config).run(sockets=[listener])
        finally:
            warming.cancel()
            warming.join()


def _leave(*_signal: object) -> None:
    raise SystemExit(0)
