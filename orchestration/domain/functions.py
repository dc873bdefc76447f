"""What can be told of a function without loading ``inspect``, and whether its caller may await."""

import sys
from collections.abc import Callable, Generator
from contextvars import ContextVar
from functools import partial
from typing import Any

from orchestration.domain.errors import UsageError

_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200  # CO_* flags of the language's data model


def check_decorated(fn: Any, decorator: str) -> None:
    """Refuse what cannot be a flow or task.

    Raises:
        UsageError: it is not callable, or a generator function.
    """
    if isinstance(fn, classmethod | staticmethod):
        raise UsageError(f"Put @{type(fn).__name__} above @{decorator}, not below it.")
    if not callable(fn):
        raise UsageError(f"@{decorator} is for functions, not for {fn!r}; give its options by name, as in name='...'.")
    if _flags(fn) & (_GENERATOR | _ASYNC_GENERATOR):
        raise UsageError(f"{qualified_name(fn)} yields, and a {decorator} must return: collect the values in a list.")


def is_async(fn: Callable[..., Any]) -> bool:
    """Whether calling the function gives a coroutine."""
    return bool(_flags(fn) & _COROUTINE)


def qualified_name(fn: Callable[..., Any]) -> str:
    """The module and name of a function, such as ``flows.train.<locals>.fit``."""
    inner = _inner(fn)
    module = getattr(inner, "__module__", None) or type(inner).__module__
    return f"{module}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"


def _inner(fn: Any) -> Any:
    while isinstance(fn, partial):
        fn = fn.func
    return fn


def _flags(fn: Callable[..., Any]) -> int:
    inner = _inner(fn)
    code = getattr(inner, "__code__", None) or getattr(type(inner).__call__, "__code__", None)
    return int(getattr(code, "co_flags", 0))


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
