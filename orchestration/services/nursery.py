"""The parent of a worker's runs: forks their processes, with all loaded already, and ends them when the worker is gone.

``python -m orchestration.services.nursery`` takes orders on a socket, its standard input: one line of JSON each, with
two pipes. To the first goes what the process prints. The second tells of the process: ``pid N`` once it is in a group
of its own, ``error TEXT`` if it cannot start, whatever it says itself, and ``exit CODE`` after which nothing of its
group lives any more.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from orchestration.services import run

_PR_SET_PDEATHSIG = 1
_MOST_BYTES = 65_536
# Between two looks at whether processes have ended.
_LOOK_SECONDS = 0.02


def main() -> None:
    """Carry out orders until the worker is gone; in the process of a run, live that."""
    gc.freeze()  # else a collection would copy every page that is shared with the runs
    orders = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if _is_run(orders):
        orders.close()
        run.main()


def _is_run(orders: socket.socket) -> bool:
    """Start and reap until the worker is gone; whether this is then the process of a run."""
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
    if sys.platform == "linux":  # should the nursery be killed, too, at least this process does not stay
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != nursery:
        os._exit(1)
    for stream in (1, 2):
        os.dup2(printed, stream)
    os.close(printed)
    os.write(told, f"pid {os.getpid()}\n".encode())
    os.environ.update(order["environment"], ORCHESTRATION__TOLD=str(told))
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
