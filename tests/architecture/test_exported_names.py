"""The public names: adding one is a decision, losing one breaks somebody's flow."""

import orchestration

EXPORTED = {
    "State", "allow_failure", "flow", "get_client", "get_run_logger", "task", "test_harness", "unmapped",
}  # fmt: skip


def test_the_public_names_are_the_promised_ones() -> None:
    assert set(orchestration.__all__) == EXPORTED


def test_every_public_name_is_there() -> None:
    assert [name for name in orchestration.__all__ if not hasattr(orchestration, name)] == []


def test_a_listing_shows_the_public_names() -> None:
    assert set(orchestration.__all__) <= set(dir(orchestration))
