"""Who becomes champion, and why."""

import pytest

from pipelines.duration_prediction.bootstrap import Interval
from pipelines.duration_prediction.promotion import decide_promotion

SURE, UNSURE = Interval(-0.3, -0.2, -0.1, 0.95), Interval(-0.3, -0.2, 0.05, 0.95)


def test_the_first_model_takes_the_empty_place() -> None:
    decided = decide_promotion(5.2, None, None, margin=0.01)
    assert decided.promote
    assert decided.reason == "There was no champion yet: this model, with an RMSE of 5.20, becomes it."


@pytest.mark.parametrize(
    ("challenger", "difference", "margin", "promote", "reason"),
    [
        (5.0, SURE, 0.01, True, "Promoted: its RMSE is 5.00 minutes against the champion's 5.20, better by 3.8%"),
        (5.0, None, 0.0, True, "better by 3.8%"),
        (5.2, SURE, 0.0, False, "so it is not better"),
        (5.3, SURE, 0.0, False, "so it is not better"),
        (5.15, SURE, 0.01, False, "better by 1.0% where 1.0% is asked for"),
        (5.0, UNSURE, 0.01, False, r"the difference (-0.30 to +0.05 minutes) may be chance"),
    ],
)
def test_a_champion_falls_only_to_a_better_model(
    challenger: float, difference: Interval | None, margin: float, promote: bool, reason: str
) -> None:
    decided = decide_promotion(challenger, 5.2, difference, margin)
    assert decided.promote is promote
    assert reason in decided.reason


def test_a_faultless_champion_stays() -> None:
    assert not decide_promotion(0.0, 0.0, None, margin=0.0).promote
