"""Slots of a concurrency limit whose holders are killed: never too many are taken, and none is lost."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from orchestration.backend.clock import new_id
from orchestration.backend.connect import open_backend
from orchestration.backend.surroundings import current_settings
from orchestration.domain.states import StoredResult
from tests.support.serving import ROOT

SLOTS, HOLDERS = 2, 4


@pytest.mark.parametrize("kills", [6, pytest.param(50, marks=pytest.mark.reliability)])
def test_slots_whose_holders_are_killed_are_neither_lost_nor_taken_twice(
    tmp_path: Path, kills: int, capsys: pytest.CaptureFixture[str]
) -> None:
    turns: Counter[str] = Counter()
    with closing(open_backend(current_settings(), StoredResult)) as backend:
        backend.create("concurrency_limits", {"name": "db", "slot_limit": SLOTS})
        holders = [_holder(tmp_path) for _ in range(HOLDERS)]
        killed = held = 0
        while killed < kills or not held:  # on a busy machine the first ones may die before they have a slot
            threading.Event().wait(random.uniform(0.3, 0.6))
            number = random.randrange(HOLDERS)
            held += _ended(holders[number], turns)
            killed += 1
            holders[number] = _holder(tmp_path)
        threading.Event().wait(2.0)
        for holder in holders:
            _ended(holder, turns)
        began = time.monotonic()
        free = [backend.try_acquire(new_id(), ["db"], 1, 60.0) for _ in range(SLOTS + 1)]
        seconds = round(time.monotonic() - began, 3)
    with capsys.disabled():
        sys.stdout.write(json.dumps({"kills": killed, "turns": dict(turns), "free again, s": seconds}) + "\n")
    assert (killed >= kills, turns["over"]) == (True, 0)
    assert turns["in"] > kills
    assert [wait is None for wait in free] == [True] * SLOTS + [False], "all slots are free, and no more"
    assert held, "the fault happened: one died that had a slot"


def _holder(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.support.holding", str(folder), str(SLOTS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def _ended(holder: subprocess.Popen[str], turns: Counter[str]) -> bool:
    """Kill a holder and count its turns; whether it had had one."""
    holder.kill()
    said = holder.communicate()[0].split()
    turns.update(said)
    return bool(said)
