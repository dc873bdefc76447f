"""Marks on arguments: map over everything but this, take a failure as it is, do not look inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class unmapped(Generic[T]):
    """An argument of ``map`` that every call gets as a whole."""

    value: T


@dataclass(frozen=True, slots=True, eq=False)
class allow_failure(Generic[T]):
    """An upstream task run that may fail; its exception is then the argument."""

    value: T


@dataclass(frozen=True, slots=True, eq=False)
class quote(Generic[T]):
    """An argument in which no futures are looked for."""

    value: T

    def unquote(self) -> T:
        """The argument itself."""
        return self.value
