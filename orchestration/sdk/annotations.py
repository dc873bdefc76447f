"""Marks on arguments: map over everything but this, take a failure as it is, do not look inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Mark(Generic[T]):
    """An argument, and what the engine is to know of it."""

    value: T


class unmapped(Mark[T]):
    """An argument of ``map`` that every call gets as a whole."""


class allow_failure(Mark[T]):
    """An upstream task run that may fail; its exception is then the argument."""


class quote(Mark[T]):
    """An argument in which no futures are looked for."""

    def unquote(self) -> T:
        """The argument itself."""
        return self.value
