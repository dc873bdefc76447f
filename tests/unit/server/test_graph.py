"""The graph of a flow run, over the interface."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from tests.support.rest import Made


def _task(made: Made, run_id: str, key: str, **inputs: Any) -> str:
    given = {name: [{"input_type": "task_run", "id": each} for each in ids] for name, ids in inputs.items()}
    task = made("task_runs/", flow_run_id=run_id, task_key=key, dynamic_key="0", task_inputs=given)
    return str(task["id"])


def test_tasks_hang_together_by_their_inputs(client: TestClient, made: Made) -> None:
    run_id = made.flow_run()["id"]
    load = _task(made, run_id, "load")
    fit = _task(made, run_id, "fit", frame=[load])
    report = _task(made, run_id, "report", model=[fit], wait_for=[load], __parents__=[fit])
    graph = client.get(f"flow_runs/{run_id}/graph-v2").json()
    nodes = dict(graph["nodes"])
    assert list(nodes) == [load, fit, report]
    assert graph["root_node_ids"] == [load]
    assert {edge["id"] for edge in nodes[load]["children"]} == {fit, report}
    assert nodes[report]["parents"] == [{"id": fit}, {"id": load}]
    assert nodes[report]["encapsulating"] == [{"id": fit}]
    assert (nodes[fit]["kind"], nodes[fit]["label"], nodes[fit]["state_type"]) == ("task-run", "fit-0", "PENDING")
    assert [state["name"] for state in graph["states"]] == ["Pending"]


def test_a_subflow_run_stands_for_its_task_run(client: TestClient, made: Made) -> None:
    run_id = made.flow_run()["id"]
    stand_in = _task(made, run_id, "sub")
    after = _task(made, run_id, "after", x=[stand_in])
    child = made.flow_run(flow="inner", name="light-boar", parent_task_run_id=stand_in)["id"]
    nodes = dict(client.get(f"flow_runs/{run_id}/graph-v2").json()["nodes"])
    assert (nodes[child]["kind"], nodes[child]["label"]) == ("flow-run", "inner / light-boar")
    assert nodes[child]["children"] == [{"id": after}]
    assert stand_in not in nodes


def test_artifacts_hang_on_what_made_them(client: TestClient, made: Made) -> None:
    run_id = made.flow_run()["id"]
    task = _task(made, run_id, "fit")
    old, new = (made("artifacts/", key="k", type="progress", data=n, flow_run_id=run_id) for n in (1.0, 2.0))
    of_task = made("artifacts/", type="markdown", data="x", flow_run_id=run_id, task_run_id=task)
    made("artifacts/", type="result", data="x", flow_run_id=run_id)
    graph = client.get(f"flow_runs/{run_id}/graph-v2").json()
    shown = {each["id"]: (each["is_latest"], each["data"]) for each in graph["artifacts"]}
    assert shown == {old["id"]: (False, 1.0), new["id"]: (True, 2.0)}
    assert [each["id"] for each in dict(graph["nodes"])[task]["artifacts"]] == [of_task["id"]]


def test_only_what_changed_since_is_shown(client: TestClient, made: Made) -> None:
    run_id = made.flow_run()["id"]
    done, waiting = _task(made, run_id, "a"), _task(made, run_id, "b")
    for kind in ("RUNNING", "COMPLETED"):
        client.post(f"task_runs/{done}/set_state", json={"state": {"type": kind}})
    path = f"flow_runs/{run_id}/graph-v2"
    assert [key for key, _ in client.get(path, params={"since": "2999-01-01T00:00:00Z"}).json()["nodes"]] == [waiting]
    assert len(client.get(path, params={"since": "2000-01-01T00:00:00Z"}).json()["nodes"]) == 2
    assert client.get(path, params={"since": "x"}).status_code == 422
