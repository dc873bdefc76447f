"""Flows of the peer's that wait: for a person, for a slot, or for their end."""

import json
import sys
import threading
import time
from pathlib import Path

from prefect import flow, pause_flow_run, task
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.flow_runs import resume_flow_run
from prefect.states import State


@flow(name="paused")
def paused() -> str:
    answer = pause_flow_run(wait_for_input=str, timeout=60, poll_interval=1)
    return f"resumed with {answer}"


@flow(name="long", persist_result=True)
def long(seconds: float = 60.0) -> None:
    Path("started").touch()
    threading.Event().wait(seconds)


@task(tags=["narrow"])
def in_turn(number: int) -> tuple[float, float]:
    begin = time.time()
    threading.Event().wait(0.2)
    return begin, time.time()


@flow(name="tagged")
def tagged() -> list[tuple[float, float]]:
    return [future.result() for future in in_turn.map(range(3))]


@flow(name="slots")
def slots() -> list[tuple[float, float]]:
    spans = []
    for _ in range(2):
        with concurrency("gate", occupy=1, timeout_seconds=60):
            begin = time.time()
            threading.Event().wait(0.2)
            spans.append((begin, time.time()))
    return spans


@flow(name="persisted", persist_result=True)
def persisted() -> dict[str, float]:
    return {"rmse": 5.1}


def resume(flow_run_id: str) -> None:
    deadline = time.monotonic() + 60
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            runs = client.read_flow_runs()
            wanted = [run for run in runs if run.name == flow_run_id and run.state_name == "Paused"]
            if wanted:
                resume_flow_run(wanted[0].id, run_input={"value": "tea"})
                return
            threading.Event().wait(0.2)
    raise SystemExit("nothing was paused")


def read_result(flow_name: str) -> None:
    with get_client(sync_client=True) as client:
        (run,) = [run for run in client.read_flow_runs() if run.name == flow_name]
        state: State = client.read_flow_run(run.id).state
        print(json.dumps(state.result()))


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    flows = {"paused": paused, "tagged": tagged, "slots": slots, "persisted": persisted}
    if what in flows:
        print(json.dumps(flows[what].with_options(flow_run_name=arguments[0])()))
    else:
        {"resume": resume, "result": read_result}[what](*arguments)
