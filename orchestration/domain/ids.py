"""Identifiers of runs and states: UUIDs of version 7, which sort by the time of their making."""

from uuid import UUID

_VERSION_7, _VARIANT = 0x7 << 76, 0b10 << 62
_RANDOM_A, _RANDOM_B = (1 << 12) - 1, (1 << 62) - 1


def uuid7(milliseconds: int, random: int) -> UUID:
    """The version-7 UUID of RFC 9562 (section 5.7) for a time since the epoch and 74 random bits."""
    stamp = (milliseconds & 0xFFFFFFFFFFFF) << 80
    return UUID(int=stamp | _VERSION_7 | ((random >> 62) & _RANDOM_A) << 64 | _VARIANT | random & _RANDOM_B)
