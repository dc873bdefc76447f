"""Slots and claims under load and kills: each slot becomes one run, and each run goes to one worker."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from orchestration.backend.clock import utc_now
from orchestration.backend.connect import open_backend
from orchestration.backend.port import Backend
from orchestration.backend.surroundings import current_settings
from orchestration.domain.schemas.filters import Query, among
from orchestration.domain.schemas.wire import Document
from orchestration.domain.states import StoredResult

ROOT = Path(__file__).parents[2]


@pytest.fixture
def backend() -> Iterator[Backend]:
    """A store with a flow."""
    opened = open_backend(current_settings(), StoredResult)
    opened.create("flows", {"name": "train"})
    yield opened
    opened.close()


def _pool(backend: Backend) -> str:
    return str(backend.create("work_pools", {"name": "trips", "type": "process"})["id"])


def _deploy(backend: Backend, name: str, **fields: object) -> Document:
    flow_id = backend.read("flows", name="train")["id"]
    about = {"name": name, "flow_id": flow_id, "work_pool_name": "trips", **fields}
    return backend.create("deployments", about, overwrite=True)


def _apart(what: str, pool_id: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.support.working_apart", what, pool_id]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("count", [200, pytest.param(5000, marks=pytest.mark.reliability)])
def test_eight_claimers_share_runs_and_none_gets_one_twice(
    backend: Backend, count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    pool_id, deployment_id = _pool(backend), UUID(_deploy(backend, "monthly")["id"])
    for _ in range(count):
        backend.create_run_of_deployment(deployment_id, {})
    began = time.monotonic()
    claimers = [_apart("claim", pool_id) for _ in range(8)]
    claimed = [line for claimer in claimers for line in claimer.communicate(timeout=600)[0].split()]
    counts = Counter(claimed)
    told = {"runs": count, "claimed": len(counts), "most often": max(counts.values())}
    with capsys.disabled():
        sys.stdout.write(json.dumps({**told, "seconds": round(time.monotonic() - began, 1)}) + "\n")
    assert told == {"runs": count, "claimed": count, "most often": 1}
    completed = among("flow_runs", state_type=["COMPLETED"])
    assert backend.count("flow_runs", completed) == count


@pytest.mark.parametrize(
    ("deployments", "seconds", "redeploys"), [(4, 6.0, 20), pytest.param(50, 50.0, 200, marks=pytest.mark.reliability)]
)
def test_two_schedulers_of_which_one_is_killed_again_and_again_make_each_slot_once(
    backend: Backend, deployments: int, seconds: float, redeploys: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slot each second, redeploys at every kill; what was due from the first slot to the last is there, once."""
    pool_id, every_second = _pool(backend), {"schedule": {"interval": 1.0}, "slug": "seconds"}
    ids = [_deploy(backend, f"d{number}", schedules=[every_second])["id"] for number in range(deployments)]
    start = utc_now()
    steady, shaky, killed, redeployed = _apart("schedule", pool_id), _apart("schedule", pool_id), 0, 0
    try:
        while utc_now() - start < timedelta(seconds=seconds) or redeployed < redeploys:
            threading.Event().wait(random.uniform(0.5, 2.0))
            killed += shaky.poll() is None
            shaky.kill()
            shaky.communicate()
            for _ in range(7):
                redeployed += 1
                number = random.randrange(deployments)
                _deploy(backend, f"d{number}", schedules=[every_second], version=str(redeployed))
            shaky = _apart("schedule", pool_id)
        threading.Event().wait(3.0)
    finally:
        for process in (steady, shaky):
            process.kill()
            process.communicate()
    slots: Counter[tuple[str, datetime]] = Counter()
    for deployment_id in ids:
        for page in range(20):
            query = Query(among("flow_runs", deployment_id=[deployment_id]), "ID_DESC", 200, 200 * page)
            found = backend.find("flow_runs", query)
            slots.update((deployment_id, datetime.fromisoformat(run["expected_start_time"])) for run in found)
    first = start.replace(microsecond=0) + timedelta(seconds=2)
    due = [(each, first + timedelta(seconds=second)) for each in ids for second in range(int(seconds) - 2)]
    told = {"kills": killed, "redeploys": redeployed, "due": len(due)}
    told["missing"] = sum(slot not in slots for slot in due)
    told["doubled"] = sum(number > 1 for number in slots.values())
    with capsys.disabled():
        sys.stdout.write(json.dumps(told) + "\n")
    assert killed > 1
    assert (told["missing"], told["doubled"]) == (0, 0)
