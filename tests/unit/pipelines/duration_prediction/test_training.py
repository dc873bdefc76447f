"""The fitted model: one object from raw rows to minutes."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.pipeline import Pipeline

from pipelines.duration_prediction.config import TrainingConfig
from pipelines.duration_prediction.data import Trips, load_month
from pipelines.duration_prediction.evaluation import evaluate, score_baselines
from pipelines.duration_prediction.training import fit_model, predict_minutes
from pipelines.duration_prediction.validation import DROPOFF
from pipelines.embedded.months import make_month
from pipelines.errors import NoValidTripsError
from pipelines.tlc import Month


@pytest.fixture(scope="module")
def model(train: Trips, quick: TrainingConfig) -> Pipeline:
    return fit_model(train, quick)


def test_the_same_trips_and_settings_give_the_same_model(
    model: Pipeline, train: Trips, validate: Trips, quick: TrainingConfig
) -> None:
    again = fit_model(train, quick)
    assert predict_minutes(again, validate.frame).tobytes() == predict_minutes(model, validate.frame).tobytes()


def test_it_beats_every_baseline(model: Pipeline, train: Trips, validate: Trips) -> None:
    metrics = evaluate(validate.minutes, predict_minutes(model, validate.frame))
    assert metrics.rmse < min(score.metrics.rmse for score in score_baselines(train, validate))


@pytest.mark.parametrize("month", [Month(2021, 1), Month(2023, 1), Month(2023, 2), Month(2025, 1)], ids=str)
def test_raw_rows_of_any_generation_get_one_prediction_each(model: Pipeline, month: Month) -> None:
    rows = make_month(month, rows=300).to_pandas().drop(columns=[DROPOFF])
    minutes = predict_minutes(model, rows)
    assert minutes.shape == (300,)
    assert np.isfinite(minutes).all()
    assert minutes.min() >= 1
    assert minutes.max() <= 60


def test_predictions_follow_the_order_of_the_rows(model: Pipeline) -> None:
    rows = make_month(Month(2021, 3), rows=200).to_pandas()
    shuffled = rows.sample(frac=1, random_state=7)
    assert predict_minutes(model, shuffled).tolist() == predict_minutes(model, rows)[shuffled.index].tolist()


def test_durations_that_mean_nothing_teach_nothing(train: Trips, validate: Trips, quick: TrainingConfig) -> None:
    """The leakage test: were a trip's own duration among its features, noise would look learnable in training."""
    noise = train.frame.copy()
    length = train.frame[DROPOFF] - train.frame["lpep_pickup_datetime"]
    noise[DROPOFF] = noise["lpep_pickup_datetime"] + length.sample(frac=1, random_state=3).to_numpy()
    model = fit_model(replace(train, frame=noise), quick)
    assert evaluate(validate.minutes, predict_minutes(model, validate.frame)).r2 < 0.02


def test_a_terminal_sees_the_trees_grow_and_gets_the_same_model(
    model: Pipeline,
    train: Trips,
    quick: TrainingConfig,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    watched = fit_model(train, quick)
    printed = capsys.readouterr()
    assert f"\rFitting [{'#' * 28}] 100% \n" in printed.err
    assert printed.out == ""
    assert str(watched.get_params()) == str(model.get_params())
    assert watched["minutes"].regressor_.get_params() == model["minutes"].regressor_.get_params()
    assert predict_minutes(watched, train.frame).tobytes() == predict_minutes(model, train.frame).tobytes()


def test_elsewhere_a_fit_is_silent(train: Trips, quick: TrainingConfig, capsys: pytest.CaptureFixture[str]) -> None:
    fit_model(train, quick)
    assert capsys.readouterr() == ("", "")


def test_a_handful_of_trips_is_refused(train: Trips) -> None:
    few = replace(train, frame=train.frame.head(4))
    with pytest.raises(NoValidTripsError, match="4 valid trips are too few to learn from in 5 folds"):
        fit_model(few, TrainingConfig())


def test_the_promised_error_on_real_months(tlc_folder: Path) -> None:
    january, february = (load_month(tlc_folder / m.file_name, m) for m in (Month(2021, 1), Month(2021, 2)))
    model = fit_model(january, TrainingConfig())
    raw = pq.read_table(tlc_folder / "green_tripdata_2021-02.parquet").to_pandas()
    assert evaluate(february.minutes, predict_minutes(model, february.frame)).rmse < 5.5
    assert len(predict_minutes(model, raw)) == 64_572
