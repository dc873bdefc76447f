"""The filter language, and filters that are put together by hand."""

from orchestration.domain.schemas.filters import GRAMMAR, SORTS, Field, among


def test_every_listing_has_fields_and_an_order() -> None:
    assert SORTS.keys() == GRAMMAR.keys()
    assert all(SORTS.values())
    assert GRAMMAR["flows"]["name"] == Field("text", ("any_", "like_"))


def test_a_filter_narrows_by_what_is_wanted() -> None:
    wanted = among("flow_runs", name=["oak", "elm"], state_type=["FAILED"], state_name=["Late"], id=[])
    state = {"type": {"any_": ["FAILED"]}, "name": {"any_": ["Late"]}}
    assert wanted == {"flow_runs": {"name": {"any_": ["oak", "elm"]}, "state": state}}


def test_a_filter_that_wants_nothing_narrows_nothing() -> None:
    assert among("flow_runs", name=[], state_type=None) == {}
