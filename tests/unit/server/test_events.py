"""Events over the interface: told, listed, counted and streamed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from orchestration.backend.clock import utc_now
from orchestration.backend.local import LocalBackend
from orchestration.backend.port import Backend
from orchestration.domain.schemas.wire import events_of
from orchestration.domain.states import Completed, Running
from tests.support.records import at, born, task_record
from tests.support.rest import Made

TAG = {"prefect.resource.id": "prefect.tag.a", "prefect.resource.role": "tag"}


def _event(name: str = "a.b", resource: str = "r.1", **fields: Any) -> dict[str, Any]:
    labels = {"prefect.resource.id": resource, "colour": "light-red"}
    return {"id": str(uuid4()), "occurred": utc_now().isoformat(), "event": name, "resource": labels, **fields}


def _names(client: TestClient, wanted: dict[str, Any]) -> list[str]:
    answer = client.post("events/filter", json={"filter": wanted})
    assert answer.status_code == 200, answer.text
    assert answer.json()["total"] == len(answer.json()["events"])
    return [event["event"] for event in answer.json()["events"]]


# -- told ----------------------------------------------------------------------------------------


def test_events_of_a_client_become_task_runs(client: TestClient, made: Made) -> None:
    run_id = made.flow_run()["id"]
    record = task_record(name="fit-0")
    events = events_of(born(record, at(Running(), 1), at(Completed(), 2)))
    for _ in range(2):
        assert client.post("events", json=events, headers={"Idempotency-Key": str(uuid4())}).status_code == 204
    task = client.get(f"task_runs/{record.id}").json()
    assert (task["name"], task["state_type"]) == ("fit-0", "COMPLETED")
    assert _names(client, {"event": {"prefix": ["prefect.task-run"]}}) == []
    assert run_id


def test_a_batch_of_events_that_is_sent_again_is_stored_once(client: TestClient) -> None:
    record, key = task_record(), {"Idempotency-Key": str(uuid4())}
    events = events_of(born(record, at(Running(), 1)))
    for _ in range(2):
        assert client.post("events", json=events, headers=key).status_code == 204
    states = client.get("task_run_states/", params={"task_run_id": str(record.id)}).json()
    assert [state["type"] for state in states] == ["PENDING", "RUNNING"]


def test_other_events_are_kept_once(client: TestClient) -> None:
    event = _event(related=[TAG], payload={"x": [1]}, follows=str(uuid4()))
    for _ in range(2):
        assert client.post("events", json=[event]).status_code == 204
    (kept,) = client.post("events/filter").json()["events"]
    assert {name: kept[name] for name in ("id", "event", "resource", "related", "payload", "follows")} == {
        name: event[name] for name in ("id", "event", "resource", "related", "payload", "follows")
    }


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"id": "x"}, "id"),
        ({"occurred": "x"}, "occurred"),
        ({"event": ""}, "event"),
        ({"resource": {}}, "resource"),
        ({"related": [{}]}, "related"),
        ({"payload": 3}, "payload"),
    ],
)
def test_an_event_that_is_none_is_refused(client: TestClient, fields: dict[str, Any], field: str) -> None:
    answer = client.post("events", json=[{**_event(), **fields}])
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"body.0.{field}")


def test_a_task_runs_event_that_lacks_its_run_is_refused(client: TestClient) -> None:
    (event, *_) = events_of(born(task_record()))
    answer = client.post("events", json=[{**event, "payload": {}}])
    assert answer.status_code == 422
    assert "payload" in answer.json()["detail"]


def test_states_that_nobody_has_proposed_here_are_events_as_well(
    client: TestClient, made: Made, backend: Backend
) -> None:
    """Those of a run that a scheduler has made and a worker has claimed and lost, each told once."""
    assert isinstance(backend, LocalBackend)
    announcing = client.app.state.backend  # type: ignore[attr-defined]
    pool = backend.create("work_pools", {"name": "trips", "type": "process"})
    flow_id = made("flows/", name="main")["id"]
    deployment = backend.create("deployments", {"name": "d", "flow_id": flow_id, "work_pool_name": "trips"})
    run = backend.create_run_of_deployment(UUID(deployment["id"]), {})
    (claimed,) = backend.claim_runs(UUID(pool["id"]), (), 1, "worker")
    client.post(f"flow_runs/{run.id}/set_state", json={"state": {"type": "RUNNING"}})
    backend.end_claim(UUID(claimed["claim_id"]), "It was killed.")
    for _ in range(2):
        announcing.announce_others(backend, utc_now())
    wanted = {"resource": {"id": [f"prefect.flow-run.{run.id}"]}}
    assert sorted(_names(client, wanted)) == [
        f"prefect.flow-run.{name}" for name in ("Crashed", "Pending", "Running", "Scheduled")
    ]
    crashed = client.post("events/filter", json={"filter": {"event": {"name": ["prefect.flow-run.Crashed"]}}})
    assert crashed.json()["events"][0]["payload"]["initial_state"]["name"] == "Running"


def test_each_state_of_a_flow_run_is_an_event(client: TestClient, made: Made) -> None:
    run = made.flow_run(name="light-boar", tags=["a"])
    state = made.state(run["id"], "RUNNING", message="m" * 200_000)["state"]
    newest, oldest = client.post("events/filter").json()["events"]
    assert (oldest["event"], newest["event"]) == ("prefect.flow-run.Pending", "prefect.flow-run.Running")
    assert (newest["id"], newest["follows"], newest["occurred"]) == (state["id"], oldest["id"], state["timestamp"])
    about = newest["resource"]
    assert about["prefect.resource.id"] == f"prefect.flow-run.{run['id']}"
    assert (about["prefect.resource.name"], about["prefect.state-type"]) == ("light-boar", "RUNNING")
    assert len(about["prefect.state-message"]) == 100_000
    assert {each["prefect.resource.role"] for each in newest["related"]} == {"flow", "tag"}
    assert newest["payload"]["intended"] == {"from": "PENDING", "to": "RUNNING"}


# -- listed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, ["b.z", "a.y", "a.x"]),
        ({"order": "ASC"}, ["a.x", "a.y", "b.z"]),
        ({"event": {"prefix": ["a."]}}, ["a.y", "a.x"]),
        ({"event": {"exclude_prefix": ["a."]}}, ["b.z"]),
        ({"event": {"name": ["a.x", "b.z"], "exclude_name": ["b.z"]}}, ["a.x"]),
        ({"resource": {"id": ["r.2"]}}, ["a.y"]),
        ({"resource": {"id_prefix": ["r."]}}, ["b.z", "a.y", "a.x"]),
        ({"resource": {"labels": {"colour": "light-*"}}}, ["b.z", "a.y", "a.x"]),
        ({"resource": {"labels": {"colour": ["!light-*"]}}}, []),
        ({"resource": {"labels": {"size": "*"}}}, []),
        ({"related": {"id": ["prefect.tag.a"]}}, ["b.z"]),
        ({"related": [{"role": ["tag"]}, {"role": ["flow"]}]}, []),
        ({"related": {"resources_in_roles": [["prefect.tag.a", "tag"]]}}, ["b.z"]),
        ({"any_resource": {"id": ["prefect.tag.a"]}}, ["b.z"]),
        ({"any_resource": [{"id_prefix": ["r.2"]}]}, ["a.y"]),
        ({"text": {"query": "needle -nothing"}}, ["a.x"]),
        ({"text": {"query": '+"light-red" -needle'}}, ["b.z", "a.y"]),
        ({"occurred": {"since": "2999-01-01T00:00:00Z"}}, []),
        ({"occurred": {"until": "2000-01-01T00:00:00"}}, []),
    ],
)
def test_events_are_listed_by_a_filter(client: TestClient, wanted: dict[str, Any], names: list[str]) -> None:
    told = [_event("a.x", payload={"k": "Needle"}), _event("a.y", "r.2"), _event("b.z", related=[TAG])]
    for event in told:
        client.post("events", json=[event])
    assert _names(client, wanted) == names
    assert _names(client, {**wanted, "id": {"id": [told[0]["id"]]}}) == [name for name in names if name == "a.x"]


def test_pages_of_events_follow_one_another(client: TestClient) -> None:
    client.post("events", json=[_event(f"e.{place}") for place in range(5)])
    page = client.post("events/filter", json={"limit": 2}).json()
    found = [event["event"] for event in page["events"]]
    while page["next_page"]:
        page = client.get(page["next_page"]).json()
        found += [event["event"] for event in page["events"]]
    assert sorted(found) == [f"e.{place}" for place in range(5)]
    assert page["total"] == 5


@pytest.mark.parametrize("token", ["x", "bnVsbA==", "WzEsMiwzXQ=="])
def test_a_page_that_this_server_did_not_name_is_refused(client: TestClient, token: str) -> None:
    assert client.get("events/filter/next", params={"page-token": token}).status_code == 403


@pytest.mark.parametrize("body", [{"limit": 51}, {"filter": {"colour": 1}}, {"filter": {"related": 3}}])
def test_a_filter_of_events_that_is_none_is_refused(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post("events/filter", json=body).status_code == 422


# -- streamed ------------------------------------------------------------------------------------


@contextmanager
def _stream(client: TestClient, path: str, **wanted: Any) -> Iterator[WebSocketTestSession]:
    with client.websocket_connect(f"/api/{path}", subprotocols=["prefect"]) as stream:
        stream.send_json({"type": "auth", "token": None})
        assert stream.receive_json() == {"type": "auth_success"}
        stream.send_json({"type": "filter", **wanted})
        yield stream


async def _listened_to(feed: Any) -> None:
    while not feed._listeners:  # noqa: ASYNC110 - a feed tells nobody that somebody listens
        await asyncio.sleep(0)
    await feed._ready.wait()


def _until_listened_to(client: TestClient, name: str) -> None:
    """A stream is not told when it has begun; whoever writes before that is not heard."""
    app: Any = client.app
    assert client.portal is not None
    client.portal.call(_listened_to, getattr(app.state, name))


def test_a_stream_tells_what_was_and_what_comes(client: TestClient, made: Made) -> None:
    run = made.flow_run()
    wanted = {"event": {"prefix": ["prefect.flow-run."]}, "resource": {"id": [f"prefect.flow-run.{run['id']}"]}}
    with _stream(client, "events/out", filter=wanted) as stream:
        told = stream.receive_json()
        assert (told["type"], told["event"]["event"]) == ("event", "prefect.flow-run.Pending")
        made.flow_run()
        made.state(run["id"], "RUNNING")
        assert stream.receive_json()["event"]["event"] == "prefect.flow-run.Running"
        made.state(run["id"], "COMPLETED")
        assert stream.receive_json()["event"]["event"] == "prefect.flow-run.Completed"


def test_a_stream_takes_the_filter_of_prefects_worker_as_it_is_sent(client: TestClient, made: Made) -> None:
    run = made.flow_run(tags=["a"])
    nothing: dict[str, Any] = dict.fromkeys(("resource", "related", "text"))
    wanted = {
        "occurred": {"since": "2026-01-01T00:00:00Z", "until": "2999-01-01T00:00:00Z"}, **nothing, "order": "DESC",
        "event": {"prefix": None, "name": ["prefect.flow-run.Cancelling"], "exclude_name": None},
        "any_resource": {"id": ["prefect.tag.a"], "id_prefix": None, "labels": None}, "id": {"id": []},
    }  # fmt: skip
    with _stream(client, "events/out", filter=wanted) as stream:
        _until_listened_to(client, "events")
        made.state(made.flow_run(tags=["b"])["id"], "CANCELLING")
        made.state(run["id"], "CANCELLING")
        told = stream.receive_json()["event"]
        assert told["resource"]["prefect.resource.id"] == f"prefect.flow-run.{run['id']}"


def test_a_stream_tells_what_other_servers_of_the_store_wrote(client: TestClient, backend: Backend) -> None:
    with _stream(client, "events/out", filter={}, backfill=False) as stream:
        _until_listened_to(client, "events")
        known = {**_event("x"), "received": utc_now(), "resource_id": "r.1", "related": [], "payload": {}}
        backend.create("events", known)
        assert stream.receive_json()["event"]["id"] == known["id"]


def test_a_stream_tells_of_task_runs_though_their_events_are_not_kept(client: TestClient) -> None:
    with _stream(client, "events/out", filter={"event": {"prefix": ["prefect.task-run."]}}) as stream:
        _until_listened_to(client, "events")
        record = task_record()
        moment = utc_now()
        events = events_of(born(record, Running().evolve(id=uuid4(), timestamp=moment)))
        client.post("events", json=[{**event, "occurred": moment.isoformat()} for event in events])
        assert [stream.receive_json()["event"]["event"] for _ in events] == [each["event"] for each in events]


def test_events_come_in_by_a_stream(client: TestClient) -> None:
    with client.websocket_connect("/api/events/in") as stream:
        stream.send_json(_event("told"))
        stream.send_json({"id": 3})
        with pytest.raises(WebSocketDisconnect) as closed:
            stream.receive_json()
    assert closed.value.code == 1003
    assert _names(client, {}) == ["told"]


@pytest.mark.parametrize("first", [{"type": "filter"}, "text", [], {"type": "auth"}])
def test_a_stream_that_does_not_keep_to_the_protocol_is_closed(client: TestClient, first: Any) -> None:
    with client.websocket_connect("/api/events/out", subprotocols=["prefect"]) as stream:
        stream.send_json(first)
        if first == {"type": "auth"}:
            assert stream.receive_json() == {"type": "auth_success"}
            stream.send_json({"type": "filter", "filter": {"colour": 3}})
        with pytest.raises(WebSocketDisconnect) as closed:
            stream.receive_json()
    assert closed.value.code in (1002, 1008)
