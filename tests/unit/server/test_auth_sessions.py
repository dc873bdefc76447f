"""Sessions: signed, ending, ended with their key, and of no use to other sites."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.settings import Role, Settings, digest, new_key
from orchestration.server.app import create_app
from orchestration.server.auth import COOKIE

AUTH = "admin:word"
PERSON = {"Accept": "text/html"}


@pytest.fixture
def guarded(settings: Settings, backend: Backend) -> TestClient:
    """A browser at a server that asks who one is."""
    app = create_app(replace(settings, server_api_auth_string=AUTH), backend)
    return TestClient(app, headers=PERSON, follow_redirects=False)


def _log_in(client: TestClient, key: str = AUTH, following: str = "/runs") -> str:
    answer = client.post("/login", params={"next": following}, data={"key": key})
    return str(answer.headers.get("location", answer.status_code))


def _token(client: TestClient) -> dict[str, str]:
    content = client.get("/variables").text.split('name="csrf" content="')[1].split('"')[0]
    return dict(zip(("Prefect-Csrf-Client", "Prefect-Csrf-Token"), content.split(" "), strict=True))


def _save(client: TestClient, **headers: str) -> int:
    return int(client.post("/api/variables/", json={"name": "a", "value": 1}, headers=headers).status_code)


def test_no_token_against_forged_requests_can_serve_as_a_session(settings: Settings, backend: Backend) -> None:
    guarded = replace(settings, server_api_auth_string=AUTH, server_csrf_protection=True)
    client = TestClient(create_app(guarded, backend), headers=PERSON, follow_redirects=False)
    known = digest(AUTH)
    for name in (known, f"session {known}"):
        found = client.get("/api/csrf-token", params={"client": name}, auth=("admin", "word")).json()
        client.cookies.set(COOKIE, f"{known}:{found['token']}")
        assert client.get("/runs").status_code == 303


def test_who_is_unknown_is_sent_to_log_in_and_programs_are_refused(guarded: TestClient) -> None:
    assert guarded.get("/runs").headers["location"] == "/login?next=/runs"
    narrowed = "/runs?state=FAILED&tag=ml"
    login = guarded.get(narrowed).headers["location"]
    assert login == "/login?next=/runs%3Fstate%3DFAILED%26tag%3Dml"
    assert guarded.post(login, data={"key": AUTH}).headers["location"] == narrowed
    guarded.cookies.clear()
    assert guarded.get("/runs", headers={"Accept": "*/*"}).status_code == 401
    assert guarded.post("/api/flows/filter").status_code == 401


def test_a_session_is_a_key_that_other_pages_cannot_use(guarded: TestClient) -> None:
    assert _log_in(guarded, "wrong") == "401"
    assert _log_in(guarded) == "/runs"
    assert guarded.get("/runs").status_code == 200
    assert _save(guarded) == 403
    token = _token(guarded)
    assert _save(guarded, **{**token, "Prefect-Csrf-Client": "page-of-another"}) == 403
    assert _save(guarded, **token, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert _save(guarded, **token, **{"Sec-Fetch-Site": "same-origin"}) == 201


def test_who_sends_the_form_empty_leaves(guarded: TestClient) -> None:
    _log_in(guarded)
    assert "Log in" in guarded.post("/login").text
    assert guarded.get("/runs").status_code == 303


ELSEWHERE = ("//example.org", "https://example.org", "/\\example.org", "/\t/example.org", "/%09/x y")


@pytest.mark.parametrize("following", ELSEWHERE)
def test_a_login_leads_nowhere_else(guarded: TestClient, following: str) -> None:
    assert _log_in(guarded, following=following) == "/"


def test_a_session_ends_with_its_key_and_its_day(
    guarded: TestClient, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key()
    made = backend.create("api_keys", {"name": "v", "role": Role.OPERATOR, "digest": digest(key)})
    assert _log_in(guarded, key) == "/runs"
    backend.change("api_keys", {"revoked": utc_now()}, id=made["id"])
    assert guarded.get("/runs").status_code == 303
    _log_in(guarded)
    assert guarded.get("/runs").status_code == 200
    later = utc_now() + timedelta(hours=13)
    monkeypatch.setattr("orchestration.server.auth.utc_now", lambda: later)
    assert guarded.get("/runs").status_code == 303


MADE_UP = ("", "x", "a:b", "a:9999999999.00", ":", "é:1.2", "a:9999999999.é", "a:" + "9" * 5000)


@pytest.mark.parametrize("cookie", MADE_UP)
def test_a_made_up_session_opens_nothing(guarded: TestClient, cookie: str) -> None:
    answer = guarded.get("/runs", headers=[(b"Cookie", f"{COOKIE}={cookie}".encode())])
    assert answer.status_code == 303


def test_a_viewers_session_reads(guarded: TestClient, backend: Backend) -> None:
    key = new_key()
    backend.create("api_keys", {"name": "v", "role": Role.VIEWER, "digest": digest(key)})
    _log_in(guarded, key)
    assert "New variable" not in guarded.get("/variables").text.split("<dialog")[0]
    assert _save(guarded, **_token(guarded)) == 403


@pytest.mark.parametrize("flag", [True, 1, "on", "t", "y", "YES"])
def test_a_viewer_gets_no_secret_however_it_is_asked_for(settings: Settings, backend: Backend, flag: object) -> None:
    key = new_key()
    backend.create("api_keys", {"name": "v", "role": Role.VIEWER, "digest": digest(key)})
    viewer = TestClient(create_app(settings, backend), headers={"Authorization": f"Bearer {key}"})
    for answer in (
        viewer.post("/api/block_documents/filter", json={"include_secrets": flag}),
        viewer.get(f"/api/block_documents/{new_id()}", params={"include_secrets": str(flag)}),
        viewer.get("/api/block_types/slug/secret/block_documents", params={"include_secrets": str(flag)}),
    ):
        assert (answer.status_code, "'v' is a viewer's" in answer.text) == (403, True)
    assert viewer.post("/api/block_documents/filter", json={"include_secrets": False}).json() == []


def test_what_is_no_text_logs_nobody_in(guarded: TestClient) -> None:
    assert guarded.post("/login", content=b"key=\xff").status_code == 401


def test_without_keys_other_sites_are_still_kept_out(settings: Settings, backend: Backend) -> None:
    client = TestClient(create_app(settings, backend))
    assert _save(client, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert _save(client) == 201


def test_pages_carry_a_token_where_the_server_asks_every_client_for_one(settings: Settings, backend: Backend) -> None:
    client = TestClient(create_app(replace(settings, server_csrf_protection=True), backend), headers=PERSON)
    assert _save(client) == 403
    assert _save(client, **_token(client)) == 201
