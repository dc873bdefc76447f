"""Values that may be awaited, and whether the caller may."""

import asyncio

from orchestration.domain.functions import RUN_IS_ASYNC, Ready, in_async_code


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
