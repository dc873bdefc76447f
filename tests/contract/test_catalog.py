"""Artifacts, variables, and values that are sent to flow runs."""

from functools import partial
from typing import Any

import pytest

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.schemas.filters import Query, among
from orchestration.domain.schemas.wire import Document, moment_of, plain
from tests.support.backends import Store, at_once
from tests.support.records import flow_run

VALUES: list[Any] = [None, True, 0, -1.5, "", "text", [1, [2]], {"a": {"b": None}}, "\u2028🚕"]


def _publish(backend: Backend, **fields: Any) -> Document:
    return backend.create("artifacts", plain(fields))


def _listed(backend: Backend, where: dict[str, Any] | None = None, resource: str = "artifacts") -> list[str]:
    """The ids of a listing; of collections, those of the latest versions."""
    found = backend.find(resource, Query(where or {}))
    return [each["id" if resource == "artifacts" else "latest_id"] for each in found]


# -- artifacts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", VALUES)
def test_an_artifact_comes_back_as_it_was_published(backend: Backend, data: Any) -> None:
    given = plain({
        "key": "report", "type": "markdown", "description": "d", "data": data, "flow_run_id": new_id(),
        "task_run_id": new_id(),
    })  # fmt: skip
    made = backend.create("artifacts", {**given, "metadata": {"a": "b"}})
    assert made == {**made, **given, "metadata_": {"a": "b"}}
    assert backend.find("artifacts") == [made]
    assert backend.read("artifacts", key="report") == backend.read("artifacts", id=made["id"]) == made
    (collection,) = backend.find("artifact_collections")
    assert (collection["latest_id"], collection["data"], collection["key"]) == (made["id"], data, "report")


def test_the_latest_of_a_key_is_the_one_that_came_last(backend: Backend) -> None:
    versions = [_publish(backend, key="report", data=number) for number in range(3)]
    other, nameless = _publish(backend, key="metrics"), _publish(backend)
    ids = [each["id"] for each in versions]
    assert backend.read("artifacts", key="report") == versions[2]
    with pytest.raises(ObjectNotFound, match="absent"):
        backend.read("artifacts", key="absent")
    assert _listed(backend, among("artifacts", key=("report",))) == ids[::-1]
    assert set(_listed(backend, resource="artifact_collections")) == {other["id"], ids[2]}
    assert _listed(backend) == [nameless["id"], other["id"], *ids[::-1]]


def test_a_version_that_is_removed_gives_its_place_to_the_one_before(backend: Backend) -> None:
    first, second = _publish(backend, key="report"), _publish(backend, key="report")
    backend.delete("artifacts", id=second["id"])
    assert _listed(backend, resource="artifact_collections") == [first["id"]]
    backend.delete("artifacts", id=first["id"])
    assert _listed(backend) == _listed(backend, resource="artifact_collections") == []


def test_artifacts_are_narrowed_by_any_field(backend: Backend) -> None:
    run_id = backend.create_flow_run(flow_run()).id
    wanted = _publish(backend, key="report", type="markdown", flow_run_id=run_id)
    _publish(backend, key="metrics", type="table", flow_run_id=new_id())
    for asked in (
        among("artifacts", id=(wanted["id"],)), among("artifacts", key=("report", "x")),
        among("artifacts", type=("markdown",)), among("artifacts", flow_run_id=(run_id,)),
        among("flow_runs", id=(run_id,)), among("flows", name=("train",)), {"artifacts": {"key": {"like_": "EPO"}}},
    ):  # fmt: skip
        assert _listed(backend, asked) == [wanted["id"]]
        assert backend.count("artifacts", asked) == 1
    assert _listed(backend, among("artifacts", key=("report",), type=("table",))) == []
    assert _listed(backend, among("artifact_collections", type=("markdown",)), "artifact_collections") == [wanted["id"]]


def test_artifacts_are_listed_page_by_page(backend: Backend) -> None:
    made = [_publish(backend)["id"] for _ in range(4)]
    page = backend.find("artifacts", Query(sort="ID_DESC", limit=2, offset=1))
    assert [each["id"] for each in page] == [made[2], made[1]]


def test_an_artifact_can_be_given_other_data(backend: Backend) -> None:
    made = _publish(backend, key="progress", type="progress", data=0.0, description="half way")
    backend.change("artifacts", {"data": 50.0}, id=made["id"])
    (changed,) = backend.find("artifacts")
    assert changed == {**made, "data": 50.0, "updated": changed["updated"]}
    assert changed["updated"] > made["updated"]
    backend.change("artifacts", {"data": 100.0, "description": "done"}, id=made["id"])
    latest = backend.read("artifacts", key="progress")
    assert (latest["data"], latest["description"]) == (100.0, "done")


@pytest.mark.parametrize("resource", ["artifacts", "variables", "flow_runs", "deployments", "work_pools"])
def test_what_is_not_there_is_named(backend: Backend, resource: str) -> None:
    absent = str(new_id())
    own: dict[str, dict[str, Any]] = {"variables": {"value": 1}, "flow_runs": {"name": "x"}}
    changes = own.get(resource, {"description": "x"})
    asks = (backend.read, backend.delete, lambda resource, id: backend.change(resource, changes, id=id))
    for ask in asks:
        with pytest.raises(ObjectNotFound, match=absent):
            ask(resource, id=absent)


def test_of_many_who_publish_one_key_none_is_lost(store: Store) -> None:
    backends = [store.open() for _ in range(4)]
    made = at_once([partial(_publish, backends[number % 4], key="report", data=number) for number in range(12)])
    listed = _listed(backends[0], among("artifacts", key=("report",)))
    assert sorted(listed) == sorted(each["id"] for each in made if not isinstance(each, Exception))
    assert len(listed) == 12
    assert len(_listed(backends[0], resource="artifact_collections")) == 1


# -- variables ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", VALUES)
def test_a_variable_comes_back_as_it_was_set(backend: Backend, value: Any) -> None:
    made = backend.create("variables", {"name": "answer", "value": value, "tags": ["a", "b"]})
    assert (made["name"], made["value"], made["tags"]) == ("answer", value, ["a", "b"])
    assert backend.read("variables", name="answer") == made
    assert backend.find("variables") == [made]


def test_a_variable_is_replaced_only_when_that_is_asked_for(backend: Backend) -> None:
    first = backend.create("variables", {"name": "answer", "value": 41}, overwrite=True)
    with pytest.raises(ObjectAlreadyExists, match="'answer'"):
        backend.create("variables", {"name": "answer", "value": 42})
    assert backend.read("variables", name="answer") == first
    second = backend.create("variables", {"name": "answer", "value": 42, "tags": ["new"]}, overwrite=True)
    assert second == {**first, "value": 42, "tags": ["new"], "updated": second["updated"]}
    assert second["updated"] >= first["updated"]
    assert backend.find("variables") == [second]


def test_variables_are_listed_by_name_and_can_go(backend: Backend) -> None:
    for name in ("b", "a", "c"):
        backend.create("variables", {"name": name, "value": name, "tags": [name]})
    backend.delete("variables", name="b")
    assert [variable["name"] for variable in backend.find("variables")] == ["a", "c"]
    assert backend.count("variables", {"variables": {"tags": {"all_": ["a"]}}}) == 1
    with pytest.raises(ObjectNotFound, match="'b'"):
        backend.read("variables", name="b")


def test_of_many_who_make_one_variable_one_succeeds(store: Store) -> None:
    backends = [store.open() for _ in range(4)]
    ends = at_once(
        [partial(backends[number % 4].create, "variables", {"name": "lock", "value": number}) for number in range(12)]
    )
    refused = [end for end in ends if isinstance(end, ObjectAlreadyExists)]
    made = [end for end in ends if not isinstance(end, Exception)]
    assert (len(refused), made) == (11, [backends[0].read("variables", name="lock")])


# -- inputs of flow runs --------------------------------------------------------------------------


def test_an_input_is_sent_once_unless_it_is_to_replace(backend: Backend) -> None:
    run_id = str(backend.create_flow_run(flow_run()).id)
    sent = {"flow_run_id": run_id, "key": "pause-1-response", "value": "1", "sender": "flow-run.x"}
    backend.create("inputs", sent)
    backend.create("inputs", {**sent, "key": "other"})
    with pytest.raises(ObjectAlreadyExists, match="pause-1-response"):
        backend.create("inputs", sent)
    backend.create("inputs", {**sent, "value": "2"}, overwrite=True)
    assert backend.read("inputs", flow_run_id=run_id, key="pause-1-response")["value"] == "2"
    backend.delete("inputs", flow_run_id=run_id, key="pause-1-response")
    with pytest.raises(ObjectNotFound):
        backend.read("inputs", flow_run_id=run_id, key="pause-1-response")
    assert backend.read("inputs", flow_run_id=run_id, key="other")["value"] == "1"


def test_times_are_kept_to_the_microsecond(backend: Backend) -> None:
    before = utc_now()
    made = moment_of(_publish(backend)["created"])
    assert made is not None
    assert before <= made <= utc_now()
    assert made.microsecond or before.microsecond, "one of two in a million is a whole second"
