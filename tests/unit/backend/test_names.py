"""Names of runs: an adjective and an animal."""

from collections import Counter

from orchestration.backend.clock import ADJECTIVES, ANIMALS, made_up_name


def test_a_name_is_an_adjective_and_an_animal() -> None:
    names = {made_up_name() for _ in range(100)}
    assert len(names) > 90
    assert {name.split("-")[0] for name in names} <= set(ADJECTIVES)
    assert {name.split("-")[1] for name in names} <= set(ANIMALS)


def test_there_are_enough_names_that_all_differ() -> None:
    assert len(ADJECTIVES) * len(ANIMALS) > 34_000
    for words in (ADJECTIVES, ANIMALS):
        assert [word for word, count in Counter(words).items() if count > 1] == []
        assert [word for word in words if not (word.isascii() and word.isalpha() and word.islower())] == []
