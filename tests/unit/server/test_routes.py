"""Routes that resources have alike: what they let through, and what they refuse by the name of the field."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support.rest import UNKNOWN, Made

LISTINGS = ("flows", "flow_runs", "task_runs", "logs", "artifacts", "artifacts/latest", "variables")
PAGED = ("flows", "flow_runs", "task_runs")


@pytest.mark.parametrize("resource", LISTINGS)
@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'{"limit": null, "unknown": 1}', b'{"limit": 0}'])
def test_a_listing_needs_no_body(client: TestClient, resource: str, body: bytes) -> None:
    answer = client.post(f"{resource}/filter", content=body)
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize("resource", LISTINGS)
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limit": 201}, "body.limit"),
        ({"limit": -1}, "body.limit"),
        ({"limit": "x"}, "body.limit"),
        ({"offset": -1}, "body.offset"),
        ({"offset": 10**30}, "body.offset"),
        ({"sort": "SIDEWAYS"}, "body.sort"),
        ([], "body"),
    ],
)
def test_a_listing_refuses_what_is_no_page(client: TestClient, resource: str, body: Any, field: str) -> None:
    answer = client.post(f"{resource}/filter", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"{field}: ")
    assert answer.json()["exception_message"] == "Invalid request received."


@pytest.mark.parametrize(
    ("resource", "filters", "field"),
    [
        ("flows", {"flows": {"nme": {}}}, "flows.nme"),
        ("flows", {"flows": {"name": {"any": ["a"]}}}, "flows.name.any"),
        ("flow_runs", {"flow_runs": {"id": {"any_": ["x"]}}}, "flow_runs.id.any_.0"),
        ("flow_runs", {"flow_runs": {"start_time": {"after_": "soon"}}}, "flow_runs.start_time.after_"),
        ("flow_runs", {"flow_runs": {"start_time": {"after_": "0001-01-01T00:00:00+14:00"}}}, "start_time.after_"),
        ("flow_runs", {"flow_runs": {"state": {"type": {"any_": ["DONE"]}}}}, "flow_runs.state.type.any_.0"),
        ("flow_runs", {"flow_runs": {"operator": "xor_"}}, "flow_runs.operator"),
        ("flow_runs", {"deployments": {"paused": {"eq_": "maybe"}}}, "deployments.paused.eq_"),
        ("task_runs", {"flow_runs": 7}, "flow_runs"),
        ("logs", {"logs": {"level": {"ge_": 2**70}}}, "logs.level.ge_"),
        ("variables", {"variables": {"id": {"any_": [UNKNOWN] * 10_001}}}, "variables.id.any_"),
        ("variables", {"variables": {"tags": {"any_": ["a"] * 101}}}, "variables.tags.any_"),
    ],
)
def test_a_filter_is_refused_by_the_name_of_its_field(
    client: TestClient, resource: str, filters: dict[str, Any], field: str
) -> None:
    answer = client.post(f"{resource}/filter", json=filters)
    assert answer.status_code == 422
    assert field in answer.json()["detail"]
    assert all(each["loc"][0] == "body" for each in answer.json()["exception_detail"])


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["c", "b", "a"]),
        ({"sort": "NAME_ASC", "limit": 2, "offset": 1}, ["b", "c"]),
        ({"flow_runs": {"tags": {"all_": ["x"]}}}, ["b", "a"]),
        ({"flow_runs": {"tags": {"is_null_": True}}}, ["c"]),
        ({"flow_runs": {"name": {"any_": ["a"]}, "tags": {"any_": ["y"]}, "operator": "or_"}}, ["b", "a"]),
        ({"flow_runs": {"state": {"name": {"not_any_": ["Pending"]}}}}, ["c"]),
        ({"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}, ["c"]),
        ({"flows": {"name": {"like_": "OTHE"}}}, ["c"]),
        ({"flow_runs": {"expected_start_time": {"after_": "2000-01-01T00:00:00"}}}, ["c", "b", "a"]),
        ({"work_pool_queues": {"name": {"any_": ["default"]}}}, []),
    ],
)
def test_a_listing_keeps_to_its_filters(
    client: TestClient, made: Made, filters: dict[str, Any], names: list[str]
) -> None:
    made.flow_run(name="a", tags=["x"])
    made.flow_run(name="b", tags=["x", "y"])
    made.state(made.flow_run(name="c", flow="other")["id"], "RUNNING")
    assert [run["name"] for run in client.post("flow_runs/filter", json=filters).json()] == names
    narrowed = {key: value for key, value in filters.items() if key not in ("sort", "limit", "offset")}
    number = client.post("flow_runs/count", json=narrowed).json()
    assert number == (3 if "sort" in filters else len(names))


@pytest.mark.parametrize("resource", PAGED)
@pytest.mark.parametrize(("body", "field"), [({"page": 0}, "page"), ({"limit": 0}, "limit"), ({"limit": 201}, "limit")])
def test_pages_begin_at_one(client: TestClient, resource: str, body: Any, field: str) -> None:
    answer = client.post(f"{resource}/paginate", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"body.{field}: ")


def test_pages_follow_one_another(client: TestClient) -> None:
    for name in "abcde":
        client.post("flows/", json={"name": name})
    pages = [client.post("flows/paginate", json={"limit": 2, "page": page}).json() for page in (1, 2, 3, 4)]
    assert [[flow["name"] for flow in page["results"]] for page in pages] == [["a", "b"], ["c", "d"], ["e"], []]
    about = {key: pages[2][key] for key in ("count", "limit", "pages", "page")}
    assert about == {"count": 5, "limit": 2, "pages": 3, "page": 3}


@pytest.mark.parametrize("resource", PAGED)
def test_no_rows_have_no_pages(client: TestClient, resource: str) -> None:
    page = {"results": [], "count": 0, "limit": 200, "pages": 0, "page": 1}
    assert client.post(f"{resource}/paginate").json() == page


def test_a_variable_is_made_read_changed_and_removed(client: TestClient) -> None:
    made = client.post("variables/", json={"name": "a_1", "value": {"x": [None, 1.5]}, "tags": ["t"]})
    assert made.status_code == 201
    assert client.get("variables/name/a_1").json() == client.get(f"variables/{made.json()['id']}").json() == made.json()
    assert client.post("variables/", json={"name": "a_1", "value": 1}).status_code == 409
    changed = client.patch("variables/name/a_1", json={"value": None})
    assert (changed.status_code, changed.content) == (204, b"")
    now = client.get("variables/name/a_1").json()
    assert (now["value"], now["tags"]) == (None, ["t"])
    assert client.delete("variables/name/a_1").status_code == 204
    assert client.get("variables/name/a_1").status_code == 404


def test_a_filter_may_be_as_long_as_it_is_allowed_to_be(client: TestClient) -> None:
    many = {"id": {"any_": [UNKNOWN] * 10_000}, "tags": {"any_": ["a"] * 100, "all_": ["b"] * 100}}
    assert client.post("variables/filter", json={"variables": many}).json() == []


def test_a_name_that_is_taken_cannot_be_given_again(client: TestClient) -> None:
    for name in ("a", "b"):
        client.post("variables/", json={"name": name, "value": 1})
    assert client.patch("variables/name/b", json={"name": "a"}).status_code == 409


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path", [f"flows/{UNKNOWN}", f"variables/{UNKNOWN}", "variables/name/x", f"artifacts/{UNKNOWN}"]
)
def test_what_is_not_there_is_not_found(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path, json={} if method == "PATCH" else None)
    assert answer.status_code == 404
    assert path.rpartition("/")[2] in answer.json()["detail"]


@pytest.mark.parametrize("path", ["flows/x", "flow_runs/12", "nothing", "../elsewhere"])
def test_an_address_that_is_none_is_not_found(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("There is nothing at GET ")


def test_a_method_that_a_path_lacks_is_refused(client: TestClient) -> None:
    answer = client.put("flows/", json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("flows/", {}, "name"),
        ("flows/", {"name": "a/b"}, "name"),
        ("flows/", {"name": "a", "tags": 3}, "tags"),
        ("flows/", {"name": "a", "colour": 3}, "colour"),
        ("variables/", {"name": "A b", "value": 1}, "name"),
        ("variables/", {"name": "a"}, "value"),
        ("artifacts/", {"flow_run_id": "x"}, "flow_run_id"),
        ("artifacts/", {"metadata_": {"a": []}}, "metadata_.a"),
    ],
)
def test_what_cannot_be_made_is_refused_by_the_name_of_its_field(
    client: TestClient, path: str, body: Any, field: str
) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"body.{field}: ")


def test_a_flow_is_made_once(client: TestClient) -> None:
    first, second = (client.post("flows/", json={"name": "train", "labels": None}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert first.json()["labels"] == {}


def test_the_latest_artifact_of_a_key_is_shown(client: TestClient, made: Made) -> None:
    old, new = (made("artifacts/", key="report", type="markdown", data=data, metadata_={"a": "b"}) for data in "xy")
    assert client.get("artifacts/report/latest").json()["latest_id"] == new["id"]
    assert [each["data"] for each in client.post("artifacts/latest/filter", json={}).json()] == ["y"]
    assert client.post("artifacts/latest/count", json={"artifacts": {"type": {"any_": ["table"]}}}).json() == 0
    assert client.post("artifacts/count").json() == 2
    assert client.patch(f"artifacts/{old['id']}", json={"metadata_": {"c": "d"}}).status_code == 204
    assert client.get(f"artifacts/{old['id']}").json()["metadata_"] == {"c": "d"}
    assert client.delete(f"artifacts/{new['id']}").status_code == 204
    assert client.get("artifacts/report/latest").json()["latest_id"] == old["id"]
