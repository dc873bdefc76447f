"""What every request is held to: size, time, depth, and characters that no store takes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from orchestration.server import auth
from orchestration.server.auth import DEEPEST, MOST_BYTES, body_of

JSON = {"content-type": "application/json"}


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(client: TestClient) -> None:
    answer = client.post("flows/", content=b"", headers={**JSON, "content-length": str(MOST_BYTES + 1)})
    assert answer.status_code == 413
    assert f"{MOST_BYTES:,}" in answer.json()["detail"]


def test_a_body_that_does_not_tell_its_size_is_refused_as_well(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "MOST_BYTES", 1000)

    def chunks() -> Iterator[bytes]:
        yield from (b" " * 300 for _ in range(5))

    assert client.post("flows/", content=chunks(), headers=JSON).status_code == 413
    assert client.post("flows/", content=b'{"name":"a"}' + b" " * 900, headers=JSON).status_code == 201


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 5_000, b'{"name":"a","labels":' + b"[" * 300 + b"]" * 300 + b"}"]
)
def test_a_body_that_is_too_deep_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("flows/", content=body, headers=JSON)
    assert answer.status_code == 422
    assert f"{DEEPEST} levels" in answer.json()["detail"]


def test_brackets_in_texts_are_not_deep(client: TestClient) -> None:
    made = client.post("variables/", json={"name": "a", "value": "[{" * 1000})
    assert made.json()["value"] == "[{" * 1000
    many = client.post("variables/", json={"name": "b", "value": [[]] * 1000})
    assert many.json()["value"] == [[]] * 1000


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (r'"a\u0000b"', "a�b"),
        (r'"\ud83d"', "�"),
        (r'"\uDE95 x"', "� x"),
        (r'"\ud83d\uDE95"', "\U0001f695"),
        (r'"\\u0000 \\ud83d"', r"\u0000 \ud83d"),
        (r'"\\\u0000"', "\\�"),
    ],
)
def test_what_no_store_takes_is_replaced(client: TestClient, sent: str, kept: str) -> None:
    body = f'{{"name": "a", "value": {sent}, "tags": [{sent}]}}'
    made = client.post("variables/", content=body, headers=JSON)
    assert made.status_code == 201
    read = client.get("variables/name/a").json()
    assert (read["value"], read["tags"]) == (kept, [kept])


@pytest.mark.parametrize("path", ["variables/name/a%00b", "flow_run_states/?flow_run_id=%00"])
def test_an_address_with_a_nul_is_refused(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"), [(b"nonsense", 422), (b'{"name": ', 422), (b"\xff\xfe", 422), (b"9" * 5000, 400), (b"NaN", 422)]
)
def test_what_is_no_json_is_refused(client: TestClient, body: bytes, status: int) -> None:
    answer = client.post("flows/", content=body, headers=JSON)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_a_client_need_not_say_that_it_sends_json(client: TestClient) -> None:
    assert client.post("flows/", content=b'{"name": "a"}').status_code == 201


def test_numbers_that_json_lacks_come_back_as_null(client: TestClient) -> None:
    made = client.post("variables/", content=b'{"name": "a", "value": [NaN, Infinity, 1]}')
    assert made.json()["value"] == [None, None, 1]


async def _body(messages: list[Any]) -> bytes:
    """The body of a request that arrives as the messages do; after them nothing comes."""

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    return await body_of({"path": "/", "query_string": b"", "headers": []}, receive)


def test_a_client_that_is_too_slow_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "PATIENCE", 0.01)
    with pytest.raises(HTTPException) as refused:
        asyncio.run(_body([{"type": "http.request", "body": b"{", "more_body": True}]))
    assert (refused.value.status_code, "did not arrive" in refused.value.detail) == (408, True)
