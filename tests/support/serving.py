"""A real server of ours in a process of its own; one serves any number of stores, each under the path of its folder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import uvicorn

from orchestration.backend.connect import open_backend
from orchestration.backend.port import Backend
from orchestration.domain.settings import Settings
from orchestration.domain.states import StoredResult
from orchestration.server.app import create_app

ROOT = Path(__file__).parents[2]
_folder: ContextVar[str] = ContextVar("folder")
_serving: list[Serving] = []
"""The server of this process, which its tests share."""


class Serving:
    """A server's process; it ends with the one that started it."""

    def __init__(self) -> None:
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def url(self, folder: Path) -> str:
        """Where the store of a folder is served."""
        return f"http://127.0.0.1:{self._port}/{quote(str(folder), safe='')}/api"

    @property
    def is_down(self) -> bool:
        """Whether it was killed and not started again."""
        return self._process is None

    def start(self) -> None:
        """Start it, at the address that it had before."""
        command = [sys.executable, "-m", __name__, str(self._port)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environment, bufsize=0
        )
        assert process.stdout is not None
        self._port = int(process.stdout.readline())
        self._process = process

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None


def serving() -> Serving:
    """The server that the tests of this process share."""
    if not _serving:
        _serving.append(Serving())
    return _serving[0]


def leave_serving() -> None:
    """End the shared server, if there is one."""
    while _serving:
        _serving.pop().kill()


@contextmanager
def own_serving() -> Iterator[Serving]:
    """A server that a test may kill."""
    server = Serving()
    try:
        yield server
    finally:
        server.kill()


# -- the process -----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _backend(folder: str) -> Backend:
    return open_backend(Settings(Path(folder)), StoredResult)


class _Named:
    """The backend of the folder that the request names."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_backend(_folder.get()), name)


def _app() -> Callable[[Any, Any, Any], Awaitable[None]]:
    ours: Any = create_app(Settings(Path("/nowhere")), _Named())

    async def named(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            folder, _, path = scope["raw_path"].decode().lstrip("/").partition("/")
            _folder.set(unquote(folder))
            scope = {**scope, "path": "/" + unquote(path), "raw_path": b"/" + path.encode()}
        await ours(scope, receive, send)

    return named


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve at the port that is given, or at any, and tell which."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    app = _app()
    print(listener.getsockname()[1], flush=True)  # noqa: T201 - what the starter waits for
    uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main()
