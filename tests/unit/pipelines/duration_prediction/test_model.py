"""The fitted model: one object from raw rows to minutes and their intervals."""

import numpy as np
import pandas as pd
import pytest
from skops.io import dumps, get_untrusted_types, loads

from pipelines.duration_prediction import model as model_module
from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.model import TRUSTED_TYPES, DurationModel, predict_trips
from pipelines.duration_prediction.scales import MINUTES, ROOT, on_scale, to_minutes
from pipelines.duration_prediction.validation import DROPOFF
from pipelines.embedded.months import make_month
from pipelines.tlc import Colour, Month


@pytest.mark.parametrize("month", [Month(2021, 1), Month(2023, 1), Month(2023, 2), Month(2025, 1)], ids=str)
def test_raw_rows_of_any_generation_get_one_prediction_each(fitted: DurationModel, month: Month) -> None:
    rows = make_month(month, rows=300).to_pandas().drop(columns=[DROPOFF])
    minutes = fitted.predict(rows)
    assert minutes.shape == (300,)
    assert np.isfinite(minutes).all()
    assert minutes.min() >= 1
    assert minutes.max() <= 60


def test_rows_of_yellow_taxis_are_read_as_well(fitted: DurationModel) -> None:
    rows = make_month(Month(2021, 3), rows=50).to_pandas()
    yellow = rows.rename(columns={Colour.GREEN.pickup: Colour.YELLOW.pickup})
    assert fitted.predict(yellow).tolist() == fitted.predict(rows).tolist()


def test_predictions_follow_the_order_of_the_rows(fitted: DurationModel) -> None:
    rows = make_month(Month(2021, 3), rows=200).to_pandas()
    shuffled = rows.sample(frac=1, random_state=7)
    assert fitted.predict(shuffled).tolist() == fitted.predict(rows)[shuffled.index].tolist()


def test_batches_give_what_one_gives(fitted: DurationModel, validate: Trips, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted.predict(validate.frame)
    monkeypatch.setattr(model_module, "BATCH", 700)
    assert fitted.predict(validate.frame).tobytes() == whole.tobytes()


def test_no_rows_get_no_predictions(fitted: DurationModel, validate: Trips) -> None:
    assert fitted.predict(validate.frame.head(0)).shape == (0,)


def test_intervals_lie_around_the_predictions(fitted: DurationModel, validate: Trips) -> None:
    said = predict_trips(fitted, validate.frame)
    low, high = fitted.predict_interval(validate.frame)
    np.testing.assert_array_equal([low, high], [said.low, said.high])
    assert (low <= said.minutes).mean() > 0.99
    assert (high >= said.minutes).mean() > 0.99
    assert low.min() >= 1
    assert high.max() <= 60
    actual = validate.minutes.to_numpy()
    assert ((low <= actual) & (actual <= high)).mean() == pytest.approx(said.coverage, abs=0.06)


def test_a_trip_that_is_hardly_known_is_predicted_all_the_same(fitted: DurationModel) -> None:
    rows = pd.DataFrame(
        {Colour.GREEN.pickup: [pd.NaT], "PULocationID": [None], "DOLocationID": [265], "trip_distance": [None]}
    )
    assert 1 <= fitted.predict(rows)[0] <= 60


def test_it_is_saved_and_loaded_with_the_reviewed_types_only(fitted: DurationModel, validate: Trips) -> None:
    saved = dumps(fitted)
    assert set(get_untrusted_types(data=saved)) == set(TRUSTED_TYPES)
    loaded = loads(saved, trusted=TRUSTED_TYPES)
    assert predict_trips(loaded, validate.frame).high.tobytes() == predict_trips(fitted, validate.frame).high.tobytes()
    assert len(saved) < 5_000_000


@pytest.mark.parametrize("scale", [MINUTES, ROOT])
def test_a_scale_and_back(scale: str) -> None:
    minutes = np.array([1.0, 9.0, 60.0])
    assert to_minutes(on_scale(minutes, scale), scale).tolist() == pytest.approx([1, 9, 60])


def test_a_root_below_zero_is_no_long_trip() -> None:
    assert to_minutes(np.array([-3.0]), ROOT).tolist() == [0]
