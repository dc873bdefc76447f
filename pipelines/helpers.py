"""Processes that compute beside this one: for work in Python, whose threads take turns and gain nothing.

Helpers are this file run as a program, which loads once what they need and is forked for each but the first. A helper
takes calls from one pipe and gives answers to another, and it ends as soon as the other end of its calls is gone,
whatever ended the process that started it. Where one ends before its time (out of memory, killed), its work is done in
the process that asked.
"""

import logging
import os
import pickle
import pkgutil
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

ROOT = Path(__file__).resolve().parents[1]
# Scikit-learn loads them where it finds them, only to ask whether its input is theirs; without them a helper starts in
# half of the time and takes two thirds of the memory.
SPARED = ("pandas", "pyarrow")
# Numpy's arrays travel without a copy.
PROTOCOL = 5


class HelperEndedError(Exception):
    """A helper ended, or was ended, before it gave its answer."""


@dataclass(frozen=True)
class Helper:
    """Another process, which does one call at a time; `first` is the process that it was forked from, or is."""

    first: subprocess.Popen[bytes]
    calls: IO[bytes]
    answers: IO[bytes]

    def call(self, work: Callable[[T], R], item: T) -> R:
        """What the work gives there, or raises. Raises HelperEndedError if the process gives no answer."""
        try:
            pickle.dump((work, item), self.calls, PROTOCOL)
            self.calls.flush()
            error, value = pickle.load(self.answers)  # noqa: S301 - from our own process
        except (OSError, EOFError, ValueError, pickle.UnpicklingError) as ended:
            raise HelperEndedError(str(ended)) from ended
        except BaseException:
            self._kill()  # half a call may be on its way, and no other can follow it
            raise
        if error is not None:
            raise error
        return value  # type: ignore[no-any-return]

    def stop(self) -> None:
        """End the process, whatever it is doing; a thread that waits for its answer is told so."""
        self._kill()
        ended = select.poll()
        ended.register(self.answers, 0)  # only whether nobody can write to it any more
        ended.poll()
        with suppress(OSError):
            self.calls.close()
        self.answers.close()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.first.pid, signal.SIGKILL)


class Helpers:
    """Processes that each do one call at a time; callers wait for one that is free.

    Without any, calls are done in this process, one at a time; so they are in another process, to which helpers may be
    sent with a task.
    """

    def __init__(self, helpers: Sequence[Helper] = ()) -> None:
        self._helpers = helpers
        self._stopped = False
        self._free: SimpleQueue[Helper | None] = SimpleQueue()
        for place in helpers or (None,):
            self._free.put(place)

    def __reduce__(self) -> tuple[type["Helpers"], tuple[()]]:
        return Helpers, ()

    def call(self, work: Callable[[T], R], item: T) -> R:
        """What the work, a function of a module, gives or raises. Raises SystemExit after the end of the helpers."""
        place = self._free.get()
        try:
            self._check()
            if place is not None:
                try:
                    return place.call(work, item)
                except HelperEndedError:
                    self._check()
                    place = None
                    logging.getLogger(__name__).warning("A helper has ended before its time: its work is done here.")
            return work(item)
        finally:
            self._free.put(place)

    def stop(self) -> None:
        """End the helpers; threads that wait for them or for a place are sent home."""
        self._stopped = True
        for helper in self._helpers:
            helper.stop()
        for first in {helper.first for helper in self._helpers}:
            first.wait()

    def _check(self) -> None:
        # Nobody waits for the answer any more: the run was interrupted, or another of its fits has failed.
        if self._stopped:
            raise SystemExit("The helpers have been ended.")


@contextmanager
def helping(number: int, module: str) -> Iterator[Helpers]:
    """So many helpers, which load a module meanwhile, up to the end of the body."""
    helpers = Helpers(_start(number, module) if number else ())
    try:
        yield helpers
    finally:
        helpers.stop()


def usable_cores() -> int:
    """How many of the machine's cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start(number: int, module: str) -> list[Helper]:
    calls, answers = [os.pipe() for _ in range(number)], [os.pipe() for _ in range(number)]
    theirs = [end for (reads, _), (_, writes) in zip(calls, answers, strict=True) for end in (reads, writes)]
    # A session of its own: Ctrl-C is for the job, which ends its helpers.
    try:
        first = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "pipelines.helpers", module, *map(str, theirs)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))},
            pass_fds=theirs,
            start_new_session=True,
        )
    finally:
        for end in theirs:
            os.close(end)
    ours = zip(calls, answers, strict=True)
    return [Helper(first, os.fdopen(writes, "wb"), os.fdopen(reads, "rb")) for (_, writes), (reads, _) in ours]


def _read_calls(pipe: IO[bytes], calls: SimpleQueue[tuple[Callable[[Any], Any], Any]]) -> None:
    """Pass on each call as it comes, and end the process where no more can come."""
    try:
        while True:
            calls.put(pickle.load(pipe))  # noqa: S301 - from the process that started this one
    finally:
        os._exit(0)


def _help(module: str, ends: Sequence[int]) -> None:
    """Load the module, become as many helpers as there are pairs of pipes, and answer calls for ever."""
    sys.modules.update(dict.fromkeys(SPARED))  # type: ignore[arg-type]
    pkgutil.resolve_name(module)
    pairs = list(zip(ends[::2], ends[1::2], strict=True))
    mine = next((number for number in range(1, len(pairs)) if os.fork() == 0), 0)
    for number, pair in enumerate(pairs):
        for end in pair if number != mine else ():
            os.close(end)  # its other end would else never seem gone
    _answer(*pairs[mine])


def _answer(asked: int, answered: int) -> None:
    """Answer calls for ever."""
    answers = os.fdopen(answered, "wb")
    calls: SimpleQueue[tuple[Callable[[Any], Any], Any]] = SimpleQueue()
    threading.Thread(target=_read_calls, args=(os.fdopen(asked, "rb"), calls), daemon=True).start()
    while True:
        work, item = calls.get()
        try:
            answer = pickle.dumps((None, work(item)), PROTOCOL)
        except Exception as error:
            answer = pickle.dumps((error, None), PROTOCOL)
        answers.write(answer)
        answers.flush()


if __name__ == "__main__":
    _help(sys.argv[1], [int(end) for end in sys.argv[2:]])
