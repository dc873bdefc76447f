"""Work pools, queues and workers over the REST interface."""

from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from orchestration.domain.schemas.wire import Document
from tests.support.rest import Made

NOBODY = "0190a0a0-0000-7000-8000-000000000000"
"""The id of nothing."""


@pytest.fixture
def pool(made: Made) -> Document:
    """A pool ``demo``, with the queue that every pool has."""
    return made("work_pools/", name="demo", type="process")


def _priorities(client: TestClient) -> dict[str, int]:
    return {each["name"]: each["priority"] for each in client.post("work_pools/demo/queues/filter", json={}).json()}


def test_a_pool_is_made_with_a_queue_changed_and_removed(client: TestClient, pool: Document) -> None:
    queue = client.get("work_pools/demo/queues/default").json()
    assert (queue["id"], queue["work_pool_name"], queue["priority"]) == (pool["default_queue_id"], "demo", 1)
    assert client.post("work_pools/", json={"name": "demo", "type": "process"}).status_code == 409
    assert client.patch("work_pools/demo", json={"concurrency_limit": 3, "is_paused": True}).status_code == 204
    changed = client.get("work_pools/demo").json()
    assert (changed["concurrency_limit"], changed["status"]) == (3, "PAUSED")
    assert [client.delete("work_pools/demo").status_code for _ in range(2)] == [204, 404]
    assert client.get(f"work_queues/{queue['id']}").status_code == 404


def test_pools_are_listed_and_counted(client: TestClient, pool: Document, made: Made) -> None:
    made("work_pools/", name="other", type="docker")
    where = {"work_pools": {"type": {"any_": ["process"]}}}
    assert [each["id"] for each in client.post("work_pools/filter", json=where).json()] == [pool["id"]]
    assert client.post("work_pools/count", json={}).json() == 2


def test_a_pool_is_ready_while_a_worker_of_it_lives(client: TestClient, pool: Document) -> None:
    assert pool["status"] == "NOT_READY"
    beat = {"name": "w1", "heartbeat_interval_seconds": 30, "metadata": {"beyond": "us"}}
    assert [client.post("work_pools/demo/workers/heartbeat", json=beat).status_code for _ in range(2)] == [204, 204]
    (worker,) = client.post("work_pools/demo/workers/filter", json={"offset": None}).json()
    assert (worker["name"], worker["status"], worker["work_pool_id"]) == ("w1", "ONLINE", pool["id"])
    assert client.get("work_pools/demo").json()["status"] == "READY"
    assert [client.delete("work_pools/demo/workers/w1").status_code for _ in range(2)] == [204, 404]
    assert client.post("work_pools/demo/workers/filter", json={}).json() == []


@pytest.mark.usefixtures("pool")
def test_a_queue_takes_its_place_among_the_others(client: TestClient, made: Made) -> None:
    made("work_pools/demo/queues", name="first", priority=1)
    last = made("work_pools/demo/queues", name="last")
    assert _priorities(client) == {"first": 1, "default": 2, "last": 3}
    assert client.post("work_pools/demo/queues", json={"name": "last"}).status_code == 409
    client.patch(f"work_queues/{last['id']}", json={"priority": 1})
    assert _priorities(client) == {"last": 1, "first": 2, "default": 3}
    client.patch("work_pools/demo/queues/first", json={"is_paused": True, "name": None})
    assert client.get("work_pools/demo/queues/first").json()["status"] == "PAUSED"
    assert client.delete("work_pools/demo/queues/first").status_code == 204
    where = {"work_queues": {"name": {"startswith_": ["la"]}}}
    assert [each["name"] for each in client.post("work_queues/filter", json=where).json()] == ["last"]


@pytest.mark.usefixtures("pool")
def test_a_queue_is_known_by_its_id_or_its_name_alone(client: TestClient, made: Made) -> None:
    high = made("work_pools/demo/queues", name="high")
    assert client.get("work_queues/name/high").json() == client.get(f"work_queues/{high['id']}").json()
    assert client.delete(f"work_queues/{high['id']}").status_code == 204
    assert client.get("work_queues/name/high").status_code == 404


@pytest.mark.usefixtures("pool")
def test_a_worker_is_given_runs_that_are_due(client: TestClient, made: Made) -> None:
    flow = made("flows/", name="train")
    deployment = made("deployments/", name="d", flow_id=flow["id"], work_pool_name="demo", work_queue_name="high")
    assert deployment["status"] == "NOT_READY"
    run = made(f"deployments/{deployment['id']}/create_flow_run")
    ((given),) = client.post("work_pools/demo/get_scheduled_flow_runs", json={"work_queue_names": ["high"]}).json()
    assert (given["flow_run"]["id"], given["work_queue_id"]) == (run["id"], deployment["work_queue_id"])
    ask = "work_pools/demo/get_scheduled_flow_runs"
    assert client.post(ask, json={"work_queue_names": ["default"]}).json() == []
    assert client.post(ask, json={"scheduled_before": "2020-01-01T00:00:00Z"}).json() == []
    assert client.post(ask, json={"scheduled_after": "2099-01-01T00:00:00Z"}).json() == []
    assert client.post(ask, json={"work_queue_names": ["nope"]}).status_code == 404
    queue = f"work_queues/{deployment['work_queue_id']}"
    assert client.get(queue).json()["status"] == "READY"
    assert client.get(f"deployments/{deployment['id']}").json()["status"] == "READY"


@pytest.mark.usefixtures("pool")
def test_the_channel_of_prefects_worker_is_declined_so_that_it_polls(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("work_pools/demo/workers/connect", ["prefect"]):
        pass


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "work_pools/nope", None),
        ("GET", "work_pools/nope/queues/default", None),
        ("PATCH", "work_pools/nope", {"description": "x"}),
        ("POST", "work_pools/nope/queues", {"name": "q"}),
        ("POST", "work_pools/nope/workers/heartbeat", {"name": "w"}),
        ("POST", "work_pools/nope/get_scheduled_flow_runs", {}),
        ("GET", f"work_queues/{NOBODY}", None),
        ("PATCH", f"work_queues/{NOBODY}", {"priority": 1}),
    ],
)
def test_what_is_not_there_is_not_found(client: TestClient, method: str, path: str, body: dict[str, Any]) -> None:
    assert client.request(method, path, json=body).status_code == 404


def test_what_kinds_of_workers_there_are(client: TestClient) -> None:
    view = client.get("collections/views/aggregate-worker-metadata").json()
    template = view["prefect"]["process"]["default_base_job_configuration"]
    names = {"command", "env", "labels", "name", "stream_output", "working_dir"}
    assert set(template["variables"]["properties"]) == set(template["job_configuration"]) == names


def test_there_are_no_automations(client: TestClient) -> None:
    assert client.get("automations/related-to/prefect.deployment.x").json() == []
    assert client.delete("automations/owned-by/prefect.deployment.x").status_code == 202
