"""Artifacts, variables, and values that are sent to flow runs."""

from functools import partial
from typing import Any

import pytest

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.schemas.catalog import Artifact
from orchestration.domain.schemas.filters import ArtifactFilter
from orchestration.domain.schemas.runs import FlowRunInput
from tests.support.backends import Store, at_once
from tests.support.records import later

VALUES: list[Any] = [None, True, 0, -1.5, "", "text", [1, [2]], {"a": {"b": None}}, "\u2028🚕"]


def _artifact(seconds: float = 0, **fields: Any) -> Artifact:
    return Artifact(new_id(), later(seconds), later(seconds), **fields)


# -- artifacts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", VALUES)
def test_an_artifact_comes_back_as_it_was_published(backend: Backend, data: Any) -> None:
    artifact = _artifact(
        key="report", type="markdown", description="d", data=data, metadata={"a": "b"}, flow_run_id=new_id(),
        task_run_id=new_id(),
    )  # fmt: skip
    assert backend.create_artifact(artifact) == artifact
    assert backend.artifacts() == [artifact]
    assert backend.latest_artifact("report") == artifact


def test_the_latest_of_a_key_is_the_one_that_came_last(backend: Backend) -> None:
    versions = [backend.create_artifact(_artifact(number, key="report", data=number)) for number in range(3)]
    other, nameless = backend.create_artifact(_artifact(9, key="metrics")), backend.create_artifact(_artifact(8))
    assert backend.latest_artifact("report") == versions[2]
    assert backend.latest_artifact("absent") is None
    assert backend.artifacts(ArtifactFilter(keys=("report",))) == versions[::-1]
    assert backend.artifacts(ArtifactFilter(latest_only=True)) == [other, versions[2]]
    assert backend.artifacts() == [other, nameless, *versions[::-1]]


def test_artifacts_are_narrowed_by_any_field(backend: Backend) -> None:
    run_id = new_id()
    wanted = backend.create_artifact(_artifact(key="report", type="markdown", flow_run_id=run_id))
    backend.create_artifact(_artifact(1, key="metrics", type="table", flow_run_id=new_id()))
    for asked in (
        ArtifactFilter(ids=(wanted.id,)), ArtifactFilter(keys=("report", "x")), ArtifactFilter(types=("markdown",)),
        ArtifactFilter(flow_run_ids=(run_id,)), ArtifactFilter(keys=("report",), latest_only=True),
    ):  # fmt: skip
        assert backend.artifacts(asked) == [wanted]
    assert backend.artifacts(ArtifactFilter(keys=("report",), types=("table",))) == []


def test_artifacts_are_listed_page_by_page(backend: Backend) -> None:
    made = [backend.create_artifact(_artifact(number)) for number in range(4)]
    assert backend.artifacts(limit=2, offset=1) == [made[2], made[1]]


def test_an_artifact_can_be_given_other_data(backend: Backend) -> None:
    artifact = backend.create_artifact(_artifact(key="progress", type="progress", data=0.0, description="half way"))
    backend.update_artifact(artifact.id, 50.0)
    (changed,) = backend.artifacts()
    assert (changed.data, changed.description, changed.created) == (50.0, "half way", artifact.created)
    assert changed.updated > artifact.updated
    backend.update_artifact(artifact.id, 100.0, "done")
    latest = backend.latest_artifact("progress")
    assert latest is not None
    assert (latest.data, latest.description) == (100.0, "done")


def test_an_artifact_that_is_not_there_is_named(backend: Backend) -> None:
    absent = new_id()
    with pytest.raises(ObjectNotFound, match=str(absent)):
        backend.update_artifact(absent, 1.0)


def test_of_many_who_publish_one_key_none_is_lost(store: Store) -> None:
    backends = [store.open() for _ in range(4)]
    made = at_once(
        [partial(backends[number % 4].create_artifact, _artifact(number, key="report")) for number in range(12)]
    )
    listed = backends[0].artifacts(ArtifactFilter(keys=("report",)))
    assert {each.id for each in listed} == {getattr(artifact, "id", artifact) for artifact in made}
    assert backends[0].latest_artifact("report") in listed
    assert len(backends[0].artifacts(ArtifactFilter(latest_only=True))) == 1


# -- variables ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", VALUES)
def test_a_variable_comes_back_as_it_was_set(backend: Backend, value: Any) -> None:
    made = backend.set_variable("answer", value, ("a", "b"), overwrite=False)
    assert (made.name, made.value, made.tags) == ("answer", value, ("a", "b"))
    assert backend.variable("answer") == made
    assert backend.variables() == [made]


def test_a_variable_is_replaced_only_when_that_is_asked_for(backend: Backend) -> None:
    first = backend.set_variable("answer", 41, (), overwrite=True)
    with pytest.raises(ObjectAlreadyExists, match="'answer'"):
        backend.set_variable("answer", 42, (), overwrite=False)
    assert backend.variable("answer") == first
    second = backend.set_variable("answer", 42, ("new",), overwrite=True)
    assert (second.id, second.created, second.value, second.tags) == (first.id, first.created, 42, ("new",))
    assert second.updated >= first.updated
    assert backend.variables() == [second]


def test_variables_are_listed_by_name_and_can_go(backend: Backend) -> None:
    for name in ("b", "a", "c"):
        backend.set_variable(name, name, (), overwrite=False)
    assert [backend.delete_variable("b") for _ in range(2)] == [True, False]
    assert [variable.name for variable in backend.variables()] == ["a", "c"]
    assert backend.variable("b") is None


def test_of_many_who_make_one_variable_one_succeeds(store: Store) -> None:
    backends = [store.open() for _ in range(4)]
    ends = at_once(
        [partial(backends[number % 4].set_variable, "lock", number, (), overwrite=False) for number in range(12)]
    )
    refused = [end for end in ends if isinstance(end, ObjectAlreadyExists)]
    made = [end for end in ends if not isinstance(end, Exception)]
    assert (len(refused), made) == (11, [backends[0].variable("lock")])


# -- inputs of flow runs --------------------------------------------------------------------------


def _send(backend: Backend, run_id: Any, key: str, seconds: float = 0, value: str = "1") -> FlowRunInput:
    sent = FlowRunInput(run_id, key, value, later(seconds), "flow-run.x")
    backend.send_input(sent)
    return sent


def test_inputs_come_back_oldest_first(backend: Backend) -> None:
    run_id = new_id()
    late, early = _send(backend, run_id, "pause-1-response", 2), _send(backend, run_id, "pause-1-schema", 1)
    _send(backend, run_id, "other")
    _send(backend, new_id(), "pause-1-response")
    assert backend.inputs(run_id, "pause-1") == [early, late]
    assert len(backend.inputs(run_id, "")) == 3
    assert backend.inputs(run_id, "pause-1-x") == []


@pytest.mark.parametrize("prefix", ["%", "_", "pause_1", "PAUSE"])
def test_a_prefix_is_taken_literally(backend: Backend, prefix: str) -> None:
    run_id = new_id()
    _send(backend, run_id, "pause-1")
    assert backend.inputs(run_id, prefix) == []


def test_an_input_is_sent_once_until_it_is_taken_away(backend: Backend) -> None:
    run_id = new_id()
    first = _send(backend, run_id, "key")
    with pytest.raises(ObjectAlreadyExists, match="'key'"):
        _send(backend, run_id, "key", value="2")
    assert backend.inputs(run_id, "key") == [first]
    for _ in range(2):
        backend.delete_input(run_id, "key")
    second = _send(backend, run_id, "key", value="2")
    assert backend.inputs(run_id, "key") == [second]


def test_times_are_kept_to_the_microsecond(backend: Backend) -> None:
    now = utc_now().replace(microsecond=123_457)
    backend.send_input(FlowRunInput(run_id := new_id(), "key", "1", now))
    assert [each.created for each in backend.inputs(run_id, "")] == [now]
