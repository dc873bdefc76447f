"""Names of runs: templates and functions that users give, and names that are made up."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from orchestration.domain.errors import UsageError


def given_name(spec: Callable[..., str] | str, parameters: Mapping[str, Any], option: str) -> str:
    """The name that a template (``"{month}"``) or function makes of a run's parameters.

    Raises:
        UsageError: the template names no parameter, or the function gives no text.
    """
    if isinstance(spec, str):
        return filled_in(spec, parameters, option, ", ".join(parameters) or "no parameters")
    takes_parameters = "parameters" in inspect.signature(spec).parameters
    name = spec(parameters=dict(parameters)) if takes_parameters else spec()
    if not isinstance(name, str):
        raise UsageError(f"{option} is a function that gave a {type(name).__name__}; it must return a text.")
    return name


def filled_in(template: str, values: Mapping[str, Any], option: str, may_use: str) -> str:
    """The text that an option's template makes of values.

    Raises:
        UsageError: it names something else, or asks a value for what it has not.
    """
    try:
        return template.format(**values)
    except (KeyError, IndexError, AttributeError) as error:
        raise UsageError(f"{option}={template!r} cannot be filled in ({error}); it may use {may_use}.") from None
