"""What ``@flow`` and ``@task`` refuse at once, so that a slip is told where it was made and not in the middle of a run.

Loads nothing: decorating is to stay free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from orchestration.domain.errors import UsageError

ENGINES_OWN = ("return_state", "wait_for")
"""Keyword arguments of a call that never reach the function."""


def check_parameters(fn: Callable[..., Any], decorator: str) -> None:
    """Refuse a function with a parameter that the engine would take away from it.

    Raises:
        UsageError: naming the parameter.
    """
    code = getattr(fn, "__code__", None)
    if code is None:
        return
    for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        if name in ENGINES_OWN:
            raise UsageError(
                f"A {decorator} cannot have a parameter {name!r}, which calls of flows and tasks use; rename it."
            )


def callables(hooks: Iterable[Any] | None, option: str) -> list[Any]:
    """A list of its own of the functions that an option names.

    Raises:
        UsageError: it is no list, or something in it cannot be called.
    """
    if isinstance(hooks, str) or callable(hooks):
        raise UsageError(f"{option} is {hooks!r}; give a list of functions, as in {option}=[tell].")
    listed = list(hooks or ())
    wrong = [hook for hook in listed if not callable(hook)]
    if wrong:
        raise UsageError(f"{option} has {wrong[0]!r} in its list, which cannot be called; give functions.")
    return listed
