"""`python -m pipelines.duration_prediction.serve`, which is what `make serve` runs: retraining that looks after itself.

A server, a worker and this repository's deployment, and embedded servers for what `.env` does not describe, all of them
on this machine alone, and until Ctrl-C.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from orchestration.domain.errors import OrchestrationError
from orchestration.domain.settings import read_settings, url_of
from orchestration.services.serve import is_healthy, wait_until
from pipelines.duration_prediction.config import TrainingConfig, months_from_slot, plan_months
from pipelines.duration_prediction.wiring.surroundings import Needs, Surroundings, surroundings_for
from pipelines.embedded.lifeline import LOOPBACK
from pipelines.errors import EndpointError, PipelineError
from pipelines.tlc import Colour

ROOT = Path(__file__).resolve().parents[2]
# As deployments/deployment.yaml names it.
POOL = "trips_prediction_pool"
PORT = 4200
START_SECONDS = 60.0
# A run has ten of them to end after Ctrl-C; then its worker kills it.
STOP_SECONDS = 20.0
FAILED = 1

Child = subprocess.Popen[bytes]


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; gives the exit code: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="serve", description="Retrain as scheduled, with a server and a worker.")
    parser.add_argument("--port", type=int, default=PORT, help=f"of the server on {LOOPBACK}, by default {PORT}")
    port = parser.parse_args(arguments).port
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _serve(port)
    except (PipelineError, OrchestrationError) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    except KeyboardInterrupt:
        print("Stopped.", flush=True)
    return 0


def _serve(port: int) -> None:
    """Start all of it, keep the bucket stocked, and end all of it. Raises EndpointError where a part does not run."""
    home, url = read_settings(os.environ, Path.home()).home, url_of(LOOPBACK, port)
    os.environ["ORCHESTRATION_API_URL"] = url  # for the blocks that are saved here, and for the children
    with ExitStack() as stack:
        children = {"server": stack.enter_context(_child("server", "start", "--host", LOOPBACK, "--port", str(port)))}
        wait_until(lambda: is_healthy(url) or children["server"].poll() is not None, START_SECONDS)
        _check(children)
        stocked, surroundings = date.today(), stack.enter_context(surroundings_for(_needs(), home))
        _deploy(surroundings)
        children["worker"] = stack.enter_context(_child("worker", "start", "--pool", POOL))
        print(f"The deployment is served at {url}; Ctrl-C ends all of it.", flush=True)
        while True:
            time.sleep(1)
            _check(children)
            if stocked != date.today():  # the TLC may have published a month
                stocked = date.today()
                surroundings.storage.restock(_needs())


def _needs() -> Needs:
    """The months that a run asks for whose slot is now, and those of the tutorial."""
    training = TrainingConfig()
    newest = months_from_slot(datetime.now(UTC), training.n_months, training.publication_lag)
    return Needs([*plan_months(None, None).months, *newest.months], Colour.GREEN)


def _deploy(surroundings: Surroundings) -> None:
    """Make the work pool, where there is none, and deploy what the folder `deployments` describes."""
    given = {
        "s3_block": surroundings.storage.block, "mail_block": surroundings.mail.block, "mail_to": surroundings.mail.to,
    }  # fmt: skip
    words = [word for name, value in given.items() if value for word in ("--param", f"{name}={value}")]
    if not _orchestrate("work-pool", "inspect", POOL, is_asked=True):
        _orchestrate("work-pool", "create", "--type", "process", POOL)
    if not _orchestrate("deploy", "--all", *words):
        raise EndpointError("The deployment could not be made: correct what is said above, and start again.")


def _orchestrate(*words: str, is_asked: bool = False) -> bool:
    """Whether a command went well; what it prints is shown, unless it was only asked."""
    command = [sys.executable, "-m", "orchestration.cli", *words]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=is_asked).returncode == 0  # noqa: S603


@contextmanager
def _child(*words: str) -> Iterator[Child]:
    """A command that runs as long as the block does, or this process, whatever ends it."""
    command = [sys.executable, "-m", "pipelines.embedded.lifeline", "orchestration.cli", *words]
    # A session of its own: Ctrl-C is for this process, which ends one child after the other.
    process = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT, start_new_session=True)  # noqa: S603
    try:
        yield process
    finally:
        for sign in (signal.SIGTERM, signal.SIGINT):  # the second one tells a worker to end its runs as well
            process.send_signal(sign)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()


def _check(children: dict[str, Child]) -> None:
    """Raise EndpointError if a child has ended."""
    for name, child in children.items():
        if child.poll() is not None:
            raise EndpointError(f"The {name} has ended with code {child.returncode}: what it said stands above.")


if __name__ == "__main__":
    sys.exit(main())
