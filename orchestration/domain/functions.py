"""What can be told of a function without loading ``inspect``."""

from __future__ import annotations

from collections.abc import Callable
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
