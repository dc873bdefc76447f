"""What is asked of the server itself, and what it says of its interface."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from orchestration.backend.port import Backend
from orchestration.domain.errors import StoreError
from orchestration.domain.settings import Settings
from orchestration.server.app import create_app
from tests.support.rest import UNKNOWN, Made


@pytest.mark.parametrize(("path", "said"), [("health", True), ("ready", {"message": "OK"}), ("admin/version", "3.8.8")])
def test_the_server_tells_how_it_is(client: TestClient, path: str, said: Any) -> None:
    assert client.get(path).json() == said


def test_it_tells_its_own_version(client: TestClient) -> None:
    assert isinstance(client.get("version").json(), str)


def test_there_are_no_tokens_where_none_are_needed(client: TestClient) -> None:
    answer = client.get("csrf-token", params={"client": UNKNOWN})
    assert (answer.status_code, answer.json()["detail"]) == (422, "CSRF protection is disabled.")
    assert client.get("csrf-token").status_code == 422


def test_tokens_are_given_where_they_are_needed(settings: Settings, backend: Backend) -> None:
    app = create_app(replace(settings, server_csrf_protection=True), backend)
    client = TestClient(app, base_url="http://testserver/api/")
    assert client.post("flows/", json={"name": "a"}).status_code == 403
    token = client.get("csrf-token", params={"client": "me"}).json()["token"]
    headers = {"Prefect-Csrf-Client": "me", "Prefect-Csrf-Token": token}
    assert client.post("flows/", json={"name": "a"}, headers=headers).status_code == 201


def test_a_block_for_results_must_be_there(client: TestClient) -> None:
    assert client.get("admin/storage").json() == {"default_result_storage_block_id": None}
    assert client.put("admin/storage", json={"default_result_storage_block_id": UNKNOWN}).status_code == 404
    assert client.put("admin/storage", json={}).status_code == 422
    assert client.delete("admin/storage").status_code == 204


def test_a_block_for_results_is_kept(client: TestClient, backend: Backend) -> None:
    backend.create("settings", {"name": "default_result_storage", "value": UNKNOWN})
    assert client.get("admin/storage").json() == {"default_result_storage_block_id": UNKNOWN}
    assert client.delete("admin/storage").status_code == 204
    assert client.get("admin/storage").json() == {"default_result_storage_block_id": None}


def test_figures_are_in_prometheus_form(client: TestClient, made: Made) -> None:
    made.state(made.flow_run()["id"], "RUNNING")
    client.get("nothing")
    text = client.get("http://testserver/metrics").text
    assert all(re.fullmatch(r"# TYPE \w+ \w+|\w+(\{.*\})? [\d.e+-]+", line) for line in text.splitlines())
    assert 'orchestration_flow_runs{state="RUNNING"} 1' in text
    assert re.search(r'orchestration_requests_total\{method="POST",route="[^"]*/flows/",status="201"\} 1', text)
    assert 'status="404"' in text
    assert re.search(r"^orchestration_request_seconds_count \d+$", text, re.MULTILINE)
    assert re.search(r"^orchestration_database_bytes [1-9]\d+$", text, re.MULTILINE)


def test_a_store_that_is_gone_is_not_the_callers_fault(
    client: TestClient, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise StoreError("The store is gone.")

    monkeypatch.setattr(backend, "count", gone)
    answer = client.get("ready")
    assert (answer.status_code, answer.json()["detail"]) == (503, "The store is gone.")
    assert client.get("health").status_code == 200


def test_a_fault_of_the_server_tells_nothing_of_it(
    settings: Settings, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(backend, "count", fault)
    client = TestClient(create_app(settings, backend), raise_server_exceptions=False)
    answer = client.get("/api/ready")
    assert answer.status_code == 500
    assert "inside" not in answer.text
    assert answer.json()["detail"]


def test_the_interface_is_described(client: TestClient) -> None:
    document = client.get("http://testserver/openapi.json").json()
    listing = document["paths"]["/api/flow_runs/filter"]["post"]
    name = listing["requestBody"]["content"]["application/json"]["schema"]
    assert "FlowRunsListing" in str(name)
    fields = document["components"]["schemas"]["FlowRunsListing"]["properties"]
    assert {"flows", "flow_runs", "sort", "limit", "offset"} <= set(fields)
    assert "4XX" in listing["responses"]
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))


def test_people_read_the_interface_without_another_host(client: TestClient) -> None:
    page = client.get("http://testserver/docs").text
    assert 'fetch("openapi.json")' in page
    assert not re.search(r"(https?:)?//\w", page)
