"""What a type checker tells the author of a flow. mypy reads this file in ``make check``; nothing runs it.

Decorators keep the signature that the author wrote. Each ``type: ignore`` stands at a mistake that mypy must see: where
it does not, strict mode reports the comment as unused.
"""

from typing import assert_type

from orchestration import State, flow, task


@task
def bare(x: int) -> str:
    return str(x)


@task(retries=3, name="Add")
def add(x: int, y: int) -> int:
    return x + y


@task
async def fetch(name: str) -> bytes:
    return name.encode()


@flow(name="Main flow")
def main(number: int = 1) -> int:
    assert_type(bare(number), str)
    assert_type(add(number, y=2), int)
    assert_type(add(1, 2, return_state=True), State)
    assert_type(add.with_options(retries=1)(1, 2), int)
    assert_type(add.fn(1, 2), int)
    return add(number, number)


@flow
async def main_async() -> bytes:
    assert_type(await fetch("a"), bytes)
    return await fetch("a")


def use() -> None:
    assert_type(main(3), int)
    assert_type(main(return_state=True), State)
    add("one", 2)  # type: ignore[call-overload]
    main(numbr=1)  # type: ignore[call-overload]
    add.fn(1)  # type: ignore[call-arg]
    task(retires=3)  # type: ignore[call-overload]
