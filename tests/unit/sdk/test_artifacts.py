"""Artifacts of every kind, from sync and async code, with and without a run around them."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest

import orchestration
from orchestration import create_markdown_artifact, create_progress_artifact, create_table_artifact, flow, task
from orchestration.backend.clock import new_id
from orchestration.domain.errors import ObjectNotFound, UsageError
from orchestration.domain.schemas.catalog import Artifact
from orchestration.domain.schemas.filters import among
from orchestration.sdk.artifacts import aupdate_progress_artifact, update_progress_artifact
from orchestration.sdk.client import SyncClient
from orchestration.sdk.logs import remember_secret
from tests.support.artifacts import newest_artifact
from tests.support.forgetting import forget_secrets

pytestmark = pytest.mark.usefixtures("session")

KINDS: dict[str, tuple[tuple[Any, ...], str, Any]] = {
    "markdown": (("# RMSE 5.1",), "markdown", "# RMSE 5.1"),
    "table": (({"month": ["2021-02"], "rmse": [5.1]},), "table", '{"month": ["2021-02"], "rmse": [5.1]}'),
    "link": (("https://x.test/run", "the run"), "markdown", "[the run](https://x.test/run)"),
    "image": (("https://x.test/plot.png",), "image", "https://x.test/plot.png"),
    "progress": ((40,), "progress", 40.0),
}


def _function(kind: str, prefix: str = "") -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(orchestration, f"{prefix}create_{kind}_artifact")
    return function


def _only(client: SyncClient, **wanted: Any) -> Artifact:
    (artifact,) = client.read_artifacts(among("artifacts", **wanted).get("artifacts"))
    return artifact


@pytest.fixture
def secret() -> Iterator[str]:
    remember_secret("hunter2-hunter2")
    yield "hunter2-hunter2"
    forget_secrets()


@pytest.mark.parametrize("kind", KINDS)
def test_an_artifact_of_each_kind_is_stored(kind: str, client: SyncClient) -> None:
    args, type_, data = KINDS[kind]
    made = _function(kind)(*args, key="a-key", description="told")
    artifact = _only(client)
    assert (artifact.id, artifact.type, artifact.data) == (made, type_, data)
    assert (artifact.key, artifact.description) == ("a-key", "told")
    assert (artifact.flow_run_id, artifact.task_run_id) == (None, None)


@pytest.mark.parametrize("kind", KINDS)
def test_the_async_twin_stores_the_same(kind: str, client: SyncClient) -> None:
    args, type_, data = KINDS[kind]
    made: UUID = asyncio.run(_function(kind, "a")(*args, key="a-key"))
    artifact = _only(client)
    assert (artifact.id, artifact.type, artifact.data) == (made, type_, data)


@pytest.mark.parametrize("awaits", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_async_code_stores_it_once_awaited_or_not(kind: str, awaits: bool, client: SyncClient) -> None:
    args = KINDS[kind][0]

    @flow
    async def main() -> None:
        pending: Awaitable[UUID] = _function(kind)(*args, key="a-key")
        if awaits:
            assert isinstance(await pending, UUID)

    asyncio.run(main())
    (run,) = client.read_flow_runs()
    assert _only(client, keys=("a-key",)).flow_run_id == run.id


def test_a_forgotten_await_in_a_flow_that_fails_is_kept_as_well(client: SyncClient) -> None:
    @flow
    async def main() -> None:
        create_markdown_artifact("what went wrong", key="note")
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        asyncio.run(main())
    assert _only(client).data == "what went wrong"


def test_an_artifact_names_the_runs_that_made_it(client: SyncClient) -> None:
    @task
    def publish(key: str) -> None:
        create_markdown_artifact("x", key=key)

    @flow
    def inner() -> None:
        create_markdown_artifact("x", key="of-a-subflow")

    @flow
    def main() -> None:
        create_markdown_artifact("x", key="of-a-flow")
        publish("of-a-task")
        publish.submit("of-a-submitted-task").wait()
        inner()

    main()
    publish("of-a-task-alone")
    runs = {run.flow_name: run.id for run in client.read_flow_runs()}
    tasks = [run.id for run in client.read_task_runs() if run.name.startswith("publish")]
    made = {each.key: (each.flow_run_id, each.task_run_id) for each in client.read_artifacts()}
    assert made == {
        "of-a-flow": (runs["main"], None),
        "of-a-task": (runs["main"], tasks[0]),
        "of-a-submitted-task": (runs["main"], tasks[1]),
        "of-a-subflow": (runs["inner"], None),
        "of-a-task-alone": (None, tasks[2]),
    }


def test_a_key_has_versions_and_the_newest_is_read() -> None:
    first, second = (create_markdown_artifact(text, key="report") for text in ("old", "new"))
    latest = newest_artifact("report")
    assert latest is not None
    assert (latest.id, latest.data) == (second, "new")
    assert first != second
    assert newest_artifact("no-such") is None


def test_without_a_key_each_stands_alone(client: SyncClient) -> None:
    assert create_markdown_artifact("x") != create_markdown_artifact("x")
    assert len(client.read_artifacts()) == 2


@pytest.mark.parametrize("key", ["Report", "my_report", "a b", "é", "", "a\n"])
def test_a_key_of_other_characters_is_refused(key: str, client: SyncClient) -> None:
    with pytest.raises(UsageError, match="lower-case letters, numbers and dashes"):
        create_markdown_artifact("x", key=key)
    assert client.read_artifacts() == []


@pytest.mark.parametrize(
    ("table", "stored"),
    [
        ([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        ([[1, 2], (3, 4)], [[1, 2], [3, 4]]),
        ({1: [True, None]}, {"1": [True, None]}),
        ({"rmse": [float("nan"), 5.5, 3]}, {"rmse": [None, 5.5, 3]}),
        ({"rate": [float("inf"), float("-inf")]}, {"rate": ["inf", "-inf"]}),
        ({"price": [Decimal("1.10"), Fraction(1, 4)]}, {"price": ["1.10", 0.25]}),
    ],
)
def test_a_table_is_stored_as_strict_json(table: Any, stored: Any, client: SyncClient) -> None:
    create_table_artifact(table)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert json.loads(_only(client).data, parse_constant=refuse) == stored


def test_numbers_of_numpy_stay_numbers(client: SyncClient) -> None:
    numpy = pytest.importorskip("numpy")
    create_table_artifact({"n": [numpy.int64(3)], "rmse": [numpy.float32(0.5)], "none": [numpy.float32("nan")]})
    assert json.loads(_only(client).data) == {"n": [3], "rmse": [0.5], "none": [None]}


def test_a_link_without_a_text_shows_its_address(client: SyncClient) -> None:
    orchestration.create_link_artifact("https://x.test")
    assert _only(client).data == "[https://x.test](https://x.test)"


@pytest.mark.parametrize("kind", ["markdown", "link", "image"])
def test_a_secret_is_redacted(kind: str, secret: str, client: SyncClient) -> None:
    _function(kind)(f"https://user:{secret}@x.test", description=f"with {secret}")
    artifact = _only(client)
    assert secret not in str(artifact)
    assert "********" in artifact.data


def test_a_secret_is_redacted_in_tables_and_progress(secret: str, client: SyncClient) -> None:
    create_table_artifact([{"password": secret, secret: 1}])
    made = create_progress_artifact(0, description=secret)
    update_progress_artifact(made, 1, description=f"again {secret}")
    assert secret not in str(client.read_artifacts())


def test_progress_moves_between_nothing_and_all(client: SyncClient) -> None:
    made = create_progress_artifact(0.0, key="trips", description="reading")
    assert update_progress_artifact(made, 100) == made
    artifact = _only(client)
    assert (artifact.data, artifact.description, artifact.key) == (100.0, "reading", "trips")
    assert artifact.created is not None
    assert artifact.updated is not None
    assert artifact.updated > artifact.created
    assert asyncio.run(aupdate_progress_artifact(made, 7.5, "back")) == made
    artifact = _only(client)
    assert (artifact.data, artifact.description) == (7.5, "back")


@pytest.mark.parametrize("progress", [-0.1, 100.1, float("nan")])
def test_progress_outside_of_it_is_refused(progress: float, client: SyncClient) -> None:
    with pytest.raises(UsageError, match="from 0 to 100"):
        create_progress_artifact(progress)
    made = create_progress_artifact(50)
    with pytest.raises(UsageError, match="from 0 to 100"):
        update_progress_artifact(made, progress)
    assert _only(client).data == 50.0


def test_progress_of_nothing_is_not_found() -> None:
    with pytest.raises(ObjectNotFound):
        update_progress_artifact(new_id(), 1)


def test_an_error_reaches_the_one_who_awaits() -> None:
    async def main() -> None:
        await orchestration.acreate_markdown_artifact("x", key="No")

    with pytest.raises(UsageError):
        asyncio.run(main())
