"""Identifiers of runs and states: UUIDs of version 7, which sort by the time of their making."""

from uuid import UUID


def uuid7(milliseconds: int, random: int) -> UUID:
    """The version-7 UUID of RFC 9562 (section 5.7) for a time since the epoch and 74 random bits."""
    stamp = (milliseconds & 0xFFFFFFFFFFFF) << 80
    version, variant = 0x7 << 76, 0b10 << 62
    return UUID(int=stamp | version | (random >> 62 & 0xFFF) << 64 | variant | random & (1 << 62) - 1)
