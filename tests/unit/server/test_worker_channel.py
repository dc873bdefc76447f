"""The stream of a worker of Prefect 3.8: who it is, its signs of life, and what it is told of its pool."""

from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from orchestration.backend.port import Backend

ROUTE = "/api/work_pools/trips/workers/connect"
CAPABILITIES = ["worker_heartbeat.v1", "work_pool_snapshot.v1", "cleanup_delivery.v1"]
HELLO: dict[str, Any] = {
    "consumer_id": str(uuid4()), "worker_name": "ann", "worker_type": "process", "heartbeat_interval_seconds": 15,
    "supported_channel_versions": ["work_pool_worker_channel.v1"], "requested_capabilities": CAPABILITIES,
    "default_base_job_template": {"job_configuration": {}},
}  # fmt: skip


def _say(socket: WebSocketTestSession, kind: str, payload: dict[str, Any]) -> None:
    socket.send_json({"type": kind, "id": str(uuid4()), "sent_at": "2021-02-03T04:05:06Z", "payload": payload})


def _greeted(socket: WebSocketTestSession, **other: Any) -> dict[str, Any]:
    socket.send_json({"type": "auth", "token": None})
    assert socket.receive_json() == {"type": "auth_success"}
    _say(socket, "worker.hello.v1", {**HELLO, **other})
    answer: dict[str, Any] = socket.receive_json()
    assert answer["type"] == "worker.ready.v1"
    return dict(answer["payload"])


def _beat(socket: WebSocketTestSession) -> None:
    named = {"consumer_id": HELLO["consumer_id"], "worker_name": "ann", "heartbeat_interval_seconds": 15}
    _say(socket, "worker.heartbeat.v1", named)


@pytest.fixture
def pool(backend: Backend) -> dict[str, Any]:
    return dict(backend.create("work_pools", {"name": "trips", "type": "process"}))


def test_a_worker_is_told_of_its_pool_and_is_online(
    client: TestClient, backend: Backend, pool: dict[str, Any]
) -> None:
    with client.websocket_connect(ROUTE, subprotocols=["prefect"]) as socket:
        ready = _greeted(socket, work_queue_names=["default", "unknown"])
        worker = backend.read("workers", work_pool_id=pool["id"], name="ann")
        assert (ready["worker_id"], worker["status"]) == (worker["id"], "ONLINE")
        assert ready["accepted_capabilities"] == ["work_pool_snapshot.v1", "worker_heartbeat.v1"]
        assert ready["rejected_capabilities"] == ["cleanup_delivery.v1"]
        assert [each["name"] for each in ready["resolved_work_queues"]] == ["default"]
        shown = ready["initial_snapshot"]
        assert (shown["snapshot_sequence"], shown["reason"], shown["work_pool"]["id"]) == (1, "initial", pool["id"])
        assert shown["work_pool"]["base_job_template"] == {"job_configuration": {}}


def test_a_change_of_the_pool_is_told_after_a_sign_of_life(
    client: TestClient, backend: Backend, pool: dict[str, Any]
) -> None:
    with client.websocket_connect(ROUTE, subprotocols=["prefect"]) as socket:
        _greeted(socket)
        before = backend.read("workers", work_pool_id=pool["id"], name="ann")["last_heartbeat_time"]
        backend.change("work_pools", {"is_paused": True}, id=pool["id"])
        _beat(socket)
        told = socket.receive_json()
        assert (told["type"], told["payload"]["snapshot_sequence"]) == ("work_pool.snapshot.v1", 2)
        assert told["payload"]["work_pool"]["is_paused"] is True
        assert backend.read("workers", work_pool_id=pool["id"], name="ann")["last_heartbeat_time"] > before


def test_a_pool_is_made_for_a_worker_that_asks_for_it(client: TestClient, backend: Backend) -> None:
    with client.websocket_connect(ROUTE, subprotocols=["prefect"]) as socket:
        _greeted(socket, create_pool_if_not_found=True)
    assert backend.read("work_pools", name="trips")["type"] == "process"


@pytest.mark.parametrize(
    ("kind", "payload", "end"),
    [
        ("worker.hello.v1", HELLO, (1002, "protocol_error")),  # there is no such pool
        ("worker.heartbeat.v1", HELLO, (1002, "protocol_error")),
        ("worker.hello.v1", {"worker_name": "ann"}, (1002, "protocol_error")),
        ("worker.hello.v1", {**HELLO, "supported_channel_versions": ["v0"]}, (1008, "unsupported_version")),
    ],
)
def test_what_cannot_be_served_is_closed_with_the_reason(
    client: TestClient, kind: str, payload: dict[str, Any], end: tuple[int, str]
) -> None:
    with client.websocket_connect(ROUTE, subprotocols=["prefect"]) as socket:
        socket.send_json({"type": "auth", "token": None})
        assert socket.receive_json() == {"type": "auth_success"}
        _say(socket, kind, payload)
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
    assert (closed.value.code, closed.value.reason) == end


def test_a_frame_that_is_not_known_ends_the_stream(client: TestClient, pool: dict[str, Any]) -> None:
    with client.websocket_connect(ROUTE, subprotocols=["prefect"]) as socket:
        _greeted(socket)
        _say(socket, "cleanup.ack.v1", {})
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
    assert (closed.value.code, pool["name"]) == (1002, "trips")
