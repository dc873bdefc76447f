"""Names of runs: an adjective and an animal."""

from collections import Counter

from hypothesis import given, strategies as st

from orchestration.backend.names import ADJECTIVES, ANIMALS, run_name
from tests.support.properties import quick


@quick
@given(st.integers(0, 1 << 64))
def test_a_name_is_an_adjective_and_an_animal(random: int) -> None:
    adjective, animal = run_name(random).split("-")
    assert adjective in ADJECTIVES
    assert animal in ANIMALS


def test_every_pair_is_picked_by_one_number() -> None:
    names = [run_name(number) for number in range(len(ADJECTIVES) * len(ANIMALS))]
    assert len(set(names)) == len(names)


def test_there_are_enough_names_that_all_differ() -> None:
    assert len(ADJECTIVES) * len(ANIMALS) > 34_000
    for words in (ADJECTIVES, ANIMALS):
        assert [word for word, count in Counter(words).items() if count > 1] == []
        assert [word for word in words if not (word.isascii() and word.isalpha() and word.islower())] == []
