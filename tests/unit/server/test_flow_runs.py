"""Flow runs over the interface: made, changed, moved from state to state, and looked at."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.testclient import TestClient

from orchestration.backend.port import Backend
from tests.support.rest import UNKNOWN, Made

PROCESS = {"orchestration.process": "host/boot/12/started"}


def test_a_run_is_made_as_it_is_asked_for(client: TestClient, made: Made) -> None:
    run = made.flow_run(
        name="light-boar", parameters={"x": [1, None]}, tags=["a"], labels={"b": True}, flow_version="2",
        empirical_policy={"retries": 2, "retry_delay": [1, 2.5], "retry_jitter_factor": 0.5}, context={"c": 1},
    )  # fmt: skip
    assert client.get(f"flow_runs/{run['id']}").json() == {
        **run,
        "estimated_start_time_delta": pytest.approx(0, abs=60),
    }
    assert (run["name"], run["parameters"], run["tags"], run["context"]) == (
        "light-boar",
        {"x": [1, None]},
        ["a"],
        {"c": 1},
    )
    assert run["labels"] == {"prefect.flow.id": run["flow_id"], "b": True}
    assert run["empirical_policy"]["retry_delay"] == [1, 2.5]
    assert (run["state_type"], run["state"]["state_details"]["flow_run_id"]) == ("PENDING", run["id"])
    assert run["expected_start_time"] is not None


def test_a_key_makes_one_run(client: TestClient, made: Made) -> None:
    run = made.flow_run(idempotency_key="once")
    again = client.post("flow_runs/", json={"flow_id": run["flow_id"], "idempotency_key": "once", "name": "other"})
    assert (again.status_code, again.json()["id"]) == (200, run["id"])


def test_an_id_makes_one_run(client: TestClient, made: Made) -> None:
    run = made.flow_run(id=str(uuid4()), name="a")
    again = client.post("flow_runs/", json={"flow_id": run["flow_id"], "id": run["id"], "name": "b"})
    assert (again.status_code, again.json()["name"]) == (200, "a")


def test_what_is_null_is_left_as_it_is(client: TestClient, made: Made) -> None:
    run_id = made.flow_run(name="a")["id"]
    assert client.patch(f"flow_runs/{run_id}", json={"name": None, "job_variables": None}).status_code == 204
    assert client.get(f"flow_runs/{run_id}").json()["name"] == "a"


def test_a_scheduled_run_is_expected_at_its_time(made: Made) -> None:
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2030-01-01T00:00:00"}}
    run = made.flow_run(state=state)
    assert run["expected_start_time"] == run["next_scheduled_start_time"] == "2030-01-01T00:00:00Z"


def test_a_run_goes_to_a_queue_of_a_pool(client: TestClient, backend: Backend, made: Made) -> None:
    pool = backend.create("work_pools", {"name": "p", "type": "process"})
    assert made.flow_run(work_pool_name="p")["work_queue_id"] == pool["default_queue_id"]
    assert made.flow_run(work_pool_name="p", work_queue_name="default")["work_queue_name"] == "default"
    flow_id = made.flow_run()["flow_id"]
    for wanted in ({"work_pool_name": "q"}, {"work_pool_name": "p", "work_queue_name": "q"}):
        assert client.post("flow_runs/", json={"flow_id": flow_id, **wanted}).status_code == 404


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"flow_id": UNKNOWN}, 404),
        ({"flow_id": "x"}, 422),
        ({"flow_id": UNKNOWN, "state": {"type": "DONE"}}, 422),
        ({"flow_id": UNKNOWN, "state": {"type": "PENDING", "state_details": {"cache_expiration": "x"}}}, 422),
        ({"flow_id": UNKNOWN, "empirical_policy": {"retries": -1}}, 422),
        ({"flow_id": UNKNOWN, "colour": "red"}, 422),
    ],
)
def test_a_run_that_cannot_be_is_refused(client: TestClient, fields: dict[str, Any], status: int) -> None:
    assert client.post("flow_runs/", json=fields).status_code == status


def test_a_run_is_changed(client: TestClient, made: Made) -> None:
    run_id = made.flow_run(tags=["a"])["id"]
    changes = {"name": "b", "infrastructure_pid": "12", "empirical_policy": {"retries": 1}, "job_variables": {"c": 1}}
    assert client.patch(f"flow_runs/{run_id}", json=changes).status_code == 204
    run = client.get(f"flow_runs/{run_id}").json()
    assert {name: run[name] for name in ("name", "infrastructure_pid", "job_variables", "tags")} == {
        "name": "b", "infrastructure_pid": "12", "job_variables": {"c": 1}, "tags": ["a"],
    }  # fmt: skip
    assert run["empirical_policy"]["retries"] == 1


def test_labels_are_added(client: TestClient, backend: Backend, made: Made) -> None:
    run_id = made.flow_run(labels={"a": 1})["id"]
    assert client.patch(f"flow_runs/{run_id}/labels", json={"a": 2, **PROCESS}).status_code == 204
    labels = client.get(f"flow_runs/{run_id}").json()["labels"]
    assert (labels["a"], labels["orchestration.process"]) == (2, "host/boot/12/started")
    owner = backend.flow_run(UUID(run_id)).owner
    assert owner is not None
    assert owner.pid == 12


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"name": "a"}),
        ("DELETE", "", None),
        ("PATCH", "/labels", {"a": 1}),
        ("POST", "/set_state", {"state": {"type": "RUNNING"}}),
        ("POST", "/resume", {}),
        ("POST", "/input", {"key": "a", "value": "1"}),
        ("GET", "/input/a", None),
        ("DELETE", "/input/a", None),
        ("GET", "/graph-v2", None),
    ],
)
def test_a_run_that_is_not_there_is_not_found(client: TestClient, method: str, path: str, body: Any) -> None:
    assert client.request(method, f"flow_runs/{UNKNOWN}{path}", json=body).status_code == 404


# -- states ------------------------------------------------------------------------------------------


def test_accepted_states_are_new_ones(client: TestClient, made: Made) -> None:
    run_id = made.flow_run()["id"]
    answer = client.post(f"flow_runs/{run_id}/set_state", json={"state": {"type": "RUNNING", "name": "Retrying"}})
    assert (answer.status_code, answer.json()["status"]) == (201, "ACCEPT")
    done = {"type": "COMPLETED", "message": "m", "data": {"type": "reference", "storage_key": "k"}}
    answer = client.post(f"flow_runs/{run_id}/set_state", json={"state": done})
    assert answer.json()["state"]["data"] == done["data"]
    states = client.get("flow_run_states/", params={"flow_run_id": run_id}).json()
    assert [state["name"] for state in states] == ["Pending", "Retrying", "Completed"]
    assert client.get(f"flow_run_states/{states[1]['id']}").json() == states[1]
    assert client.get(f"flow_run_states/{UNKNOWN}").status_code == 404


def test_a_state_that_is_sent_again_is_recognised(client: TestClient, made: Made) -> None:
    run_id, state = made.flow_run()["id"], {"type": "RUNNING", "id": str(uuid4())}
    for _ in range(3):
        answer = client.post(f"flow_runs/{run_id}/set_state", json={"state": state})
        assert (answer.json()["status"], answer.json()["state"]["id"]) == ("ACCEPT", state["id"])
    assert len(client.get("flow_run_states/", params={"flow_run_id": run_id}).json()) == 2
    assert client.post("events/filter", json={}).json()["total"] == 2


def test_what_the_rules_refuse_changes_nothing(client: TestClient, made: Made) -> None:
    run_id = made.flow_run()["id"]
    made.state(run_id, "COMPLETED")
    answer = client.post(f"flow_runs/{run_id}/set_state", json={"state": {"type": "RUNNING"}})
    assert answer.status_code == 200
    assert answer.json()["status"] in ("ABORT", "REJECT")
    assert client.get(f"flow_runs/{run_id}").json()["state_type"] == "COMPLETED"
    forced = client.post(f"flow_runs/{run_id}/set_state", json={"state": {"type": "RUNNING"}, "force": True})
    assert (forced.status_code, forced.json()["status"]) == (201, "ACCEPT")


def test_a_run_that_is_too_early_is_told_to_wait(made: Made) -> None:
    run = made.flow_run(state={"type": "SCHEDULED", "state_details": {"scheduled_time": "2999-01-01T00:00:00Z"}})
    decision = made.state(run["id"], "RUNNING")
    assert decision["status"] == "WAIT"
    assert decision["details"]["delay_seconds"] > 0


def test_a_failed_run_is_retried_by_its_policy(made: Made) -> None:
    run = made.flow_run(empirical_policy={"retries": 1, "retry_delay": 0})
    made.state(run["id"], "RUNNING")
    assert made.state(run["id"], "FAILED")["state"]["name"] == "AwaitingRetry"


def test_a_paused_run_goes_on_with_its_input(client: TestClient, made: Made) -> None:
    run_id = made.flow_run()["id"]
    made.state(run_id, "RUNNING")
    keyset = {"response": "in-response", "schema": "in-schema"}
    details = {"pause_timeout": "2999-01-01T00:00:00Z", "pause_key": "1", "run_input_keyset": keyset}
    made.state(run_id, "PAUSED", state_details=details)
    answer = client.post(f"flow_runs/{run_id}/resume", json={"run_input": {"a": 1}})
    assert (answer.status_code, answer.json()["state"]["type"]) == (201, "RUNNING")
    assert client.get(f"flow_runs/{run_id}/input/in-response").text == '{"a": 1}'
    again = client.post(f"flow_runs/{run_id}/resume")
    assert (again.status_code, again.json()["status"], again.json()["state"]) == (200, "ABORT", None)


def test_a_suspended_run_is_scheduled_anew(client: TestClient, made: Made) -> None:
    run_id = made.flow_run()["id"]
    made.state(run_id, "RUNNING")
    details = {"pause_timeout": "2999-01-01T00:00:00Z", "pause_reschedule": True}
    made.state(run_id, "PAUSED", name="Suspended", state_details=details)
    state = client.post(f"flow_runs/{run_id}/resume", json={}).json()["state"]
    assert (state["type"], state["name"]) == ("SCHEDULED", "Resuming")


# -- inputs ------------------------------------------------------------------------------------------


def test_inputs_are_sent_listed_and_removed(client: TestClient, made: Made) -> None:
    path = f"flow_runs/{made.flow_run()['id']}/input"
    for key in ("a-1", "a-2", "b-1"):
        assert client.post(path, json={"key": key, "value": f'"{key}"', "sender": "me"}).status_code == 201
    assert client.post(path, json={"key": "a-1", "value": "1"}).status_code == 409
    listed = client.post(f"{path}/filter", json={"prefix": "a-", "limit": 5, "exclude_keys": ["a-1"]}).json()
    assert [(each["key"], each["sender"]) for each in listed] == [("a-2", "me")]
    assert len(client.post(f"{path}/filter", json={"prefix": "a-"}).json()) == 1
    assert client.get(f"{path}/b-1").text == '"b-1"'
    assert client.delete(f"{path}/b-1").status_code == 204
    assert client.get(f"{path}/b-1").status_code == 404


# -- views -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resource", ["flow_runs", "task_runs"])
def test_a_history_has_its_spans(client: TestClient, resource: str) -> None:
    span = {"history_start": "2026-01-01T00:00:00", "history_end": "2026-01-01T01:00:00Z"}
    spans = client.post(f"{resource}/history", json={**span, "history_interval_seconds": 1500}).json()
    assert [each["interval_start"] for each in spans] == [
        f"2026-01-01T00:{minute}:00Z" for minute in ("00", "25", "50")
    ]
    many = {**span, "history_end": "2027-01-01T00:00:00Z", "history_interval_seconds": 1}
    assert len(client.post(f"{resource}/history", json=many).json()) == 500
    backwards = {**span, "history_end": "2025-01-01T00:00:00Z", "history_interval_seconds": 60}
    assert client.post(f"{resource}/history", json=backwards).json() == []
    for seconds in (0.5, 1e300, "x"):
        assert client.post(f"{resource}/history", json={**span, "history_interval_seconds": seconds}).status_code == 422
    late = {**span, "history_end": "9999-12-31T23:59:59Z", "history_interval_seconds": 60}
    assert client.post(f"{resource}/history", json=late).status_code == 422
