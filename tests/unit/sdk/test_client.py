"""``get_client``: each method, sync and async, on a store with two runs in it."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from orchestration import Variable, create_markdown_artifact, flow, get_client, get_run_logger, task
from orchestration.backend.clock import new_id
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.rules import Abort, Accept
from orchestration.domain.schemas.filters import among
from orchestration.domain.states import Completed, Failed, Running, StateType
from orchestration.sdk.client import AsyncClient, SyncClient

pytestmark = pytest.mark.usefixtures("session")

Ask = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Calls one method of a client, by its name."""

    def sync(method: str, *args: Any, **kwargs: Any) -> Any:
        with get_client(sync_client=True) as client:
            assert isinstance(client, SyncClient)
            return getattr(client, method)(*args, **kwargs)

    async def awaited(method: str, *args: Any, **kwargs: Any) -> Any:
        async with get_client() as client:
            assert isinstance(client, AsyncClient)
            return await getattr(client, method)(*args, **kwargs)

    return sync if request.param == "sync" else lambda *args, **kwargs: asyncio.run(awaited(*args, **kwargs))


@pytest.fixture
def runs() -> tuple[UUID, UUID]:
    """The ids of two runs: one that completed, and then one that failed."""

    @task
    def work() -> None:
        get_run_logger().warning("careful")
        create_markdown_artifact("text", key="note")

    @flow
    def good() -> None:
        work()

    @flow
    def bad() -> None:
        raise ValueError("boom")

    ids = [run(return_state=True).details.flow_run_id for run in (good, bad)]
    assert ids[0] is not None
    assert ids[1] is not None
    return ids[0], ids[1]


def test_flow_runs_are_read_one_by_one_and_together(ask: Ask, runs: tuple[UUID, UUID]) -> None:
    assert ask("read_flow_run", runs[0]).flow_name == "good"
    assert [run.flow_name for run in ask("read_flow_runs")] == ["bad", "good"]
    assert [run.id for run in ask("read_flow_runs", limit=1, offset=1)] == [runs[0]]
    failed = among("flow_runs", state_type=(StateType.FAILED,))["flow_runs"]
    assert [run.id for run in ask("read_flow_runs", failed)] == [runs[1]]
    assert [state.name for state in ask("read_flow_run_states", runs[0])] == ["Pending", "Running", "Completed"]


def test_a_state_is_proposed_or_forced(ask: Ask, runs: tuple[UUID, UUID]) -> None:
    refused = ask("set_flow_run_state", runs[0], Failed("no"))
    assert isinstance(refused, Abort)
    assert ask("read_flow_run", runs[0]).state_name == "Completed"
    forced = ask("set_flow_run_state", runs[0], Running(), force=True)
    assert isinstance(forced, Accept)
    assert isinstance(ask("set_flow_run_state", runs[0], Completed("again")), Accept)
    assert ask("read_flow_run", runs[0]).state.message == "again"


def test_task_runs_are_read_one_by_one_and_together(ask: Ask, runs: tuple[UUID, UUID]) -> None:
    (run,) = ask("read_task_runs", among("task_runs", flow_run_id=(runs[0],))["task_runs"])
    assert ask("read_task_run", run.id) == run
    assert [state.name for state in ask("read_task_run_states", run.id)] == ["Pending", "Running", "Completed"]
    assert ask("read_task_runs", limit=5, offset=1) == []


def test_logs_and_artifacts_are_read(ask: Ask, runs: tuple[UUID, UUID]) -> None:
    lines = ask("read_logs", {"flow_run_id": {"any_": [str(runs[0])]}, "level": {"ge_": 30}})
    assert [line.message for line in lines] == ["careful"]
    assert len(ask("read_logs", limit=2, offset=1)) == 2
    (artifact,) = ask("read_artifacts", among("artifacts", key=("note",))["artifacts"])
    assert (artifact.data, artifact.flow_run_id) == ("text", runs[0])


def test_variables_are_read(ask: Ask) -> None:
    Variable.set("b", 2)
    Variable.set("a", 1)
    assert [variable.name for variable in ask("read_variables")] == ["a", "b"]


@pytest.mark.parametrize("method", ["read_flow_run", "read_task_run"])
def test_what_is_not_there_is_not_found(method: str, ask: Ask) -> None:
    with pytest.raises(ObjectNotFound):
        ask(method, new_id())


def test_a_run_sees_what_it_has_recorded_so_far(ask: Ask) -> None:
    @task
    def work() -> None: ...

    @flow
    def main() -> tuple[list[str], bool]:
        work()
        get_run_logger().info("so far")
        names = [run.state_name for run in ask("read_task_runs")]
        return names, any(line.message == "so far" for line in ask("read_logs"))

    assert main() == (["Completed"], True)


def test_the_async_client_has_no_methods_but_those_of_the_sync_one() -> None:
    client = get_client()
    with pytest.raises(AttributeError, match="no_such_method"):
        _ = client.no_such_method
