"""Who may do what, on a server that has just one route and one stream of each kind."""

import base64
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from orchestration.backend.clock import utc_now
from orchestration.backend.connect import open_backend
from orchestration.backend.port import Backend
from orchestration.domain.settings import Role, Settings, digest, new_key
from orchestration.domain.states import StoredResult
from orchestration.server.api.admin import Metrics
from orchestration.server.auth import LIFE, Access, CsrfTokens, Gate, may

VERBS = ("GET", "POST", "PATCH", "DELETE")


async def _answer(request: Request) -> PlainTextResponse:
    caller = request.scope.get("caller")
    return PlainTextResponse(caller.name if caller else "anybody")


async def _stream(socket: WebSocket) -> None:
    await socket.accept()
    with suppress(WebSocketDisconnect):
        await socket.receive_json()
        await socket.send_json({"type": "auth_success"})


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    opened = open_backend(Settings(tmp_path), StoredResult)
    yield opened
    opened.close()


def _client(backend: Backend, **settings: Any) -> TestClient:
    routes = [Route("/{path:path}", _answer, methods=VERBS), WebSocketRoute("/{path:path}", _stream)]
    access = Access(Settings(Path("/nowhere"), **settings), backend)
    return TestClient(Gate(Starlette(routes=routes), access, Metrics()))


def _key(backend: Backend, role: Role) -> dict[str, str]:
    key = new_key()
    backend.create("api_keys", {"name": f"a {role}", "role": role, "digest": digest(key)})
    return {"Authorization": f"Bearer {key}"}


def _basic(string: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(string.encode()).decode()}


# -- whether anybody is asked ---------------------------------------------------------------------


def test_without_a_key_or_an_auth_string_nobody_is_asked(backend: Backend) -> None:
    client = _client(backend)
    assert client.post("/api/flows/").text == "anybody"
    with client.websocket_connect("/api/events/in") as socket:
        socket.send_json({"type": "auth", "token": None})
        assert socket.receive_json() == {"type": "auth_success"}


@pytest.mark.parametrize("path", ["/api/health", "/api/ready"])
def test_a_watcher_is_not_asked(backend: Backend, path: str) -> None:
    client = _client(backend, server_api_auth_string="me:secret")
    assert client.get(path).status_code == 200
    for tricky in (f"{path}/", f"/x{path}", f"{path}/../flows/filter", f"/api/flows/filter?x={path}", f"{path}%2f"):
        assert client.get(tricky).status_code == 401, tricky


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic !!!", "Basic //8=", "Basic bWU6d3Jvbmc=", "Bearer", "Bearer wrong", "Digest x", "Bearer é"],
)
def test_who_is_not_known_gets_nothing(backend: Backend, header: str) -> None:
    client = _client(backend, server_api_auth_string="me:secret")
    answer = client.post("/api/flows/filter", headers={"Authorization": header.encode()})
    assert (answer.status_code, answer.json()["exception_message"]) == (401, "Unauthorized")
    assert "Basic" in answer.headers["WWW-Authenticate"]
    with client.websocket_connect("/api/events/in") as socket:
        socket.send_json({"type": "auth", "token": header})
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()


def test_the_auth_string_is_an_admins(backend: Backend) -> None:
    client = _client(backend, server_api_auth_string="me:secret")
    for header in (_basic("me:secret"), {"Authorization": "Bearer me:secret"}):
        assert client.delete("/api/x/keys/1", headers=header).text == "auth string"
    with client.websocket_connect("/api/events/in") as socket:
        socket.send_json({"type": "auth", "token": "me:secret"})
        assert socket.receive_json() == {"type": "auth_success"}


def test_a_key_that_was_revoked_is_none(backend: Backend) -> None:
    header = _key(backend, Role.ADMIN)
    _key(backend, Role.VIEWER)
    client = _client(backend)
    assert client.get("/api/flows/1", headers=header).text == "a admin"
    backend.change("api_keys", {"revoked": utc_now().isoformat()}, name="a admin")
    assert client.get("/api/flows/1", headers=header).status_code == 401


# -- what the roles may ---------------------------------------------------------------------------

CASES = {
    ("GET", "/api/flows/1", ""): "voa", ("POST", "/api/flow_runs/filter", ""): "voa",
    ("POST", "/api/flow_runs/count", ""): "voa", ("POST", "/api/flow_runs/", ""): "oa",
    ("PATCH", "/api/flow_runs/1", ""): "oa", ("DELETE", "/api/flow_runs/1", ""): "oa",
    ("GET", "/api/block_documents/1", "include_secrets=true"): "oa", ("GET", "/api/x/keys", ""): "a",
    ("POST", "/api/x/keys/", ""): "a", ("GET", "/api/x/audit", ""): "a",
    ("PUT", "/api/admin/storage", ""): "a", ("GET", "/api/admin/storage", ""): "voa",
}  # fmt: skip


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("asked", "allowed"), CASES.items())
def test_a_role_may_do_its_part(role: Role, asked: tuple[str, str, str], allowed: str) -> None:
    method, path, query = asked
    scope = {"method": method, "path": path, "query_string": query.encode()}
    assert may(role, scope) == (role[0] in allowed)


def test_what_a_role_may_not_do_is_refused_with_its_name(backend: Backend) -> None:
    viewer = _key(backend, Role.VIEWER)
    client = _client(backend)
    answer = client.post("/api/flow_runs/", headers=viewer)
    assert (answer.status_code, "'a viewer' is a viewer's" in answer.json()["detail"]) == (403, True)
    assert client.get("/api/block_documents/1?include_secrets=TRUE", headers=viewer).status_code == 403
    assert client.post("/api/flow_runs/filter", headers=viewer).status_code == 200
    for path, heard in (("/api/events/out", True), ("/api/events/in", False)):
        with client.websocket_connect(path) as socket:
            socket.send_json({"type": "auth", "token": viewer["Authorization"].partition(" ")[2]})
            if heard:
                assert socket.receive_json() == {"type": "auth_success"}
            else:
                with pytest.raises(WebSocketDisconnect):
                    socket.receive_json()


def test_what_keys_changed_stands_in_the_audit_log(backend: Backend) -> None:
    operator = _key(backend, Role.OPERATOR)
    client = _client(backend)
    client.post("/api/flow_runs/", headers=operator)
    client.post("/api/flow_runs/filter", headers=operator)
    client.get("/api/flows/1", headers=operator)
    client.post("/api/x/work_pools/1/claim", headers=operator)
    client.post("/api/x/claims/renew", headers=operator)
    (noted,) = backend.find("audit")
    assert (noted["key_name"], noted["method"], noted["path"], noted["status"]) == (
        "a operator", "POST", "/api/flow_runs/", 200,
    )  # fmt: skip


# -- forged requests ------------------------------------------------------------------------------


def test_a_change_needs_a_token_where_that_is_asked_for(backend: Backend) -> None:
    client = _client(backend, server_csrf_protection=True)
    token = CsrfTokens(backend).token("me", utc_now())["token"]
    assert client.get("/api/flows/1").status_code == 200
    for headers, status in (
        ({}, 403), ({"Prefect-Csrf-Client": "me"}, 403),
        ({"Prefect-Csrf-Client": "you", "Prefect-Csrf-Token": token}, 403),
        ({"Prefect-Csrf-Client": "me", "Prefect-Csrf-Token": token}, 200),
        ({"Prefect-Csrf-Client": "me", "Prefect-Csrf-Token": "9" * 400 + ".x"}, 403),
    ):  # fmt: skip
        assert client.post("/api/flows/", headers=headers).status_code == status, headers


def test_a_token_lives_an_hour_on_all_servers_of_a_database(backend: Backend) -> None:
    now = utc_now()
    made = CsrfTokens(backend).token("me", now)
    other = CsrfTokens(backend)
    assert other.fault("me", made["token"], now + LIFE - timedelta(seconds=2)) is None
    assert other.fault("me", made["token"], now + LIFE + timedelta(seconds=2)) is not None
