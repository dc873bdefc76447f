"""Concurrency limits over the REST interface: of tags (v1), and of any name with leases (v2)."""

from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from orchestration.backend.port import Backend
from tests.support.rest import Made

V2 = "v2/concurrency_limits/"


def _slots(client: TestClient, name: str = "db") -> int:
    taken: int = client.get(f"{V2}{name}").json()["active_slots"]
    return taken


def test_slots_of_a_tag_belong_to_a_task_run(client: TestClient, made: Made) -> None:
    limit = made("concurrency_limits/", tag="db", concurrency_limit=1)
    one, two = str(uuid4()), str(uuid4())

    def asked(what: str, task_run_id: str) -> Any:
        return client.post(f"concurrency_limits/{what}", json={"names": ["db", "free"], "task_run_id": task_run_id})

    taken = asked("increment", one)
    assert (taken.status_code, taken.json()) == (200, [{"id": limit["id"], "name": "db", "limit": 1}])
    assert asked("increment", one).status_code == 200, "asked again after the answer was lost"
    full = asked("increment", two)
    assert (full.status_code, float(full.headers["Retry-After"])) == (423, 0.1)
    assert client.get("concurrency_limits/tag/db").json()["active_slots"] == [one]
    assert client.get(f"{V2}tag:db").json()["active_slots"] == 1, "Prefect's task engine knows it by that name"
    asked("decrement", one)
    assert asked("increment", two).status_code == 200
    client.post("concurrency_limits/tag/db/reset", json={})
    assert client.get("concurrency_limits/tag/db").json()["active_slots"] == []


def test_a_tags_limit_is_made_changed_listed_and_deleted(client: TestClient, made: Made) -> None:
    made("concurrency_limits/", tag="db", concurrency_limit=1)
    changed = client.post("concurrency_limits/", json={"tag": "db", "concurrency_limit": 3})
    assert (changed.status_code, changed.json()["concurrency_limit"]) == (200, 3)
    made(V2, name="other", limit=1)
    assert [each["tag"] for each in client.post("concurrency_limits/filter", json={}).json()] == ["db"]
    assert [client.delete("concurrency_limits/tag/db").status_code for _ in range(2)] == [200, 404]


def test_a_lease_holds_slots_until_it_is_given_back(client: TestClient, made: Made, backend: Backend) -> None:
    limit = made(V2, name="db", limit=2)
    body = {"names": ["db", "free"], "slots": 2, "lease_duration": 60}
    lease = client.post(f"{V2}increment-with-lease", json=body).json()
    assert lease["limits"] == [{"id": limit["id"], "name": "db", "limit": 2}]
    full = client.post(f"{V2}increment-with-lease", json={**body, "slots": 1})
    assert (full.status_code, "Retry-After" in full.headers) == (423, True)
    assert client.post(f"{V2}leases/{lease['lease_id']}/renew").status_code == 204
    assert [str(each) for each in backend.concurrency_limits()[0].lease_ids] == [lease["lease_id"]]
    for _ in range(2):
        assert client.post(f"{V2}decrement-with-lease", json={"lease_id": lease["lease_id"]}).status_code == 204
    assert client.post(f"{V2}leases/{lease['lease_id']}/renew", json={}).status_code == 410
    assert _slots(client) == 0


def test_slots_without_a_lease_come_back_by_number(client: TestClient, made: Made) -> None:
    made(V2, name="db", limit=3)
    for _ in range(3):
        assert client.post(f"{V2}increment", json={"names": ["db"], "slots": 1}).status_code == 200
    assert client.post(f"{V2}increment", json={"names": ["db"], "slots": 1}).status_code == 423
    assert client.post(f"{V2}decrement", json={"names": ["db"], "slots": 2}).json()[0]["name"] == "db"
    assert _slots(client) == 1
    assert client.post(f"{V2}increment", json={"names": ["unknown"], "slots": 9}).json() == []


def test_a_rate_needs_slots_that_come_back_by_themselves(client: TestClient, made: Made) -> None:
    made(V2, name="steady", limit=1)
    made(V2, name="rate", limit=1, slot_decay_per_second=0.001)
    rate = {"slots": 1, "mode": "rate_limit"}
    assert client.post(f"{V2}increment", json={**rate, "names": ["steady"]}).status_code == 422
    assert client.post(f"{V2}increment", json={**rate, "names": ["rate"]}).status_code == 200
    later = client.post(f"{V2}increment", json={**rate, "names": ["rate"]})
    assert (later.status_code, float(later.headers["Retry-After"]) > 900) == (423, True)


def test_a_limit_is_changed_by_name_or_id(client: TestClient, made: Made) -> None:
    limit = made(V2, name="db", limit=1)
    assert client.patch(f"{V2}db", json={"limit": 5, "active": False}).status_code == 204
    changed = client.get(f"{V2}{limit['id']}").json()
    assert (changed["limit"], changed["active"], changed["created"]) == (5, False, limit["created"])
    client.patch(f"{V2}db", json={"active": True, "active_slots": 2})
    assert _slots(client) == 2
    client.patch(f"{V2}db", json={"active_slots": 0})
    assert _slots(client) == 0
    assert [each["name"] for each in client.post(f"{V2}filter", json={"limit": None}).json()] == ["db"]
    assert [client.delete(f"{V2}{limit['id']}").status_code for _ in range(2)] == [204, 404]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("", {"name": "db", "limit": 1}, 409),
        ("", {"name": "a/b", "limit": 1}, 422),
        ("", {"name": "x", "limit": -1}, 422),
        ("increment", {"names": ["db"], "slots": 0}, 422),
        ("increment-with-lease", {"names": ["db"], "slots": 2}, 422),
        ("increment-with-lease", {"names": ["db"], "slots": 1, "lease_duration": 1}, 422),
        ("decrement-with-lease", {"lease_id": "no id"}, 422),
    ],
)
def test_what_cannot_be_is_refused(
    client: TestClient, made: Made, path: str, body: dict[str, Any], status: int
) -> None:
    made(V2, name="db", limit=1)
    assert client.post(V2 + path, json=body).status_code == status


def test_a_tags_limit_is_known_by_its_id_as_well(client: TestClient, made: Made) -> None:
    limit = made("concurrency_limits/", tag="db", concurrency_limit=1)
    path = f"concurrency_limits/{limit['id']}"
    assert client.get(path).json()["tag"] == "db"
    assert [client.delete(path).status_code for _ in range(2)] == [200, 404]


def test_a_limit_is_given_another_name(client: TestClient, made: Made) -> None:
    made(V2, name="taken", limit=1)
    limit = made(V2, name="db", limit=2)
    assert client.patch(f"{V2}db", json={"name": "store", "limit": 3, "active_slots": 1}).status_code == 204
    found = client.get(f"{V2}store").json()
    assert (found["id"], found["limit"], found["active_slots"]) == (limit["id"], 3, 1)
    assert client.get(f"{V2}db").status_code == 404
    assert client.patch(f"{V2}store", json={"name": "taken"}).status_code == 409
