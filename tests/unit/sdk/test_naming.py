"""Names of runs."""

from typing import Any

import pytest

from orchestration import flow, runtime, task
from orchestration.backend.clock import made_up_name
from orchestration.domain.errors import UsageError
from orchestration.sdk.client import SyncClient
from orchestration.sdk.parameters import given_name

pytestmark = pytest.mark.usefixtures("session")


def _from_parameters(parameters: dict[str, Any]) -> str:
    return f"month-{parameters['x']}"


def test_a_name_is_made_up_of_an_adjective_and_an_animal() -> None:
    adjective, animal = made_up_name().split("-")
    assert adjective.isalpha()
    assert animal.isalpha()


@pytest.mark.parametrize(
    ("spec", "name"), [("run-{x}-{y}", "run-1-2"), (lambda: "fixed", "fixed"), (_from_parameters, "month-1")]
)
def test_runs_are_named_by_templates_and_functions(spec: Any, name: str, client: SyncClient) -> None:
    @task(task_run_name=spec)
    def work(x: int, y: int = 2) -> str | None:
        return runtime.task_run.name

    @flow(flow_run_name=spec)
    def main(x: int, y: int = 2) -> tuple[str | None, str | None]:
        return runtime.flow_run.name, work.submit(x).result()

    assert main(1) == (name, name)
    assert [run.name for run in client.read_flow_runs()] == [name]
    assert [run.name for run in client.read_task_runs()] == [name]


def test_tasks_are_numbered_within_a_flow_run() -> None:
    @task
    def work() -> str | None:
        return runtime.task_run.name

    @flow
    def main() -> list[str | None]:
        return [work(), work(), work.submit().result()]

    assert main() == ["work-0", "work-1", "work-2"]


@pytest.mark.parametrize("template", ["{nope}", "{0}", "{x.nope}"])
def test_a_template_that_cannot_be_filled_in_fails_the_run(template: str) -> None:
    @flow(flow_run_name=template)
    def main(x: int) -> None: ...

    @task(task_run_name=template)
    def work(x: int) -> None: ...

    for run, option in ((main, "flow_run_name"), (work, "task_run_name")):
        with pytest.raises(UsageError, match=rf"{option}='.*' cannot be filled in \(.*\); it may use x"):
            run(1)


def test_a_function_must_give_a_text() -> None:
    with pytest.raises(UsageError, match="task_run_name is a function that gave a int"):
        given_name(lambda: 3, {}, "task_run_name")  # type: ignore[arg-type, return-value]


def test_a_template_without_parameters_says_so() -> None:
    with pytest.raises(UsageError, match="it may use no parameters"):
        given_name("{x}", {}, "flow_run_name")
