"""What becomes of a new model beside the champion."""

import pytest

from pipelines.duration_prediction.bootstrap import Interval
from pipelines.duration_prediction.metrics import Metrics
from pipelines.duration_prediction.standing import Fate, Rival, decide_fate, learnt_months
from pipelines.tlc import Month

FEBRUARY = Month(2021, 2)


def _metrics(rmse: float) -> Metrics:
    return Metrics(rmse, 3.5, 0.8, 2.4, 8.0, 0.1)


def _rival(*months: Month, rmse: float = 5.4) -> Rival:
    return Rival("3", months, _metrics(rmse), Interval(-0.3, -0.2, -0.1, 0.95))


def test_the_first_model_takes_the_empty_place() -> None:
    fate, reason = decide_fate(_metrics(5.2), None, FEBRUARY, 0.01)
    assert fate is Fate.PROMOTED
    assert "no champion yet" in reason


def test_a_better_model_takes_the_champions_place_and_a_worse_one_does_not() -> None:
    assert decide_fate(_metrics(5.2), _rival(Month(2020, 12)), FEBRUARY, 0.01)[0] is Fate.PROMOTED
    fate, reason = decide_fate(_metrics(5.5), _rival(Month(2020, 12)), FEBRUARY, 0.01)
    assert fate is Fate.KEPT
    assert "5.50" in reason
    assert "5.40" in reason


@pytest.mark.parametrize("newest", [FEBRUARY, Month(2021, 3)])
def test_a_champion_that_knows_the_judged_month_or_later_ones_is_not_challenged(newest: Month) -> None:
    fate, reason = decide_fate(_metrics(1.0), _rival(Month(2020, 12), newest), FEBRUARY, 0.0)
    assert fate is Fate.KEPT
    assert reason == (
        f"Kept as challenger: the champion (version 3) has learnt from 2020-12, {newest}, so 2021-02 cannot decide "
        "between the two."
    )


def test_a_champion_whose_months_nobody_knows_is_compared() -> None:
    assert decide_fate(_metrics(5.2), _rival(), FEBRUARY, 0.01)[0] is Fate.PROMOTED


def test_the_months_of_a_version_stand_in_its_tags() -> None:
    assert learnt_months({"train_months": "2020-12,2021-01"}) == (Month(2020, 12), Month(2021, 1))
    assert learnt_months({}) == ()
