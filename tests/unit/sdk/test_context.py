"""Tags, the innermost run, and what a flow run knows of values and of submitted runs."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from orchestration import flow, get_run_logger, runtime, tags, task
from orchestration.backend.clock import new_id
from orchestration.sdk.client import SyncClient
from orchestration.sdk.context import FLOW_RUN, TASK_RUN, current_run
from orchestration.sdk.futures import Produced
from orchestration.sdk.logs import log_fields

pytestmark = pytest.mark.usefixtures("session")


def test_runs_that_start_inside_the_block_are_tagged(client: SyncClient) -> None:
    @task(tags=["own"])
    def work() -> None: ...

    @flow
    def inner() -> None: ...

    @flow
    def main() -> None:
        with tags("inside"):
            work.submit().wait()
            inner()
        work()

    with tags("around", "twice"), tags("twice", "deeper") as now:
        assert now == {"around", "twice", "deeper"}
        main()
    main()
    tagged = {"around", "deeper", "twice"}
    first, second = [set(run.tags) for run in client.read_flow_runs()[::-1] if run.flow_name == "main"]
    assert (first, second) == (tagged, set())
    subflows = [set(run.tags) for run in client.read_flow_runs()[::-1] if run.flow_name == "inner"]
    assert subflows == [{*tagged, "inside"}, {"inside"}]
    works = [set(run.tags) for run in client.read_task_runs() if run.name.startswith("work")]
    assert works == [{*tagged, "inside", "own"}, {*tagged, "own"}, {"inside", "own"}, {"own"}]


def test_tags_end_with_the_block_that_raises() -> None:
    with pytest.raises(ValueError, match="boom"), tags("a"):
        raise ValueError("boom")
    with tags() as now:
        assert now == frozenset()


def test_another_thread_starts_without_tags() -> None:
    @flow
    def main() -> list[str]:
        return runtime.flow_run.tags

    with tags("a"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(main).result() == []
        assert main() == ["a"]


def test_the_innermost_run_surrounds_the_code() -> None:
    @task
    def work() -> bool:
        return TASK_RUN.get() is not None

    @flow
    def inner() -> bool:
        return TASK_RUN.get() is None and FLOW_RUN.get() is not None

    @task
    def starts() -> bool:
        return inner()

    @flow
    def main() -> list[Any]:
        return [TASK_RUN.get() is None, work(), starts(), TASK_RUN.get()]

    assert main() == [True, True, True, None]
    assert (FLOW_RUN.get(), TASK_RUN.get()) == (None, None)


def test_a_log_line_carries_the_innermost_run() -> None:
    @task
    def work() -> Any:
        return log_fields(current_run())

    @flow
    def main() -> Any:
        return log_fields(current_run()), work(), get_run_logger().extra

    of_flow, of_task, logged = main()
    assert of_flow["prefix"].startswith("Flow run ")
    assert of_flow["task_run_id"] is None
    assert of_task["prefix"].startswith("Task run 'work-0'")
    assert of_task["flow_run_id"] == of_flow["flow_run_id"]
    assert logged == of_flow
    assert log_fields(None) == {}


def test_what_a_run_returned_is_known_while_it_lives() -> None:
    class Model:
        """Something that can be referred to weakly."""

    produced, model, maker = Produced(), Model(), new_id()
    assert not produced
    produced.remember(5, new_id())
    assert not produced
    produced.remember(model, maker)
    assert produced
    assert produced.maker(model) == maker
    assert produced.maker(Model()) is None
    del model
    assert not produced


def test_an_id_that_was_used_again_is_no_proof() -> None:
    class Model:
        """Something that can be referred to weakly."""

    produced, first, second = Produced(), Model(), Model()
    produced.remember(first, new_id())
    produced[id(second)] = produced[id(first)]
    assert produced.maker(second) is None
