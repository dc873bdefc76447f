"""Task runs and log lines over the interface."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from orchestration.server.api.runs import LONGEST
from tests.support.rest import UNKNOWN, Made

LINE = {"name": "n", "level": 20, "message": "m", "timestamp": "2026-01-01T00:00:00Z"}


def test_a_task_run_is_made_once(client: TestClient, made: Made) -> None:
    run_id = made.flow_run()["id"]
    fields = {"flow_run_id": run_id, "task_key": "fit", "dynamic_key": "0", "tags": ["a"], "task_inputs": {"x": []}}
    first, second = (client.post("task_runs/", json=fields) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert (first.json()["name"], first.json()["state_type"]) == ("fit-0", "PENDING")
    assert client.patch(f"task_runs/{first.json()['id']}", json={"name": "b"}).status_code == 204
    assert client.get(f"task_runs/{first.json()['id']}").json()["name"] == "b"
    assert client.delete(f"task_runs/{first.json()['id']}").status_code == 204
    assert client.post("task_runs/count").json() == 0


def test_task_runs_outside_flow_runs_are_made_each_time(client: TestClient, made: Made) -> None:
    ids = {made("task_runs/", task_key="fit", dynamic_key="0", state={"type": "RUNNING"})["id"] for _ in range(2)}
    assert len(ids) == 2
    chosen = str(uuid4())
    assert made("task_runs/", task_key="fit", dynamic_key="0", id=chosen, name="c")["id"] == chosen


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"task_key": "a", "dynamic_key": "0", "flow_run_id": UNKNOWN}, 404),
        ({"task_key": "a"}, 422),
        ({"task_key": "a", "dynamic_key": "0", "task_inputs": {"x": 1}}, 422),
        ({"task_key": "a", "dynamic_key": "0", "state": {"type": "X"}}, 422),
    ],
)
def test_a_task_run_that_cannot_be_is_refused(client: TestClient, fields: dict[str, Any], status: int) -> None:
    assert client.post("task_runs/", json=fields).status_code == status


def test_states_of_task_runs_are_decided(client: TestClient, made: Made) -> None:
    run_id = made("task_runs/", task_key="fit", dynamic_key="0")["id"]
    for kind in ("RUNNING", "COMPLETED"):
        answer = client.post(f"task_runs/{run_id}/set_state", json={"state": {"type": kind}})
        assert (answer.status_code, answer.json()["status"]) == (201, "ACCEPT")
    states = client.get("task_run_states/", params={"task_run_id": run_id}).json()
    assert [state["type"] for state in states] == ["PENDING", "RUNNING", "COMPLETED"]
    assert client.get(f"task_run_states/{states[2]['id']}").json() == states[2]
    assert client.get(f"task_run_states/{UNKNOWN}").status_code == 404
    assert client.post(f"task_runs/{UNKNOWN}/set_state", json={"state": {"type": "RUNNING"}}).status_code == 404


def test_a_subflow_run_moves_the_task_run_that_stands_for_it(client: TestClient, made: Made) -> None:
    parent = made.flow_run()
    stand_in = made("task_runs/", flow_run_id=parent["id"], task_key="sub", dynamic_key="0")
    child = made.flow_run(flow="sub", parent_task_run_id=stand_in["id"])
    for kind in ("RUNNING", "COMPLETED"):
        made.state(child["id"], kind)
    task = client.get(f"task_runs/{stand_in['id']}").json()
    assert (task["state_type"], task["state"]["state_details"]["child_flow_run_id"]) == ("COMPLETED", child["id"])


def test_a_subflow_run_of_our_engine_leaves_its_task_run_alone(client: TestClient, made: Made) -> None:
    stand_in = made("task_runs/", flow_run_id=made.flow_run()["id"], task_key="sub", dynamic_key="0")
    child = made.flow_run(parent_task_run_id=stand_in["id"], labels={"orchestration.process": "h/b/1/s"})
    made.state(child["id"], "RUNNING")
    assert client.get(f"task_runs/{stand_in['id']}").json()["state_type"] == "PENDING"


def test_lines_are_listed_as_they_were_logged(client: TestClient, made: Made) -> None:
    run_id = made.flow_run()["id"]
    lines = [{**LINE, "message": f"m{level}", "level": level, "flow_run_id": run_id} for level in (10, 20, 30)]
    assert client.post("logs/", json=lines).status_code == 201
    assert client.post("logs/", json=[LINE]).status_code == 201
    where = {"logs": {"flow_run_id": {"any_": [run_id]}, "level": {"ge_": 20}}}
    assert [line["message"] for line in client.post("logs/filter", json=where).json()] == ["m20", "m30"]
    where["logs"]["text"] = {"query": "M3"}
    assert [line["message"] for line in client.post("logs/filter", json=where).json()] == ["m30"]


def test_lines_that_are_sent_again_are_stored_once(client: TestClient) -> None:
    for key in (str(uuid4()), str(uuid4())):
        for _ in range(2):
            assert client.post("logs/", json=[LINE], headers={"Idempotency-Key": key}).status_code == 201
    assert len(client.post("logs/filter").json()) == 2
    assert client.post("logs/", json=[LINE], headers={"Idempotency-Key": "x"}).status_code == 422


def test_a_long_line_is_cut_with_a_mark(client: TestClient) -> None:
    client.post("logs/", json=[{**LINE, "message": "x" * (LONGEST + 1)}, {**LINE, "message": "y" * LONGEST}])
    cut, whole = (line["message"] for line in client.post("logs/filter").json())
    assert cut == "x" * LONGEST + " … [cut here; the line has 1,000,001 characters]"
    assert whole == "y" * LONGEST


@pytest.mark.parametrize("field", ["name", "level", "message", "timestamp", "flow_run_id"])
def test_a_line_that_is_none_is_refused(client: TestClient, field: str) -> None:
    answer = client.post("logs/", json=[LINE, {**LINE, field: {}}])
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"body.1.{field}: ")
    assert client.post("logs/filter").json() == []
