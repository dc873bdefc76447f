"""A network that fails: passes bytes on to a server, and cuts some connections in the middle of an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass(slots=True)
class Cuts:
    """Where the proxy listens, and how many of its connections it cuts after so many bytes of answer."""

    times: int
    after: int
    url: str = ""
    done: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> bool:
        """Whether to cut one more connection."""
        with self._lock:
            if self.done >= self.times:
                return False
            self.done += 1
            return True


@contextmanager
def cutting_proxy(url: str, times: int, after: int) -> Iterator[Cuts]:
    """Stand before the server at ``url``; how often it cut is in the answer's ``done``."""
    host, _, port = url.removeprefix("http://").partition(":")
    listener = socket.create_server(("127.0.0.1", 0))
    cuts = Cuts(times, after, f"http://127.0.0.1:{listener.getsockname()[1]}")
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection((host, int(port)))
            for target, arguments in ((_copy, (client, server, None)), (_answer, (server, client, cuts))):
                threads.append(threading.Thread(target=target, args=arguments, daemon=True))
                threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield cuts
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()


def _answer(server: socket.socket, client: socket.socket, cuts: Cuts) -> None:
    """Pass an answer on; a long one may be cut."""
    passed = 0
    with suppress(OSError):
        while piece := server.recv(16_384):
            passed += len(piece)
            if passed > cuts.after and cuts.take():
                break
            client.sendall(piece)
    _close(server, client)


def _copy(source: socket.socket, target: socket.socket, _: None) -> None:
    with suppress(OSError):
        while piece := source.recv(16_384):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
