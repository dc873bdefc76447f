"""``with_options``: the same function with other options."""

from __future__ import annotations

import inspect
from copy import copy
from typing import Any, TypeVar

from orchestration.domain.errors import UsageError

D = TypeVar("D")

_ATTRIBUTES = {"validate_parameters": "should_validate_parameters"}


def with_options(decorated: D, options: dict[str, Any]) -> D:
    """A copy of a flow or task with these arguments of its decorator changed.

    Raises:
        UsageError: the decorator has no such argument.
    """
    changed = copy(decorated)
    values = {attribute: value for attribute, value in vars(decorated).items() if attribute.endswith("_hooks")}
    values.update({_attribute(decorated, option): value for option, value in options.items()})
    for attribute, value in values.items():
        setattr(changed, attribute, _as_kept(attribute, value))
    for cached in ("_binder", "_policy"):
        if hasattr(changed, cached):
            setattr(changed, cached, None)
    return changed


def _as_kept(attribute: str, value: Any) -> Any:
    """An option's value in the form in which a flow or task keeps it; lists of hooks are never shared."""
    if attribute.endswith("_hooks"):
        return list(value or ())
    if attribute == "tags":
        return frozenset(value or ())
    if attribute == "timeout_seconds":
        return float(value) if value else None
    return value


def _attribute(decorated: Any, option: str) -> str:
    known = [*inspect.signature(type(decorated).__init__).parameters][2:]  # all but self and the function
    if option not in known:
        raise UsageError(f"{decorated!r} has no option {option!r}; it has {', '.join(known)}.")
    return f"{option}_hooks" if hasattr(decorated, f"{option}_hooks") else _ATTRIBUTES.get(option, option)
