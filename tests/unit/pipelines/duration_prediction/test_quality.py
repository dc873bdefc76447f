"""The table of what the months' files held."""

from pipelines.duration_prediction.data import MonthCounts
from pipelines.duration_prediction.quality import quality_table
from pipelines.tlc import Month


def test_every_rule_is_named_and_counted() -> None:
    counts = [
        MonthCounts(
            Month(2021, month), 100, 1, 2, 3, 4, no_distance=5, absurd_distance=6, unknown_zone=7, no_passengers=8
        )
        for month in (1, 2)
    ]
    learnt, judged = quality_table(counts, Month(2021, 2))
    assert (learnt.month, learnt.judged, judged.judged) == (Month(2021, 1), False, True)
    assert dict(learnt.removed) == {
        "without time, zone or distance": 1,
        "of another month": 2,
        "under 1 minute": 3,
        "over 60 minutes": 4,
    }
    assert dict(learnt.noted) == {
        "without miles": 5,
        "over 100 miles": 6,
        "zone unknown": 7,
        "passengers unknown": 8,
    }
    assert learnt.rows - sum(learnt.removed.values()) == learnt.kept == 90


def test_without_a_judged_month_all_are_learnt_from() -> None:
    (row,) = quality_table([MonthCounts(Month(2021, 1), 1, 0, 0, 0, 0)])
    assert not row.judged
