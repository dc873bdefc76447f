"""``@task``: what it makes of functions, and what it refuses."""

import asyncio
import pickle
from functools import partial
from typing import Any

import cloudpickle
import pytest

from orchestration import Task, flow, task
from orchestration.domain.errors import MissingContextError, UsageError

pytestmark = pytest.mark.usefixtures("session")


def _add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class _Adder:
    def __call__(self, a: int) -> int:
        return a + 1


class _AsyncAdder:
    async def __call__(self, a: int) -> int:
        return a + 1


class _Heir(_AsyncAdder):
    """Its call is inherited."""


def test_a_task_is_named_after_its_function() -> None:
    made = task(_add)
    assert (made.name, made.description, repr(made)) == ("_add", "Add two numbers.", "Task('_add')")
    assert made.task_key.endswith("test_tasks._add")


def test_a_task_runs_outside_flows() -> None:
    assert task(_add)(1, b=2) == 3


def test_a_partial_and_an_object_that_can_be_called_are_tasks_too() -> None:
    assert task(partial(_add, 1))(2) == 3
    assert task(_Adder())(2) == 3
    assert [asyncio.run(task(adder())(2)) for adder in (_AsyncAdder, _Heir)] == [3, 3]


def test_methods_see_their_instance_or_class() -> None:
    class Model:
        factor = 2

        @task
        def fit(self, x: int) -> int:
            return self.factor * x

        @classmethod
        @task
        def of_class(cls, x: int) -> int:
            return cls.factor + x

        @staticmethod
        @task
        def alone(x: int) -> int:
            return x

    model = Model()
    model.factor = 3
    of_class: Any = Model.of_class
    alone: Any = model.alone

    @flow
    def main() -> list[Any]:
        futures = [model.fit.submit(2), *model.fit.map([1, 5]), model.alone.submit(7)]
        called: list[Any] = [model.fit(2), Model().fit(2), of_class(1), alone(5)]
        return [*called, *(future.result() for future in futures)]

    assert main() == [6, 4, 3, 5, 6, 3, 15, 7]
    assert isinstance(Model.fit, Task)


def test_options_of_a_method_are_those_of_its_task() -> None:
    class Model:
        @task(retries=2, tags=["slow"])
        def fit(self, x: int) -> int:
            return x

    changed = Model().fit.with_options(name="other")
    assert (changed.name, changed.retries, changed(1)) == ("other", 2, 1)
    assert changed.tags == {"slow"}


def test_generators_are_refused_in_one_sentence() -> None:
    def yielding() -> Any:
        yield 1

    with pytest.raises(UsageError, match="yields, and a task must return: collect the values in a list"):
        task(yielding)


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(UsageError, match="@task is for functions, not for 5"):
        task(5)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="Put @staticmethod above @task"):
        task(staticmethod(_add))


def test_parameters_that_calls_use_are_refused() -> None:
    def taken(return_state: bool) -> None: ...

    with pytest.raises(UsageError, match="A task cannot have a parameter 'return_state'"):
        task(taken)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"retries": -1}, "retries is -1; use 0 or more"),
        ({"retries": 1, "retry_delay_seconds": -1}, "retry_delay_seconds has a .*-1.0"),
        ({"retries": 60, "retry_delay_seconds": [0.0] * 51}, "gives 51 delays; use 50 at the most"),
        ({"retries": 1, "retry_jitter_factor": -1}, "retry_jitter_factor is -1"),
    ],
)
def test_impossible_retries_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        task(**options)(_add)(1, 2)


def test_a_task_can_be_pickled_with_its_options() -> None:
    made = task(retries=3, tags=["a"])(_add)
    made(1, 2)
    copy = pickle.loads(cloudpickle.dumps(made))
    assert (copy(1, 2), copy.retries, copy.tags) == (3, 3, {"a"})


def test_submit_and_map_need_a_flow() -> None:
    for call in (task(_add).submit, task(_add).map):
        with pytest.raises(MissingContextError, match=r"_add.submit\(\) and .map\(\) need a flow around them"):
            call([1], [2])


def test_hooks_can_be_added_later() -> None:
    entered: list[str] = []

    @task
    def work(fails: bool) -> None:
        if fails:
            raise ValueError("x")

    @work.on_running
    @work.on_completion
    @work.on_failure
    def tell(task: Any, run: Any, state: Any) -> None:
        entered.append(state.name)

    work(False)
    work(True, return_state=True)
    assert entered == ["Running", "Completed", "Running", "Failed"]


def test_options_that_only_describe_are_kept() -> None:
    made = task(asset_deps=["s3://b"], viz_return_value=4, version="2")(_add)
    assert (made.asset_deps, vars(made)["viz_return_value"], made.version) == (["s3://b"], 4, "2")
