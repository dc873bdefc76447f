"""The process of one flow run, for workers and people: ``python -m orchestration.services.run <flow_run_id>``.

Without an id it is the nursery: the parent of a worker's runs, which forks their processes, with all loaded already,
and ends them when the worker is gone. It takes orders on a socket, its standard input: one line of JSON each, with two
pipes. To the first goes what the process prints. The second tells of the process: ``pid N`` once it is in a group of
its own, ``error TEXT`` if it cannot start, ``limit SECONDS`` when its flow's function has to end, and ``exit CODE``
after which nothing of its group lives any more.
"""

import ctypes
import gc
import json
import math
import os
import select
import signal
import socket
import stat
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from orchestration.domain.errors import Abort, ConfigurationError, OrchestrationError
from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.states import Failed, State, StateDetails
from orchestration.sdk import context, flow_engine, logs
from orchestration.sdk.projects import pulling
from orchestration.services.supervisor import CLAIM, MARK, PLACES, folder_of

# The variable with the pipe that tells the parent of this process.
TOLD = "ORCHESTRATION__TOLD"
_PR_SET_PDEATHSIG = 1
_MOST_BYTES = 65_536
# Between two looks at whether processes have ended.
_LOOK_SECONDS = 0.02


def run_flow_run(run_id: UUID, claim_id: UUID | None = None, tell_limit: flow_engine.TellLimit = bool) -> State:
    """Pull the code of a flow run, load its flow and live the run; the state that it ends in."""
    session = logs.started_session()
    record = session.backend.flow_run(run_id)
    places = filter(None, os.environ.pop(PLACES, "").split(","))
    try:
        os.environ.update(pulling.filled({name: os.environ[name] for name in places}, {}))
        flow = _flow_of(session, record)
    except (OrchestrationError, OSError, SyntaxError) as error:
        told = f"The flow could not be loaded: {error}"
        logs.logger_of(record).error("%s", told)
        failed = Failed(told, details=StateDetails(retriable=False, claim_id=claim_id, flow_run_id=run_id))
        session.backend.propose_flow_run_state(run_id, failed)
        return failed
    return flow_engine.execute(flow, run_id, claim_id, tell_limit)


def _flow_of(session: context.Session, run: FlowRun) -> Any:
    """The flow of the deployment that made a run, loaded from where its code lies, which is the current folder then."""
    if run.deployment_id is None:
        raise ConfigurationError(f"No deployment made the run {run.name!r}, so nothing tells where its code lies.")
    deployment = session.backend.read("deployments", id=str(run.deployment_id))
    steps = deployment["pull_steps"]
    os.chdir(pulling.pull(steps, folder_of(session.settings.home, run.id)) if steps else deployment["path"] or ".")
    return pulling.load_flow(deployment["entrypoint"] or "", Path.cwd())


def main() -> None:
    """Live the run that the command line names, or carry out orders and then live one of those."""
    if not sys.argv[1:] and stat.S_ISSOCK(os.fstat(0).st_mode) and not _is_run():
        return
    try:
        run_id = UUID(sys.argv[1])
    except (IndexError, ValueError):
        sys.exit("Name a flow run by its id, one of those that `orchestrate flow-run ls --json` shows.")
    told, claim_id = os.environ.pop(TOLD, None), os.environ.pop(CLAIM, None)
    if told:
        os.set_inheritable(int(told), False)
        logs.ConsoleHandler.mark = MARK
    tell = partial(_tell_limit, int(told)) if told else bool
    try:
        state = run_flow_run(run_id, UUID(claim_id) if claim_id else None, tell)
    except (OrchestrationError, Abort) as error:
        sys.exit(str(error))
    finally:
        context.close_session()
    sys.exit(0 if claim_id or state.is_completed() else 1)


def _tell_limit(pipe: int, seconds: float | None) -> None:
    """Tell the supervisor until when the flow's function has to end, by the clock that all processes share."""
    os.write(pipe, f"limit {math.inf if seconds is None else time.monotonic() + seconds}\n".encode())


def _is_run() -> bool:
    """Start and reap until the worker is gone; whether this is then the process of a run."""
    gc.freeze()  # else a collection would copy every page that is shared with the runs
    orders = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    nursery, pipes = os.getpid(), dict[int, int]()
    while True:
        ready, _, _ = select.select([orders], (), (), _LOOK_SECONDS if pipes else None)
        _reap(pipes)
        if not ready:
            continue
        text, fds, _, _ = socket.recv_fds(orders, _MOST_BYTES, 2)
        if not text:
            break
        while not text.endswith(b"\n"):
            text += orders.recv(_MOST_BYTES)
        if not (pid := os.fork()):
            orders.close()
            _begin(json.loads(text), nursery, *fds)
            return True
        os.close(fds[0])
        pipes[pid] = fds[1]
    for pid in pipes:
        _kill(pid)
    return False


def _begin(order: dict[str, Any], nursery: int, printed: int, told: int) -> None:
    """In a forked process: become that of a run, or the command that is to stand for it."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whatever the nursery does about it; the engine has its own way
    if sys.platform == "linux":  # should the nursery be killed, too, at least this process does not stay
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != nursery:
        os._exit(1)
    for stream in (1, 2):
        os.dup2(printed, stream)
    os.close(printed)
    os.write(told, f"pid {os.getpid()}\n".encode())
    os.environ.update({**order["environment"], TOLD: str(told)})
    try:
        os.chdir(order["folder"])
        if order["command"]:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as programs expect it that are not Python
            os.execvp(order["command"][0], order["command"])  # noqa: S606 - what the deployment says
    except OSError as error:
        os.write(told, f"error {error}\n".encode())
        os._exit(127)
    sys.path[0], sys.argv[1:] = order["folder"], [order["run"]]


def _reap(pipes: dict[int, int]) -> None:
    """Tell of processes that have ended, once all that they had started has ended as well."""
    looking = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while pipes and (ended := os.waitid(os.P_ALL, 0, looking)):
        _kill(ended.si_pid)  # before it is reaped, or its number could be another's
        told = pipes.pop(ended.si_pid)
        code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        with suppress(BrokenPipeError):
            os.write(told, f"exit {code}\n".encode())
        os.close(told)
        os.waitpid(ended.si_pid, 0)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
