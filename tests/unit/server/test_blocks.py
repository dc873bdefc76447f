"""Block types, schemas and documents over the REST interface; the answers were compared with Prefect's."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from orchestration.domain.schemas.catalog import checksum_of
from tests.support.rest import Made

NOBODY = "0190a0a0-0000-7000-8000-000000000000"
"""The id of nothing."""

FIELDS = {
    "title": "Gauge",
    "type": "object",
    "properties": {"unit": {"type": "string"}, "pin": {"type": "string"}},
    "block_type_slug": "gauge",
    "secret_fields": ["pin"],
}


@pytest.fixture
def gauge(made: Made) -> dict[str, Any]:
    """What a document of a type ``gauge`` points to."""
    kind = made("block_types/", name="Gauge", slug="gauge")
    schema = made("block_schemas/", fields=FIELDS, block_type_id=kind["id"], capabilities=["read"])
    return {"block_type_id": kind["id"], "block_schema_id": schema["id"]}


def test_a_type_is_made_once_and_takes_new_texts(client: TestClient, made: Made) -> None:
    kind = made("block_types/", name="Gauge", slug="gauge")
    assert client.post("block_types/", json={"name": "Gauge", "slug": "gauge"}).status_code == 409
    assert client.patch(f"block_types/{kind['id']}", json={"description": "measures"}).status_code == 204
    assert client.get("block_types/slug/gauge").json()["description"] == "measures"
    assert client.get(f"block_types/{kind['id']}").json()["slug"] == "gauge"
    assert client.delete(f"block_types/{kind['id']}").status_code == 204
    assert client.get("block_types/slug/gauge").status_code == 404


def test_a_schema_is_known_by_its_checksum(client: TestClient, gauge: dict[str, Any]) -> None:
    body = {"fields": FIELDS, "block_type_id": gauge["block_type_id"], "capabilities": ["read"]}
    again = client.post("block_schemas/", json=body)
    assert (again.status_code, again.json()["id"]) == (200, gauge["block_schema_id"])
    checksum = checksum_of(FIELDS)
    found = client.get(f"block_schemas/checksum/{checksum}").json()
    assert (found["checksum"], found["fields"], found["block_type"]["slug"]) == (checksum, FIELDS, "gauge")
    assert client.get(f"block_schemas/checksum/{checksum}", params={"version": "9"}).status_code == 404
    assert client.post("block_schemas/", json={**body, "block_type_id": NOBODY}).status_code == 409


def test_listings_of_types_and_schemas_narrow(client: TestClient, gauge: dict[str, Any], made: Made) -> None:
    made("block_types/", name="Scale", slug="scale")

    def slugs(**where: Any) -> list[str]:
        return [each["slug"] for each in client.post("block_types/filter", json=where).json()]

    assert slugs() == ["gauge", "scale"]
    assert slugs(limit=1, offset=1) == ["scale"]
    assert slugs(block_types={"slug": {"any_": ["scale"]}}) == ["scale"]
    assert slugs(block_types={"name": {"like_": "gau"}}) == ["gauge"]
    assert slugs(block_schemas={"block_capabilities": {"all_": ["read"]}}) == ["gauge"]
    where = {"block_schemas": {"block_capabilities": {"all_": ["write"]}}}
    assert client.post("block_schemas/filter", json=where).json() == []


def test_secrets_are_masked_unless_they_are_asked_for(client: TestClient, made: Made, gauge: dict[str, Any]) -> None:
    block = made("block_documents/", name="one", data={"unit": "m", "pin": "1234"}, **gauge)
    assert block["data"] == {"unit": "m", "pin": "********"}
    paths = (
        f"block_documents/{block['id']}",
        "block_types/slug/gauge/block_documents/name/one",
    )
    for path in paths:
        assert client.get(path).json()["data"]["pin"] == "********"
        shown = client.get(path, params={"include_secrets": True}).json()
        assert (shown["data"]["pin"], shown["block_type_name"]) == ("1234", "Gauge")
    listed = client.post("block_documents/filter", json={"include_secrets": True}).json()
    assert [each["data"]["pin"] for each in listed] == ["1234"]
    assert [each["data"]["pin"] for each in client.post("block_documents/filter", json={}).json()] == ["********"]
    assert [each["name"] for each in client.get("block_types/slug/gauge/block_documents").json()] == ["one"]


def test_a_change_names_some_values_or_replaces_all(client: TestClient, made: Made, gauge: dict[str, Any]) -> None:
    path = f"block_documents/{made('block_documents/', name='one', data={'unit': 'm', 'pin': '1'}, **gauge)['id']}"

    def values() -> Any:
        return client.get(path, params={"include_secrets": True}).json()["data"]

    assert client.patch(path, json={"data": {"unit": "s"}}).status_code == 204
    assert values() == {"unit": "s", "pin": "1"}
    client.patch(path, json={"data": {"pin": "2"}, "merge_existing_data": False})
    assert values() == {"pin": "2"}


def test_a_block_shows_what_it_points_to(client: TestClient, made: Made, gauge: dict[str, Any]) -> None:
    inner = made("block_documents/", name="inner", data={"unit": "m"}, **gauge)
    data = {"child": {"$ref": {"block_document_id": inner["id"]}}, "unit": "s"}
    outer = made("block_documents/", name="outer", data=data, **gauge)
    assert outer["data"] == {"unit": "s", "child": {"unit": "m"}}
    assert outer["block_document_references"]["child"]["block_document"]["name"] == "inner"
    assert client.post("block_documents/count", json={}).json() == 2


def test_anonymous_blocks_are_listed_on_request_only(client: TestClient, made: Made, gauge: dict[str, Any]) -> None:
    made("block_documents/", name="one", data={}, **gauge)
    hidden = made("block_documents/", is_anonymous=True, data={}, **gauge)

    def names(**where: Any) -> list[str]:
        listed = client.post("block_documents/filter", json={"block_documents": where, "sort": "NAME_DESC"}).json()
        return [each["name"] for each in listed]

    assert names() == ["one"]
    assert names(is_anonymous={"eq_": True}) == [hidden["name"]]
    assert names(is_anonymous=None) == ["one", hidden["name"]]
    everything = {"block_documents": {"is_anonymous": None}, "sort": "NAME_ASC"}
    assert len(client.post("block_documents/filter", json=everything).json()) == 2


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, 409),
        ({"name": None}, 422),
        ({"name": "Two Words"}, 422),
        ({"name": "two", "block_schema_id": NOBODY}, 409),
        ({"name": "two", "block_type_id": "no id"}, 422),
        ({"name": "two", "surprise": 1}, 422),
        ({"name": "two", "data": {"a": {"$ref": {"block_document_id": "no id"}}}}, 422),
        ({"name": "two", "data": {"a": {"$ref": {"block_document_id": NOBODY}}}}, 404),
    ],
)
def test_what_cannot_be_saved_is_refused(
    client: TestClient, made: Made, gauge: dict[str, Any], changed: dict[str, Any], status: int
) -> None:
    made("block_documents/", name="one", data={}, **gauge)
    answer = client.post("block_documents/", json={"name": "one", "data": {}, **gauge, **changed})
    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)


def test_what_is_not_there_is_not_found(client: TestClient, made: Made, gauge: dict[str, Any]) -> None:
    block = made("block_documents/", name="one", data={}, **gauge)
    path = f"block_documents/{block['id']}"
    assert [client.delete(path).status_code for _ in range(2)] == [204, 404]
    assert client.patch(path, json={"data": {}}).status_code == 404
    for missing in ("block_types/slug/nope", "block_types/slug/nope/block_documents", f"block_schemas/{NOBODY}"):
        assert client.get(missing).status_code == 404
