"""What the tests let helpers do: functions of a module, as helpers need them."""

import os
import signal
import sys
from pathlib import Path

import numpy as np


def process(_: object) -> int:
    """Which process does this."""
    return os.getpid()


def loads(name: str) -> bool:
    """Whether this process has loaded a module."""
    return sys.modules.get(name) is not None


def double(values: np.ndarray) -> np.ndarray:
    """Twice the values, in place, so that they must be writable where they arrive."""
    values *= 2
    return values


def refuse(sentence: str) -> None:
    """Fail with a sentence."""
    raise ValueError(sentence)


def stay(told: Path) -> None:
    """Say in a named pipe which process this is, and stay."""
    told.write_text(str(os.getpid()))
    signal.pause()
