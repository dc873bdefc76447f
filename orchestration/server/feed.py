"""New events as they come, for many listeners at the price of one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from anyio.to_thread import run_sync

from orchestration.backend.port import Backend
from orchestration.domain.errors import StoreError
from orchestration.domain.schemas.filters import PAGE, Query
from orchestration.domain.schemas.wire import Document

# Between two looks at the store, where other servers may have written.
SECONDS = 0.25
# Seconds after which a row whose number was passed over is not waited for any more: its writer took it back.
LATEST = 5.0
# Rows that a slow listener may fall behind; then the oldest are dropped.
MOST_WAITING = 10_000


class Feed:
    """Looks for new rows while somebody listens: every 0.25 s, and at once when this server wrote some.

    Rows become visible out of order where several servers write, so numbers that were passed over are looked for
    again for a while. Listeners hold neither a thread nor a connection while nothing happens.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._listeners: dict[object, deque[Document]] = {}
        self._gaps: dict[int, float] = {}
        self._last = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Look for new rows at once; to be called from any thread."""
        self._soon(self._look_at_once)

    def tell(self, rows: list[Document]) -> None:
        """Hand over rows that are not stored; to be called from any thread."""
        self._soon(self._publish, rows)

    def _soon(self, do: Callable[..., None], *with_these: object) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the server is ending
                self._loop.call_soon_threadsafe(do, *with_these)

    def _look_at_once(self) -> None:
        self._written.set()

    def _publish(self, rows: list[Document]) -> None:
        for waiting in self._listeners.values():
            waiting.extend(rows)
        self._news.set()  # whoever waits goes on, whoever is busy looks before it waits
        self._news.clear()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[AsyncIterator[Document]]:
        """The rows that come from now on."""
        if self._task is None:
            self._loop, self._ready = asyncio.get_running_loop(), asyncio.Event()
            self._news, self._written = asyncio.Event(), asyncio.Event()
            self._task = asyncio.create_task(self._look())
        key, waiting = object(), deque[Document](maxlen=MOST_WAITING)
        self._listeners[key] = waiting
        try:
            await self._ready.wait()
            yield self._rows(waiting)
        finally:
            del self._listeners[key]
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task = self._loop = None

    async def _rows(self, waiting: deque[Document]) -> AsyncIterator[Document]:
        while True:
            while waiting:
                yield waiting.popleft()
            await self._news.wait()

    async def _look(self) -> None:
        while True:
            try:
                await self._look_once()
            except StoreError:
                await asyncio.sleep(SECONDS)  # it may be back then

    async def _look_once(self) -> None:
        if not self._ready.is_set():
            self._gaps, self._last = {}, await run_sync(self._newest)
            self._ready.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._written.wait(), SECONDS)
        self._written.clear()
        found = await run_sync(self._read_from, min(self._gaps, default=self._last + 1))
        self._publish(self._new(found))
        if len(found) >= PAGE:
            self._written.set()

    def _newest(self) -> int:
        found = self._backend.find("events", Query(sort="SEQUENCE_DESC", limit=1))
        return int(found[0]["sequence"]) if found else 0

    def _read_from(self, number: int) -> list[Document]:
        return self._backend.find("events", Query({"events": {"sequence": {"ge_": number}}}, "SEQUENCE_ASC"))

    def _new(self, rows: list[Document]) -> list[Document]:
        """Those that were not handed over before; takes note of numbers that are missing among them."""
        now = asyncio.get_running_loop().time()
        new = [row for row in rows if row["sequence"] > self._last or row["sequence"] in self._gaps]
        numbers = {row["sequence"] for row in new}
        newest = max(numbers, default=self._last)
        missing = {number: now for number in range(self._last + 1, newest) if number not in numbers}
        known = {number: since for number, since in self._gaps.items() if number not in numbers}
        self._gaps = {number: since for number, since in (known | missing).items() if now - since < LATEST}
        self._last = max(self._last, newest)
        return new
