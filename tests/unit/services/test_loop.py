"""Signals: each takes a step, whatever it interrupts."""

import subprocess
import sys

PROGRAM = """
import os, signal, sys, threading
from orchestration.services.loop import at_signals

lock, done = threading.Lock(), threading.Event()

def first():
    with lock:
        print("first", flush=True)

def second():
    with lock:
        print("second", flush=True)
    done.set()

at_signals(first, second)
with lock:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
sys.exit(not done.wait(60))
"""


def test_a_step_may_take_a_lock_that_was_held_when_the_signal_came() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, "first\nsecond\n")
