"""What every embedded server does besides serving: take a free port, report it, and end with its parent.

`python -m pipelines.embedded.lifeline MODULE ARGUMENTS ...` lets any other program end with its parent as well.
"""

import json
import os
import runpy
import socket
import sys
import threading

LOOPBACK = "127.0.0.1"


def listen() -> socket.socket:
    """A listening socket on a loopback port that the system chose, so that no other process can take it first."""
    listener = socket.create_server((LOOPBACK, 0), backlog=128)
    listener.setblocking(False)
    return listener


def report(port: int) -> None:
    """Tell the parent, in one line of JSON on standard output, that the server answers on this port."""
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()


def end_with_parent() -> None:
    """End this process as soon as the other end of its standard input is gone, as after `kill -9` of the parent."""
    threading.Thread(target=_wait_for_end, name="lifeline", daemon=True).start()


def _wait_for_end() -> None:
    while os.read(sys.stdin.fileno(), 1):  # a buffer's lock would be in the way when this process ends by itself
        pass
    # Nothing here outlives the job, so there is nothing to tidy up, and a request in progress must not hold it open.
    os._exit(0)


if __name__ == "__main__":
    end_with_parent()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
