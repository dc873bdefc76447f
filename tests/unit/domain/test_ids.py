"""Identifiers sort by the time of their making."""

from uuid import RFC_4122, UUID

from hypothesis import given, strategies as st

from orchestration.domain.schemas.runs import uuid7
from tests.support.properties import quick

stamps = st.integers(0, (1 << 48) - 1)
random_bits = st.integers(0, (1 << 74) - 1)


@quick
@given(stamps, random_bits)
def test_an_id_is_of_version_7_and_holds_its_time(milliseconds: int, random: int) -> None:
    made = uuid7(milliseconds, random)
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == milliseconds


@quick
@given(st.tuples(stamps, random_bits), st.tuples(stamps, random_bits))
def test_ids_sort_as_their_time_and_random_bits_do(one: tuple[int, int], other: tuple[int, int]) -> None:
    """Both as values and as the texts that the store sorts by; so different bits give different ids."""
    first, second = uuid7(*one), uuid7(*other)
    assert (first < second, str(first) < str(second), first == second) == (one < other, one < other, one == other)


def test_the_example_of_the_standard() -> None:
    """RFC 9562, appendix A.6: 2022-02-22 19:22:22 UTC."""
    random = 0xCC3 << 62 | 0x18C4DC0C0C07398F
    assert uuid7(0x017F22E279B0, random) == UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
