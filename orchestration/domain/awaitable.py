"""A value that sync code uses as it is and async code may await."""

import sys
from collections.abc import Generator
from contextvars import ContextVar
from typing import Any

# Whether the innermost run is async code; ``None`` outside runs. The engine's drivers set it.
RUN_IS_ASYNC: ContextVar[bool | None] = ContextVar("RUN_IS_ASYNC", default=None)


class Ready:
    """An awaitable that is done already: awaiting it yields its value at once."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Generator[None, None, Any]:
        return self.value
        yield  # makes this function a generator, as the protocol of awaitables asks


def in_async_code() -> bool:
    """Whether the caller may await: an async run, or a running event loop outside any run."""
    run_is_async = RUN_IS_ASYNC.get()
    if run_is_async is not None:
        return run_is_async
    asyncio = sys.modules.get("asyncio")  # where nobody has loaded it, no loop runs, and asking costs no import
    return asyncio is not None and asyncio._get_running_loop() is not None
