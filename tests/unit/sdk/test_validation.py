"""Parameters of flows are what their annotations say, or the run fails with a sentence that names them."""

import asyncio
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import pytest

from orchestration import flow, task
from orchestration.domain.errors import ParameterBindError, ParameterTypeError
from orchestration.sdk.client import SyncClient

pytestmark = pytest.mark.usefixtures("session")


class Colour(Enum):
    GREEN = "green"


class Config(pydantic.BaseModel):
    months: list[int]
    strict: bool = False


@dataclass
class Point:
    x: int


class Frame:
    """A type that pydantic does not know."""


def _untyped(value: Any) -> Any:
    """A value that the type checker lets through."""
    return value


@pytest.mark.parametrize(
    ("annotation", "given", "got"),
    [
        (int, "3", 3),
        (float, 2, 2.0),
        (bool, "yes", True),
        (Path, "a/b", Path("a/b")),
        (date, "2021-01-31", date(2021, 1, 31)),
        (Colour, "green", Colour.GREEN),
        (Config, {"months": ["1", 2]}, Config(months=[1, 2])),
        (list[Config], [{"months": []}], [Config(months=[])]),
        (Point, {"x": "4"}, Point(4)),
        (int | None, None, None),
        (Literal["a", "b"], "b", "b"),
        (Annotated[int, pydantic.Field(gt=0)], "5", 5),
        (dict[str, int], {"a": "1"}, {"a": 1}),
        (Any, "x", "x"),
    ],
)
def test_values_are_brought_into_the_annotated_type(annotation: Any, given: Any, got: Any) -> None:
    def main(x: Any) -> Any:
        return x

    main.__annotations__["x"] = annotation
    assert flow(main)(given) == got


@pytest.mark.parametrize(
    ("annotation", "given", "why"),
    [
        (int, "x", r"The parameter 'x' is not valid: Input should be a valid integer.*\(given: 'x'\)"),
        (Annotated[int, pydantic.Field(gt=0)], -1, "The parameter 'x' is not valid: Input should be greater than 0"),
        (Config, {"months": ["a"]}, r"The parameter 'x' is not valid: months\.0: Input should be a valid integer"),
        (Literal["a", "b"], "c", "The parameter 'x' is not valid: Input should be 'a' or 'b'"),
        (Frame, 3, "The parameter 'x' is not valid: Input should be an instance of Frame"),
        (int, "9" * 200 + "x", r"\(given: '9+\.\.\.\)"),
        (int, None, r"Input should be a valid integer \(given: None\)"),
    ],
)
def test_a_value_that_does_not_fit_fails_the_run_with_its_name_and_reason(
    annotation: Any, given: Any, why: str, client: SyncClient
) -> None:
    def main(x: Any) -> None: ...

    main.__annotations__["x"] = annotation
    with pytest.raises(ParameterTypeError, match=why):
        flow(main)(given)
    (run,) = client.read_flow_runs()
    assert run.state is not None
    assert run.state.is_failed()
    assert str(run.state.message).startswith("Validation of flow parameters failed with error: ParameterTypeError:")


def test_a_run_whose_parameters_do_not_fit_is_not_retried_and_tells_its_hooks() -> None:
    entered: list[str] = []

    @flow(retries=3, on_failure=[lambda flow, run, state: entered.append(state.name)])
    def main(x: int) -> None: ...

    assert main("x", return_state=True).is_failed()
    assert entered == ["Failed"]


def test_an_async_flow_is_checked_too() -> None:
    @flow
    async def main(x: int) -> int:
        return x

    assert asyncio.run(main(_untyped("1"))) == 1
    with pytest.raises(ParameterTypeError, match="'x' is not valid"):
        asyncio.run(main(_untyped("one")))


def test_every_kind_of_parameter_is_checked() -> None:
    @flow
    def main(a: int, /, b: "int" = 2, *c: int, d: int = 4, **e: int) -> Any:
        return a, b, c, d, e

    assert main(*_untyped(["1", "2", "3"]), d="5", z="6") == (1, 2, (3,), 5, {"z": 6})
    assert main(1) == (1, 2, (), 4, {})
    with pytest.raises(ParameterTypeError, match="'c' is not valid"):
        main(1, 2, _untyped("x"))
    with pytest.raises(ParameterTypeError, match="'e' is not valid: z: "):
        main(1, z=_untyped("x"))


def test_a_default_is_checked_like_an_argument() -> None:
    @flow
    def main(x: int = "7") -> int:  # type: ignore[assignment]
        return x

    assert main() == 7


def test_checks_can_be_left_out() -> None:
    @flow(validate_parameters=False)
    def main(x: int) -> int:
        return x

    assert _untyped(main(_untyped("x"))) == "x"


def test_objects_of_types_that_pydantic_does_not_know_go_through_untouched() -> None:
    frame = Frame()

    @flow
    def main(x: Frame, rest: "list[Frame]") -> bool:
        return x is frame and rest[0] is frame

    assert main(frame, [frame])


def test_an_annotation_that_cannot_be_resolved_is_named() -> None:
    @flow
    def main(x: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ParameterTypeError, match=r"An annotation of main cannot be resolved: name 'Nowhere'"):
        main(1)


def test_tasks_take_what_they_are_given() -> None:
    @task
    def work(x: int) -> Any:
        return x

    assert work(_untyped("x")) == "x"


@pytest.mark.parametrize(
    ("args", "kwargs", "why"),
    [
        ((), {}, "missing a required argument: 'a'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"z": 1}, "got an unexpected keyword argument 'z'"),
        ((1,), {"a": 1}, "multiple values for argument 'a'"),
    ],
)
def test_arguments_that_do_not_fit_the_signature_are_named(args: Any, kwargs: Any, why: str) -> None:
    def work(a: int, b: int = 2) -> None: ...

    for decorated in (flow(work), task(work)):
        with pytest.raises(ParameterBindError, match=rf"work\(a: int, b: int = 2\).* was called wrongly: {why}"):
            decorated(*args, **kwargs)
