"""``with_options``: the same function with other options."""

from __future__ import annotations

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
    for name, value in options.items():
        attribute = _attribute(decorated, name)
        if attribute.endswith("_hooks"):
            setattr(changed, attribute, list(value or ()))
        elif attribute == "tags":
            setattr(changed, attribute, frozenset(value or ()))
        elif attribute == "timeout_seconds":
            setattr(changed, attribute, float(value) if value else None)
        else:
            setattr(changed, attribute, value)
    for cached in ("_binder", "_policy"):
        if hasattr(changed, cached):
            setattr(changed, cached, None)
    return changed


def _attribute(decorated: Any, option: str) -> str:
    attribute = f"{option}_hooks" if hasattr(decorated, f"{option}_hooks") else _ATTRIBUTES.get(option, option)
    if attribute.startswith("_") or attribute not in vars(decorated):
        raise UsageError(f"{decorated!r} has no option {option!r}.")
    return attribute
