"""Start the embedded servers as children that end with this process, whatever ends it.

The children start at once and in the background; whoever asks for a port waits until that server answers, so that
loading pandas and scikit-learn meanwhile costs no extra time.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipelines.embedded.lifeline import LOOPBACK
from pipelines.errors import EndpointError

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Server:
    """An embedded server in a process of its own."""

    name: str
    module: str
    process: subprocess.Popen[bytes]

    @property
    def host(self) -> str:
        return LOOPBACK

    @cached_property
    def port(self) -> int:
        """The port on which the server answers; waits until it does. Raises EndpointError if it does not start."""
        line = self._first_line()
        if not line:
            status = self.process.poll()
            ended = f"it ended with code {status}" if status is not None else f"no answer in {START_SECONDS:g} s"
            raise EndpointError(
                f"The embedded {self.name} server did not start ({ended}): run `python -m {self.module}` to see why."
            )
        return int(json.loads(line)["port"])

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def stop(self) -> None:
        """End the server by closing its standard input, or by force if that is not enough."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _first_line(self) -> bytes:
        output = self.process.stdout
        if output is None or not select.select([output], [], [], START_SECONDS)[0]:
            return b""
        return output.readline()


@contextmanager
def s3_endpoint() -> Iterator[Server]:
    """A real S3 endpoint whose buckets live as long as the context."""
    with _running("S3", "pipelines.embedded.s3_server") as server:
        yield server


@contextmanager
def mail_endpoint(outbox: Path) -> Iterator[Server]:
    """A real SMTP server that keeps each mail in the maildir `outbox`, which outlives the context."""
    outbox.parent.mkdir(parents=True, exist_ok=True)
    with _running("mail", "pipelines.embedded.mail_server", str(outbox)) as server:
        yield server


@contextmanager
def _running(name: str, module: str, *arguments: str) -> Iterator[Server]:
    # A session of its own: Ctrl-C is for the job, which ends its servers when it has sent its last mail.
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))},
        start_new_session=True,
    )
    server = Server(name, module, process)
    try:
        yield server
    finally:
        server.stop()
