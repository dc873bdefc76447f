"""Deployments, their schedules and runs over the REST interface."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from orchestration.backend.port import Backend
from orchestration.domain.schedules import schedule_of
from orchestration.domain.schemas.wire import Document, state_document
from orchestration.domain.states import Scheduled
from tests.support.rest import Made

NOBODY = "0190a0a0-0000-7000-8000-000000000000"
"""The id of nothing."""

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}, "m": {"type": "string"}}, "required": ["n"]}


@pytest.fixture
def flow(made: Made) -> Document:
    """A flow."""
    return made("flows/", name="train")


@pytest.fixture
def deployment(made: Made, flow: Document) -> Document:
    """A deployment in a pool, with a schedule, whose parameter ``n`` is a whole number."""
    made("work_pools/", name="demo", type="process")
    return made(
        "deployments/",
        name="monthly",
        flow_id=flow["id"],
        work_pool_name="demo",
        parameters={"n": 1},
        parameter_openapi_schema=SCHEMA,
        schedules=[{"schedule": {"cron": "0 9 3 * *", "timezone": "America/New_York"}, "slug": "monthly"}],
        tags=["a"],
    )


def _plan(backend: Backend, deployment_id: str) -> None:
    """Make the first run of 2030 of each schedule."""
    deployment = backend.read("deployments", id=deployment_id)
    for schedule in deployment["schedules"]:
        if schedule["active"]:
            (slot,) = schedule_of(schedule["schedule"]).upcoming(datetime(2030, 1, 1, tzinfo=UTC), 1)
            due: Document = {"tags": ["auto-scheduled"], "auto_scheduled": True, "idempotency_key": str(slot)}
            due["state"] = state_document(Scheduled(slot))
            backend.create_run_of_deployment(UUID(deployment_id), {**due, "parameters": schedule["parameters"]})


def _planned(client: TestClient) -> list[str]:
    where = {"flow_runs": {"tags": {"all_": ["auto-scheduled"]}}, "sort": "EXPECTED_START_TIME_ASC"}
    return [each["expected_start_time"] for each in client.post("flow_runs/filter", json=where).json()]


def test_a_deployment_is_made_and_taken_up_again(client: TestClient, flow: Document, deployment: Document) -> None:
    (schedule,) = deployment["schedules"]
    assert schedule["schedule"] == {"cron": "0 9 3 * *", "timezone": "America/New_York", "day_or": True}
    assert (deployment["work_pool_name"], deployment["work_queue_name"]) == ("demo", "default")
    assert deployment["labels"] == {"prefect.flow.id": flow["id"]}
    body = {"name": "monthly", "flow_id": flow["id"], "description": "again"}
    again = client.post("deployments/", json=body)
    assert (again.status_code, again.json()["id"], again.json()["description"]) == (200, deployment["id"], "again")
    assert again.json()["schedules"] == [schedule], "schedules that are not named stay"
    assert client.post("deployments/", json={**body, "schedules": []}).json()["schedules"] == []
    by_name = client.get("deployments/name/train/monthly").json()
    assert (by_name["id"], by_name["tags"]) == (deployment["id"], [])


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"work_pool_name": "nope"}, 404),
        ({"flow_id": NOBODY}, 409),
        ({"name": "a/b"}, 422),
        ({"schedules": [{"schedule": {"cron": "nope"}}]}, 422),
        ({"schedules": [{"schedule": {"interval": 1e400}}]}, 422),
        ({"surprise": 1}, 422),
    ],
)
def test_what_cannot_be_deployed_is_refused(
    client: TestClient, flow: Document, fields: dict[str, Any], status: int
) -> None:
    answer = client.post("deployments/", content=_json({"name": "d", "flow_id": flow["id"], **fields}))
    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)


def _json(body: Any) -> str:
    return str(body).replace("'", '"').replace("inf", "1e400")


def test_a_run_takes_what_differs(client: TestClient, made: Made, deployment: Document) -> None:
    path = f"deployments/{deployment['id']}/create_flow_run"
    run = made(path, parameters={"m": "x"}, tags=["b"], name="mine", idempotency_key="k")
    assert (run["parameters"], run["tags"], run["name"]) == ({"n": 1, "m": "x"}, ["a", "b"], "mine")
    assert (run["state_name"], run["state"]["state_details"]["flow_run_id"]) == ("Scheduled", run["id"])
    assert run["labels"]["prefect.deployment.id"] == deployment["id"]
    again = client.post(path, json={"idempotency_key": "k"})
    assert (again.status_code, again.json()["id"]) == (200, run["id"])
    made("work_pools/demo/queues", name="high")
    assert made(path, work_queue_name="high")["work_queue_name"] == "high"
    assert client.post(path, json={"work_queue_name": "nope"}).status_code == 404
    assert client.post(f"deployments/{NOBODY}/create_flow_run", json={}).status_code == 404


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"parameters": {"n": "two"}}, 409),
        ({"parameters": {"n": None}}, 409),
        ({"parameters": {"m": None}}, 201),
        ({"parameters": {"n": "two"}, "enforce_parameter_schema": False}, 201),
    ],
)
def test_parameters_must_fit_the_schema(
    client: TestClient, deployment: Document, wanted: dict[str, Any], status: int
) -> None:
    answer = client.post(f"deployments/{deployment['id']}/create_flow_run", json=wanted)
    assert answer.status_code == status
    assert status == 201 or "'n'" in answer.json()["detail"]


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"$ref": "#/nowhere"}])
def test_a_schema_that_is_none_is_told_as_such(client: TestClient, deployment: Document, schema: Document) -> None:
    client.patch(f"deployments/{deployment['id']}", json={"parameter_openapi_schema": schema})
    answer = client.post(f"deployments/{deployment['id']}/create_flow_run", json={})
    assert (answer.status_code, "is not valid" in answer.json()["detail"]) == (422, True)


def test_a_deployment_is_changed_and_removed(client: TestClient, deployment: Document) -> None:
    path = f"deployments/{deployment['id']}"
    assert client.patch(path, json={"parameters": {"n": "two"}}).status_code == 409
    assert client.patch(path, json={"parameters": {"n": 2}, "work_queue_name": "new"}).status_code == 204
    changed = client.get(path).json()
    assert (changed["parameters"], changed["work_queue_name"]) == ({"n": 2}, "new")
    assert client.post(f"{path}/pause_deployment").json() is None
    assert client.get(path).json()["paused"] is True
    client.post(f"{path}/resume_deployment")
    assert client.get(path).json()["paused"] is False
    assert client.post("deployments/count", json={"deployments": {"paused": {"eq_": False}}}).json() == 1
    assert client.post("deployments/paginate", json={}).json()["count"] == 1
    assert [client.delete(path).status_code for _ in range(2)] == [204, 404]


def test_schedules_come_and_go_with_the_runs_that_they_plan(
    client: TestClient, backend: Backend, deployment: Document
) -> None:
    path = f"deployments/{deployment['id']}/schedules"
    hourly = {
        "schedule": {"interval": 3600, "anchor_date": "2020-01-01T00:30:00Z"},
        "slug": "h",
        "parameters": {"n": 7},
    }
    made = client.post(path, json=[hourly])
    assert (made.status_code, made.json()[0]["schedule"]["timezone"]) == (201, None)
    assert client.post(path, json=[hourly]).status_code == 409
    for _ in range(2):
        _plan(backend, deployment["id"])
    assert _planned(client) == ["2030-01-01T00:30:00Z", "2030-01-03T14:00:00Z"], "made once, however often planned"
    one = f"{path}/{made.json()[0]['id']}"
    assert client.patch(one, json={"active": False, "schedule": None}).status_code == 204
    assert _planned(client) == [], "a change takes back what was planned and has not begun"
    _plan(backend, deployment["id"])
    assert _planned(client) == ["2030-01-03T14:00:00Z"]
    assert [client.delete(one).status_code for _ in range(2)] == [204, 404]
    assert [each["slug"] for each in client.get(path).json()] == ["monthly"]
    assert _planned(client) == []


def test_a_schedule_is_changed_by_its_slug_with_the_deployment(client: TestClient, deployment: Document) -> None:
    path = f"deployments/{deployment['id']}"
    assert client.patch(path, json={"schedules": [{"slug": "monthly", "active": False}]}).status_code == 204
    (schedule,) = client.get(path).json()["schedules"]
    assert (schedule["id"], schedule["active"]) == (deployment["schedules"][0]["id"], False)
    refused = client.patch(path, json={"schedules": [{"slug": "weekly", "active": False}]})
    assert (refused.status_code, "'weekly'" in refused.json()["detail"]) == (422, True)


def test_a_process_that_serves_flows_is_given_its_runs(client: TestClient, made: Made, deployment: Document) -> None:
    run = made(f"deployments/{deployment['id']}/create_flow_run")
    body: dict[str, Any] = {"deployment_ids": [deployment["id"]]}

    def due(**more: Any) -> list[str]:
        found = client.post("deployments/get_scheduled_flow_runs", json={**body, **more}).json()
        return [each["id"] for each in found]

    assert due() == due(scheduled_before="2099-01-01T00:00:00Z") == [run["id"]]
    assert due(scheduled_before="2020-01-01T00:00:00Z") == []
    assert client.get(f"deployments/{deployment['id']}").json()["status"] == "READY"
