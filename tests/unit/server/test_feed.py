"""New rows for many listeners: each row once, also those that become visible late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from orchestration.domain.errors import StoreError
from orchestration.domain.schemas.filters import Query
from orchestration.domain.schemas.wire import Document
from orchestration.server import feed as module
from orchestration.server.feed import Feed


class Table:
    """Rows that a test puts in, in any order, as several servers do; it is the part of a backend that feeds ask."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.asked = 0
        self.faults = 0

    def find(self, _resource: str, query: Query) -> list[Document]:
        """Those from a number on, or the newest."""
        self.asked += 1
        if self.faults:
            self.faults -= 1
            raise StoreError("gone for a moment")
        if query.sort == "SEQUENCE_DESC":
            return [{"sequence": max(self.numbers)}] if self.numbers else []
        start = query.where["events"]["sequence"]["ge_"]
        found = sorted(number for number in self.numbers if number >= start)
        return [{"sequence": number} for number in found[: query.limit]]


def _run(test: Callable[[Table, Feed], Coroutine[Any, Any, None]], monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.setattr(module, "SECONDS", 0.001)
    table: Any = Table()
    asyncio.run(asyncio.wait_for(test(table, Feed(table)), 20))
    made: Table = table
    return made


async def _next(rows: AsyncIterator[Document], number: int) -> list[int]:
    return [(await anext(rows))["sequence"] for _ in range(number)]


def test_a_listener_hears_what_comes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(table: Table, feed: Feed) -> None:
        table.numbers += [1, 2]
        async with feed.listen() as rows:
            table.numbers += [3, 4]
            assert await _next(rows, 2) == [3, 4]

    _run(test, monkeypatch)


def test_rows_that_become_visible_late_are_heard_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(table: Table, feed: Feed) -> None:
        async with feed.listen() as rows:
            table.numbers += [1, 4]
            assert await _next(rows, 2) == [1, 4]
            table.numbers += [3]
            assert await _next(rows, 1) == [3]
            table.numbers += [2, 5]
            assert await _next(rows, 2) == [2, 5]

    _run(test, monkeypatch)


def test_numbers_that_nobody_took_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(table: Table, feed: Feed) -> None:
        monkeypatch.setattr(module, "LATEST", 0.0)
        async with feed.listen() as rows:
            table.numbers += [5]
            assert await _next(rows, 1) == [5]
            table.numbers += [2, 6]
            assert await _next(rows, 1) == [6]

    _run(test, monkeypatch)


def test_all_listeners_share_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(table: Table, feed: Feed) -> None:
        async with AsyncExitStack() as stack:
            heard = [await stack.enter_async_context(feed.listen()) for _ in range(20)]
            monkeypatch.setattr(module, "SECONDS", 1000)
            table.asked = 0
            table.numbers += [1]
            feed.wake()
            assert [await _next(rows, 1) for rows in heard] == [[1]] * 20
            assert table.asked <= 3

    _run(test, monkeypatch)


def test_more_rows_than_a_page_are_heard_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(table: Table, feed: Feed) -> None:
        async with feed.listen() as rows:
            monkeypatch.setattr(module, "SECONDS", 1000)
            table.numbers += range(1, 1001)
            feed.wake()
            assert await _next(rows, 1000) == list(range(1, 1001))

    _run(test, monkeypatch)


def test_a_store_that_is_gone_for_a_moment_ends_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(table: Table, feed: Feed) -> None:
        table.faults = 2
        async with feed.listen() as rows:
            table.faults = 2
            table.numbers += [1]
            assert await _next(rows, 1) == [1]

    _run(test, monkeypatch)


def test_nobody_asks_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(table: Table, feed: Feed) -> None:
        feed.wake()
        feed.tell([{"sequence": 1}])
        async with feed.listen():
            pass
        table.asked = 0
        feed.wake()
        for _ in range(20):
            await asyncio.sleep(0)
        assert table.asked == 0
        async with feed.listen() as rows:
            feed.tell([{"sequence": 7}])
            assert await _next(rows, 1) == [7]

    _run(test, monkeypatch)


def test_a_slow_listener_loses_the_oldest_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(table: Table, feed: Feed) -> None:
        monkeypatch.setattr(module, "MOST_WAITING", 3)
        async with feed.listen() as rows:
            feed.tell([{"sequence": number} for number in range(10)])
            assert await _next(rows, 3) == [7, 8, 9]

    _run(test, monkeypatch)
