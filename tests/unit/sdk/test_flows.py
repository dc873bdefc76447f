"""``@flow``: what it makes of functions, and what it refuses."""

import asyncio
from functools import partial
from typing import Any

import pytest

from orchestration import Flow, flow
from orchestration.domain.errors import UsageError

pytestmark = pytest.mark.usefixtures("session")


def _add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class _Adder:
    def __call__(self, a: int) -> int:
        return a + 1


def test_a_flow_is_named_after_its_function_with_dashes() -> None:
    @flow
    def main_flow() -> None:
        """Say what it is for."""

    assert (main_flow.name, main_flow.description, main_flow.__name__) == (
        "main-flow", "Say what it is for.", "main_flow",
    )  # fmt: skip
    assert repr(main_flow) == "Flow('main-flow')"


def test_names_and_descriptions_can_be_given() -> None:
    given = flow(name="Main", description="What for", version="3")(_add)
    assert (given.name, given.description, given.version) == ("Main", "What for", "3")


def test_a_flow_runs_its_function() -> None:
    assert flow(_add)(1, b=2) == 3


def test_a_partial_and_an_object_that_can_be_called_are_flows_too() -> None:
    assert flow(partial(_add, 1))(2) == 3
    called = flow(_Adder())
    assert (called(2), called.name) == (3, "-Adder")


def test_methods_see_their_instance_or_class() -> None:
    class Model:
        factor = 2

        @flow
        def fit(self, x: int) -> int:
            return self.factor * x

        @classmethod
        @flow
        def of_class(cls, x: int) -> int:
            return cls.factor + x

        @staticmethod
        @flow
        def alone(x: int) -> int:
            return x

    model = Model()
    model.factor = 3
    of_class: Any = Model.of_class
    alone: Any = model.alone
    results: list[Any] = [model.fit(2), Model().fit(2), of_class(1), alone(5), Model.alone(6)]
    assert results == [6, 4, 3, 5, 6]
    assert isinstance(Model.fit, Flow)


def test_an_async_flow_is_awaited() -> None:
    @flow
    async def main(x: int) -> int:
        return x + 1

    assert main.isasync
    assert asyncio.run(main(1)) == 2


def test_an_async_method_is_awaited() -> None:
    class Model:
        @flow
        async def fit(self, x: int) -> "tuple[Model, int]":
            return self, x

    model = Model()
    assert asyncio.run(model.fit(1)) == (model, 1)


@pytest.mark.parametrize("kind", [classmethod, staticmethod])
def test_the_decorator_goes_below_those_of_classes(kind: Any) -> None:
    with pytest.raises(UsageError, match=f"Put @{kind.__name__} above @flow"):
        flow(kind(_add))


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(UsageError, match="@flow is for functions, not for 'name'"):
        flow("name")  # type: ignore[call-overload]


def test_generators_are_refused_in_one_sentence() -> None:
    def yielding() -> Any:
        yield 1

    async def streaming() -> Any:
        yield 1

    for fn in (yielding, streaming):
        with pytest.raises(UsageError, match=f"{fn.__name__} yields, and a flow must return"):
            flow(fn)


@pytest.mark.parametrize("name", ["return_state", "wait_for"])
def test_parameters_that_calls_use_are_refused(name: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def taken(x, *, {name}=None): ...", namespace)  # noqa: S102 - the name is the test's
    with pytest.raises(UsageError, match=f"A flow cannot have a parameter '{name}'"):
        flow(namespace["taken"])


def test_hooks_can_be_added_later() -> None:
    entered: list[str] = []

    @flow
    def main(fails: bool) -> None:
        if fails:
            raise ValueError("x")

    @main.on_running
    @main.on_completion
    @main.on_failure
    @main.on_crashed
    @main.on_cancellation
    def tell(flow: Any, run: Any, state: Any) -> None:
        entered.append(state.name)

    main(False)
    main(True, return_state=True)
    assert entered == ["Running", "Completed", "Running", "Failed"]
    assert main.on_crashed_hooks == main.on_cancellation_hooks == [tell]


@pytest.mark.parametrize(
    ("hooks", "why"), [("tell", "on_failure is 'tell'; give a list"), ([1], "on_failure is .1.; give a list")]
)
def test_hooks_that_are_no_functions_are_refused(hooks: Any, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        flow(on_failure=hooks)(_add)
