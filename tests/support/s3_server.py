"""A real S3 endpoint for tests: moto's server in this process, on a free loopback port."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from moto.moto_server.threaded_moto_server import ThreadedMotoServer


@contextmanager
def s3_server() -> Iterator[str]:
    """Run an empty S3 server; its URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request helps nobody
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()
