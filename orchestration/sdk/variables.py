"""Variables: named JSON values that people change without changing code."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound, UsageError
from orchestration.domain.schemas.catalog import VariableRecord, variable_of
from orchestration.sdk.awaiting import awaited, either
from orchestration.sdk.logs import started_session

_NAME = re.compile(r"[a-z0-9_-]{1,255}")
# Characters of a value as JSON.
LONGEST_VALUE = 5000


def _set(name: str, value: Any, tags: Sequence[str] | None = None, overwrite: bool = False) -> VariableRecord:
    """Store a value under a name.

    Raises:
        ObjectAlreadyExists: the name is taken; pass ``overwrite=True`` to replace the value.
        UsageError: the name or the value is none that a variable can have.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"The variable name {name!r} is none; use 1 to 255 of a-z, 0-9, dashes and underscores.")
    try:
        length = len(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise UsageError(f"The value of variable {name!r} is not JSON: {error}.") from None
    if length > LONGEST_VALUE:
        raise UsageError(f"The value of variable {name!r} has {length} characters; {LONGEST_VALUE} is the most.")
    document = {"name": name, "value": value, "tags": list(tags or ())}
    try:
        return variable_of(started_session().backend.create("variables", document, overwrite))
    except ObjectAlreadyExists:
        raise ObjectAlreadyExists(f"There is a variable {name!r}; replace it with overwrite=True.") from None


def _get(name: str, default: Any = None) -> Any:
    """The value of a name; ``default`` when there is none."""
    with suppress(ObjectNotFound):
        return started_session().backend.read("variables", name=name)["value"]
    return default


def _unset(name: str) -> bool:
    """Forget a name; whether there was a value."""
    with suppress(ObjectNotFound):
        started_session().backend.delete("variables", name=name)
        return True
    return False


class Variable:
    """``Variable.get("name")``, ``Variable.set("name", value)``, ``Variable.unset("name")``, and their async twins."""

    get, aget = staticmethod(either(_get)), staticmethod(awaited(_get))
    set, aset = staticmethod(either(_set)), staticmethod(awaited(_set))
    unset, aunset = staticmethod(either(_unset)), staticmethod(awaited(_unset))
