"""What every model has to beat."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from pipelines.duration_prediction import baselines
from pipelines.duration_prediction.baselines import linear_by_pair, median_by_pair, score_baselines, xgboost_by_pair
from pipelines.duration_prediction.data import Trips, load_month
from pipelines.duration_prediction.metrics import evaluate
from pipelines.tlc import Month
from tests.support.trips import NOON, make_trips

LEARNT = make_trips((NOON, 1, 2, 1.0, 10.0), (NOON, 1, 2, 1.0, 20.0), (NOON, 1, 2, 1.0, 60.0), (NOON, 3, 4, 2.0, 30.0))


def test_a_pair_is_predicted_by_its_median_and_a_new_pair_by_that_of_all() -> None:
    asked = make_trips((NOON, 1, 2, 1.0, 1.0), (NOON, 3, 4, 1.0, 1.0), (NOON, 9, 9, 1.0, 1.0))
    assert median_by_pair(LEARNT, asked).tolist() == [20, 30, 25]


def test_the_linear_baseline_learns_pairs_and_distance() -> None:
    line = make_trips(*[(NOON, zone, 2, miles, 5 * zone + 2 * miles) for zone in (1, 2) for miles in (1.0, 3.0, 7.0)])
    asked = make_trips((NOON, 1, 2, 5.0, 1.0), (NOON, 2, 2, 2.0, 1.0))
    assert linear_by_pair(line, asked).tolist() == pytest.approx([15, 14])


def test_without_xgboost_the_table_says_so_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "XGBOOST", "no_such_package")
    scored = score_baselines(LEARNT, LEARNT)
    assert [score.name for score in scored.scores] == ["Median by pair of zones", "Linear model on pair and distance"]
    assert scored.scores[1].metrics.rmse <= scored.scores[0].metrics.rmse
    (sentence,) = scored.left_out
    assert "is not installed" in sentence


@pytest.mark.skipif(find_spec("xgboost") is None, reason="xgboost is not installed")
def test_with_xgboost_the_tutorials_settings_take_part(train: Trips, validate: Trips) -> None:
    scored = score_baselines(train, validate)
    assert scored.scores[2].name == "XGBoost as in the tutorial"
    assert scored.scores[2].metrics.rmse < scored.scores[0].metrics.rmse
    assert scored.left_out == ()
    assert xgboost_by_pair(train, validate).shape == (len(validate),)


def test_the_linear_baseline_is_the_published_one_on_real_months(tlc_folder: Path) -> None:
    """7.759 is the course's figure for linear regression on pair and distance, 2021-01 -> 2021-02."""
    january, february = (load_month(tlc_folder / m.file_name, m) for m in (Month(2021, 1), Month(2021, 2)))
    assert evaluate(february.minutes.to_numpy(), linear_by_pair(january, february)).rmse == pytest.approx(
        7.759, abs=0.002
    )
