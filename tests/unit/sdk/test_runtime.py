"""What the code of a run is told of its run, and what it is told outside of runs."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestration import ProcessPoolTaskRunner, flow, runtime, tags, task
from orchestration.backend.clock import new_id, utc_now
from orchestration.domain.states import Scheduled
from orchestration.sdk.client import SyncClient
from orchestration.sdk.context import FLOW_RUN, FlowRunContext, ResultOptions, Session
from orchestration.sdk.runners import ThreadPoolTaskRunner
from tests.support.listings import task_runs
from tests.support.records import flow_run as made_up_run

pytestmark = pytest.mark.usefixtures("session")

FLOW_FACTS = (
    "id", "name", "tags", "flow_name", "flow_version", "run_count", "parameters", "parent_flow_run_id",
    "parent_deployment_id", "root_flow_run_id", "api_url", "ui_url",
)  # fmt: skip
TASK_FACTS = ("id", "name", "task_name", "tags", "run_count", "parameters", "api_url", "ui_url")
DEPLOYMENT_FACTS = ("id", "flow_run_id", "parameters")


def _facts(place: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(place, name) for name in names}


@task
def told(x: int = 0) -> dict[str, Any]:
    return {"flow": runtime.flow_run.id, **_facts(runtime.task_run, TASK_FACTS)}


def test_outside_of_runs_there_is_nothing_to_tell() -> None:
    nothing: dict[str, Any] = {"tags": [], "run_count": 0, "parameters": {}}
    assert _facts(runtime.flow_run, FLOW_FACTS) == {**dict.fromkeys(FLOW_FACTS), **nothing}
    assert _facts(runtime.task_run, TASK_FACTS) == {**dict.fromkeys(TASK_FACTS), **nothing}
    assert _facts(runtime.deployment, DEPLOYMENT_FACTS) == {"id": None, "flow_run_id": None, "parameters": {}}
    before = utc_now()
    assert before <= runtime.flow_run.scheduled_start_time <= utc_now()


def test_a_flow_is_told_of_its_run(client: SyncClient) -> None:
    @flow(name="Main", version="7", flow_run_name="run-{x}")
    def main(x: int, y: str = "b") -> tuple[dict[str, Any], datetime]:
        return _facts(runtime.flow_run, FLOW_FACTS), runtime.flow_run.scheduled_start_time

    with tags("monthly"):
        facts, due = main(3)
    (run,) = client.read_flow_runs()
    assert facts == {
        "id": str(run.id), "name": "run-3", "tags": ["monthly"], "flow_name": "Main", "flow_version": "7",
        "run_count": 1, "parameters": {"x": 3, "y": "b"}, "parent_flow_run_id": None, "parent_deployment_id": None,
        "root_flow_run_id": str(run.id), "api_url": None, "ui_url": None,
    }  # fmt: skip
    assert due == run.expected_start_time


def test_what_is_done_to_the_parameters_told_does_not_change_them() -> None:
    @flow
    def main(x: int = 1) -> dict[str, Any]:
        runtime.flow_run.parameters.clear()
        return runtime.flow_run.parameters

    assert main() == {"x": 1}


def test_starts_are_counted() -> None:
    counts: list[tuple[int, int]] = []

    @task(retries=1)
    def work() -> None:
        counts.append((runtime.flow_run.run_count, runtime.task_run.run_count))
        raise ValueError("boom")

    @flow(retries=1)
    def main() -> None:
        work()

    with pytest.raises(ValueError, match="boom"):
        main()
    assert counts == [(1, 1), (1, 2), (2, 1), (2, 2)]


@pytest.mark.parametrize("submits", [False, True])
def test_a_task_is_told_of_its_run_and_of_the_flow_around_it(submits: bool, client: SyncClient) -> None:
    @flow
    def main() -> Any:
        with tags("inside"):
            named = told.with_options(task_run_name="told {x}", tags=["own"])
            return named.submit(5).result() if submits else named(5)

    facts = main()
    (flow_run,), (run,) = client.read_flow_runs(), client.read_task_runs()
    assert facts == {
        "flow": str(flow_run.id), "id": str(run.id), "name": "told 5", "task_name": "told", "run_count": 1,
        "tags": ["inside", "own"], "parameters": {"x": 5}, "api_url": None, "ui_url": None,
    }  # fmt: skip


def test_a_task_in_another_process_is_told_the_same(client: SyncClient) -> None:
    @task
    def other() -> tuple[Any, ...]:
        here = runtime.flow_run, runtime.task_run
        return here[0].id, here[0].name, here[0].parameters, here[0].tags, here[1].name, here[1].run_count

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def main(x: int) -> Any:
        return other.submit().result()

    with tags("a"):
        facts = main(2)
    (run,) = client.read_flow_runs()
    assert facts == (str(run.id), run.name, {"x": 2}, ["a"], "other-0", 1)


def test_a_task_alone_has_no_flow_run() -> None:
    facts = told()
    assert facts["flow"] is None
    assert facts["task_name"] == "told"


def test_a_subflow_knows_who_is_around_it(client: SyncClient) -> None:
    def family() -> tuple[str | None, str | None, str | None, str | None]:
        here = runtime.flow_run
        return here.id, here.parent_flow_run_id, here.root_flow_run_id, runtime.task_run.id

    @flow
    def innermost() -> Any:
        return family()

    @flow
    def inner() -> list[Any]:
        return [family(), innermost()]

    @task
    def starts() -> Any:
        return inner()

    @flow
    def main() -> list[Any]:
        return [family(), *inner(), *starts()]

    root, first, second, third, fourth = main()
    assert root == (root[0], None, root[0], None)
    assert first[1:] == (root[0], root[0], None)
    assert second[1:] == (first[0], root[0], None)
    assert third[1:] == (root[0], root[0], None)
    assert fourth[1:] == (third[0], root[0], None)
    assert len({each[0] for each in (root, first, second, third, fourth)}) == 5


def _inside(session: Session, **fields: Any) -> FlowRunContext:
    run = session.backend.create_flow_run(made_up_run(**fields))
    return FlowRunContext(run, session, {"x": 2}, ThreadPoolTaskRunner(1), ResultOptions(False))


def test_a_run_of_a_deployment_knows_it_and_its_slot(session: Session) -> None:
    slot, deployment_id = datetime(2021, 3, 3, 14, tzinfo=UTC), new_id()
    context = _inside(
        session, deployment_id=deployment_id, parameters={"x": 1}, expected_start_time=slot, state=Scheduled(slot)
    )

    @flow
    def child() -> tuple[str | None, str | None]:
        return runtime.flow_run.parent_deployment_id, runtime.deployment.id

    token = FLOW_RUN.set(context)
    try:
        assert runtime.flow_run.scheduled_start_time == slot
        assert _facts(runtime.deployment, DEPLOYMENT_FACTS) == {
            "id": str(deployment_id), "flow_run_id": str(context.run.id), "parameters": {"x": 1},
        }  # fmt: skip
        assert runtime.flow_run.parameters == {"x": 2}
        assert child() == (str(deployment_id), None)
    finally:
        FLOW_RUN.reset(token)


def test_a_subflow_of_a_run_without_deployment_has_none_above(session: Session) -> None:
    @flow
    def child() -> str | None:
        return runtime.flow_run.parent_deployment_id

    @flow
    def main() -> str | None:
        return child()

    assert main() is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:4200/api", "http://127.0.0.1:4200/api/"])
def test_with_a_server_a_run_has_addresses(url: str, session: Session) -> None:
    seen: list[tuple[Any, ...]] = []

    @task
    def work() -> None:
        here = runtime.task_run
        seen.append((here.id, here.api_url, here.ui_url))

    @flow
    def main() -> None:
        here, context = runtime.flow_run, FLOW_RUN.get()
        assert context is not None
        context.session = replace(session, settings=replace(session.settings, api_url=url))
        seen.append((here.id, here.api_url, here.ui_url))
        work()

    main()
    (run, *of_flow), (task_run, *of_task) = seen
    base = "http://127.0.0.1:4200"
    assert of_flow == [f"{base}/api/flow_runs/{run}", f"{base}/runs/flow-run/{run}"]
    assert of_task == [f"{base}/api/task_runs/{task_run}", f"{base}/runs/task-run/{task_run}"]


def test_a_parent_that_stands_in_no_flow_run_ends_the_search(session: Session) -> None:
    told()
    session.recorder.flush()
    (alone,) = task_runs(session.backend)
    token = FLOW_RUN.set(_inside(session, parent_task_run_id=alone.id))
    try:
        assert runtime.flow_run.parent_flow_run_id is None
        assert runtime.flow_run.root_flow_run_id == runtime.flow_run.id
    finally:
        FLOW_RUN.reset(token)
