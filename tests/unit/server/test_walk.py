"""Every route and stream of the server, without credentials and with a viewer's: nothing is left open by mistake."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from orchestration.backend.connect import open_backend
from orchestration.domain.settings import Role, Settings, digest, new_key
from orchestration.domain.states import StoredResult
from orchestration.server.app import create_app
from orchestration.server.auth import OPEN, may
from tests.support.rest import UNKNOWN

READ_BY_POST = ("/filter", "/count", "/paginate", "/history")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    settings = Settings(tmp_path, server_api_auth_string="me:secret")
    backend = open_backend(settings, StoredResult)
    yield create_app(settings, backend)
    backend.close()


def _routes(router: Any) -> Iterator[tuple[str, Any]]:
    """Every route with its whole path, those of included routers as well."""
    for route in router.routes:
        if hasattr(route, "original_router"):
            yield from _routes(route.original_router)
        else:
            assert not isinstance(route, Mount), "what is mounted is not walked"
            yield route.path, route


def _addresses(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path, with an id that nothing has where the path has one."""
    found = []
    for path, route in _routes(app):
        if isinstance(route, Route):
            found += [(method, re.sub(r"{\w+(:\w+)?}", UNKNOWN, path)) for method in sorted(route.methods or ())]
    assert {path for _, path in found} >= {re.sub(r"{\w+}", UNKNOWN, path) for path in app.openapi()["paths"]}
    return found


def test_nobody_gets_anything_without_credentials(app: FastAPI) -> None:
    client = TestClient(app)
    addresses = _addresses(app)
    assert len(addresses) > 120
    for method, path in addresses:
        answer = client.request(method, path)
        assert (path in OPEN) == (answer.status_code != 401), (method, path, answer.status_code)


def test_a_viewer_reads_and_changes_nothing(app: FastAPI) -> None:
    client, key = TestClient(app), new_key()
    app.state.backend.create("api_keys", {"name": "v", "role": Role.VIEWER, "digest": digest(key)})
    for method, path in _addresses(app):
        answer = client.request(method, path, headers={"Authorization": f"Bearer {key}"})
        reads = method in ("GET", "HEAD") or path in OPEN or (method == "POST" and path.endswith(READ_BY_POST))
        assert (answer.status_code == 403) == (not reads), (method, path, answer.status_code)
        assert answer.status_code < 500, (method, path, answer.text)
        assert may(Role.ADMIN, {"method": method, "path": path, "query_string": b"include_secrets=1"})


@pytest.mark.parametrize("token", [None, "wrong", "viewer"])
def test_no_stream_opens_for_strangers_nor_takes_anything_from_a_viewer(app: FastAPI, token: str | None) -> None:
    client, key = TestClient(app), new_key()
    app.state.backend.create("api_keys", {"name": "v", "role": Role.VIEWER, "digest": digest(key)})
    streams = [path for path, route in _routes(app) if isinstance(route, WebSocketRoute)]
    assert {"/api/events/in", "/api/events/out"} <= set(streams)
    for path in streams:
        opened = False
        with (
            suppress(WebSocketDisconnect),
            client.websocket_connect(path.replace("{name}", "pool"), ["prefect"]) as socket,
        ):
            socket.send_json({"type": "auth", "token": key if token == "viewer" else token})
            opened = socket.receive_json() == {"type": "auth_success"}
        assert opened == (token == "viewer" and path.endswith("/out")), path
