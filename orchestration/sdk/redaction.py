"""Secret values that this process knows, taken out of every text that leaves it."""

from __future__ import annotations

import json
import re
import sys
import threading
import traceback
from types import TracebackType
from urllib.parse import quote

from orchestration.domain.errors import ConfigurationError, StoreError
from orchestration.domain.schemas.catalog import MASK

# Secrets of fewer characters are not looked for: they would blot out ordinary words.
SHORTEST = 4

_lock = threading.Lock()
_known: set[str] = set()
_pattern: re.Pattern[str] | None = None


def remember_secret(value: str) -> None:
    """Redact ``value`` from now on, as it is and as JSON and URLs spell it."""
    global _pattern  # noqa: PLW0603 - the registry is the process's
    take_over_last_words()
    if len(value.strip()) < SHORTEST or value in _known:
        return
    with _lock:
        _known.update({value, value.strip(), json.dumps(value)[1:-1], repr(value)[1:-1]})
        _known.update({quote(value), quote(value, safe="")})
        longest_first = sorted(_known, key=len, reverse=True)
        _pattern = re.compile("|".join(map(re.escape, longest_first)))


def redact(text: str) -> str:
    """The text with a mask in place of each known secret; the text itself while no secret is known."""
    return _pattern.sub(MASK, text) if _pattern is not None else text


def take_over_last_words() -> None:
    """Print what ends this process as ``_print_error`` does; another program's hook is left alone."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _print_error


def _print_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What is printed of an error that nobody caught, without the secrets.

    Of a store or a setting that cannot be used it is the sentence alone, since no line of the script is to blame.
    """
    if issubclass(kind, StoreError | ConfigurationError):
        text = f"{error}\n"
    else:
        text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(redact(text))
