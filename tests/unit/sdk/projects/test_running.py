"""Asking for runs of deployments from code."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from orchestration import arun_deployment, flow, run_deployment
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound, UsageError
from orchestration.domain.schemas.filters import Query, among
from orchestration.domain.states import Completed, Running
from orchestration.sdk.projects.pulling import load_flow

_SCHEDULED = Query(among("flow_runs", state_type=["SCHEDULED"]))


@pytest.fixture(autouse=True)
def _deployed(backend: Backend, project: Path) -> None:
    load_flow("flows/train.py:train", project).deploy("monthly", work_pool_name="trips")


@contextmanager
def _worker(backend: Backend) -> Iterator[None]:
    """Something that completes each run that is asked for."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            for run in backend.find("flow_runs", _SCHEDULED):
                backend.propose_flow_run_state(UUID(run["id"]), Running())
                backend.propose_flow_run_state(UUID(run["id"]), Completed())
            stop.wait(0.02)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_a_run_is_asked_for_and_awaited(backend: Backend) -> None:
    with _worker(backend):
        run = run_deployment("train/monthly", parameters={"n": 4}, flow_run_name="mine", tags=["a"])
    assert (run.state_name, run.name, run.parameters, run.tags) == ("Completed", "mine", {"n": 4}, ("a",))


def test_one_need_not_wait_and_asks_once(backend: Backend) -> None:
    (deployment,) = backend.find("deployments")
    backend.create("work_queues", {"work_pool_id": deployment["work_queue_work_pool_id"], "name": "urgent"})
    runs = [
        run_deployment(name, timeout=0, idempotency_key="k", work_queue_name="urgent", job_variables={"env": {}})
        for name in (deployment["id"], UUID(deployment["id"]), "train/monthly")
    ]
    assert len({run.id for run in runs}) == 1
    (found,) = backend.find("flow_runs")
    assert (found["work_queue_name"], found["state_name"]) == ("urgent", "Scheduled")
    assert found["job_variables"] == {"env": {}}


def test_waiting_has_an_end(backend: Backend) -> None:
    began = time.monotonic()
    assert run_deployment("train/monthly", timeout=0.3).state_name == "Scheduled"
    assert 0.3 <= time.monotonic() - began < 5


def test_inside_a_flow_it_is_a_part_of_its_run(backend: Backend) -> None:
    @flow
    def outer() -> str:
        return str(run_deployment("train/monthly").id)

    @flow
    async def apart() -> str:
        run = await arun_deployment("train/monthly", as_subflow=False)
        return str(run.id)

    with _worker(backend):
        inner, lone = outer(), asyncio.run(apart())
    run = backend.read("flow_runs", id=inner)
    task = backend.task_run(UUID(run["parent_task_run_id"]))
    assert (task.name.startswith("train/monthly"), task.state_name) == (True, "Completed")
    assert backend.read("flow_runs", id=lone)["parent_task_run_id"] is None


def test_what_is_not_there_is_refused(backend: Backend) -> None:
    for name in ("train/absent", "absent", str(UUID(int=1))):
        with pytest.raises(ObjectNotFound, match="There is no deployment"):
            run_deployment(name, timeout=0)
    with pytest.raises(UsageError, match="There is no parameter 'm'"):
        run_deployment("train/monthly", parameters={"m": 1}, timeout=0)
    assert backend.find("flow_runs") == []
