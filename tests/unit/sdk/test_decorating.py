"""What can be told of a function, and what cannot be a flow or a task.

Values that may be awaited, and whether the caller may.
"""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from orchestration.domain.errors import UsageError
from orchestration.domain.states import RUN_IS_ASYNC, Ready, in_async_code
from orchestration.sdk.decorating import check_decorated, is_async, qualified_name


def sync(_number: int = 0) -> None: ...
async def asynchronous(_number: int = 0) -> None: ...
def yields() -> Iterator[int]:
    yield 1


async def asynchronously_yields() -> AsyncIterator[int]:
    yield 1


class Called:
    def __call__(self) -> None: ...
    def method(self) -> None: ...
    async def async_method(self) -> None: ...


class AsyncCalled:
    async def __call__(self) -> None: ...


class InheritsAsyncCall(AsyncCalled):
    pass


@functools.wraps(asynchronous)
def wrapper(*_args: Any) -> Any: ...


FUNCTIONS: list[Callable[..., Any]] = [
    sync, asynchronous, lambda: None, functools.partial(sync, 1), functools.partial(asynchronous, 1),
    functools.partial(functools.partial(asynchronous), 1), Called(), Called().method, Called().async_method, Called,
    print, len,
]  # fmt: skip


@pytest.mark.parametrize("fn", FUNCTIONS)
def test_async_is_told_as_inspect_tells_it(fn: Callable[..., Any]) -> None:
    assert is_async(fn) == inspect.iscoroutinefunction(fn)
    check_decorated(fn, "task")


@pytest.mark.parametrize("fn", [AsyncCalled(), InheritsAsyncCall(), functools.partial(AsyncCalled())])
def test_an_object_whose_call_is_async_is_async(fn: Callable[..., Any]) -> None:
    assert is_async(fn)


def test_the_outer_function_counts() -> None:
    """A sync wrapper of an async function returns what it likes."""
    assert not is_async(wrapper)


@pytest.mark.parametrize("fn", [yields, asynchronously_yields, functools.partial(yields)])
def test_a_generator_is_refused(fn: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match=r"yields, and a flow must return: collect the values in a list"):
        check_decorated(fn, "flow")


@pytest.mark.parametrize("kind", [classmethod, staticmethod])
def test_decorators_in_the_wrong_order_are_refused(kind: type) -> None:
    with pytest.raises(UsageError, match=f"Put @{kind.__name__} above @task, not below it"):
        check_decorated(kind(sync), "task")


@pytest.mark.parametrize("thing", ["train", 3, None])
def test_what_cannot_be_called_is_refused(thing: object) -> None:
    with pytest.raises(UsageError) as refused:
        check_decorated(thing, "flow")
    advice = "give its options by name, as in name='...'."
    assert str(refused.value) == f"@flow is for functions, not for {thing!r}; {advice}"


def test_the_qualified_name_says_where_a_function_stands() -> None:
    def inner() -> None: ...

    here = "test_the_qualified_name_says_where_a_function_stands.<locals>.inner"
    assert qualified_name(inner) == f"{__name__}.{here}"
    assert qualified_name(functools.partial(inner)) == f"{__name__}.{here}"
    assert qualified_name(Called().method) == f"{__name__}.Called.method"
    assert qualified_name(Called()) == f"{__name__}.Called"
    assert qualified_name(len) == "builtins.len"


def test_a_name_without_a_module_is_that_of_its_type() -> None:
    """Methods of built-in types carry no module."""
    assert qualified_name("".join) == f"{type(''.join).__module__}.str.join"


async def _told() -> bool:
    return in_async_code()


def test_a_ready_value_is_awaited_at_once() -> None:
    async def awaited() -> list[int]:
        return [await Ready(5), await Ready(6)]

    assert asyncio.run(awaited()) == [5, 6]


def test_outside_runs_the_event_loop_tells() -> None:
    assert not in_async_code()
    assert asyncio.run(_told())


def test_inside_a_run_the_run_tells() -> None:
    """A sync flow called by async code must get values, not awaitables; so the innermost run decides."""
    token = RUN_IS_ASYNC.set(False)
    try:
        assert not asyncio.run(_told())
        RUN_IS_ASYNC.set(True)
        assert in_async_code()
    finally:
        RUN_IS_ASYNC.reset(token)
