"""What the model sees of a trip: the same for every generation of files, and nothing that is known only later."""

import numpy as np
import pandas as pd
import pytest

from pipelines.duration_prediction.features import PLAIN_FEATURES, ZONE_FEATURES, trip_features
from pipelines.duration_prediction.validation import DROPOFF, MODEL_COLUMNS, MODEL_REQUIRED, PICKUP
from pipelines.embedded.months import make_month
from pipelines.errors import ContractError
from pipelines.tlc import Month

TRIP = {
    PICKUP: pd.Timestamp("2021-01-02 15:30"),
    "PULocationID": 74,
    "DOLocationID": 75,
    "trip_distance": 1.5,
    "VendorID": 2,
    "passenger_count": 1.0,
}


def test_a_trip_in_numbers() -> None:
    (row,) = trip_features(pd.DataFrame([TRIP])).to_dict("records")
    assert row == {
        "pair": 74_075,
        "pickup_zone": 74,
        "dropoff_zone": 75,
        "miles": 1.5,
        "hour": 15.5,
        "weekday": 5,
        "vendor": 2,
        "passengers": 1,
    }


def test_every_feature_is_used() -> None:
    assert set(trip_features(pd.DataFrame([TRIP])).columns) == {*ZONE_FEATURES, *PLAIN_FEATURES}


@pytest.mark.parametrize("dtype", ["int32", "int64", "float64", "Int64", "object"])
def test_ids_and_counts_may_be_stored_in_any_type(dtype: str) -> None:
    rows = pd.DataFrame([TRIP, TRIP])
    stored = rows.astype(dict.fromkeys(["PULocationID", "DOLocationID", "VendorID", "passenger_count"], dtype))
    pd.testing.assert_frame_equal(trip_features(stored), trip_features(rows))


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_times_may_have_any_unit(unit: str) -> None:
    rows = pd.DataFrame([TRIP])
    pd.testing.assert_frame_equal(trip_features(rows.astype({PICKUP: f"datetime64[{unit}]"})), trip_features(rows))


@pytest.mark.parametrize("month", [Month(2021, 1), Month(2023, 2), Month(2025, 1)], ids=str)
def test_raw_rows_keep_their_number_order_and_index(month: Month) -> None:
    rows = make_month(month, rows=80).to_pandas().sample(frac=1, random_state=1)
    features = trip_features(rows)
    assert features.index.equals(rows.index)
    assert features["dropoff_zone"].tolist() == rows["DOLocationID"].tolist()
    assert (features.dtypes == "float64").all()


def test_what_is_missing_is_nan() -> None:
    rows = pd.DataFrame([TRIP | {"passenger_count": None, PICKUP: pd.NaT, "PULocationID": None}])
    (row,) = trip_features(rows).to_dict("records")
    assert {name for name, value in row.items() if np.isnan(value)} == {
        "pair",
        "pickup_zone",
        "hour",
        "weekday",
        "passengers",
    }


def test_columns_that_only_refine_may_be_absent() -> None:
    features = trip_features(pd.DataFrame([TRIP]).drop(columns=["VendorID", "passenger_count"]))
    assert features[["vendor", "passengers"]].isna().all(axis=None)


@pytest.mark.parametrize("column", MODEL_REQUIRED)
def test_a_column_without_which_no_trip_can_be_judged_is_named(column: str) -> None:
    with pytest.raises(ContractError, match=f"lack the column {column}"):
        trip_features(pd.DataFrame([TRIP]).drop(columns=[column]))


def test_absurd_distances_are_held_to_the_city() -> None:
    rows = pd.DataFrame([TRIP | {"trip_distance": miles} for miles in (-3.0, 0.0, 12.5, 150_000.0)])
    assert trip_features(rows)["miles"].tolist() == [0, 0, 12.5, 100]


def test_nothing_known_only_at_the_end_reaches_the_model() -> None:
    rows = make_month(Month(2021, 1), rows=60).to_pandas()
    later = rows.drop(columns=list(MODEL_COLUMNS)).columns
    spoilt = rows.copy()
    spoilt[later] = None
    assert DROPOFF in later
    pd.testing.assert_frame_equal(trip_features(spoilt), trip_features(rows))


def test_no_trips_give_no_features() -> None:
    rows = make_month(Month(2021, 1), rows=5).to_pandas().iloc[:0]
    assert trip_features(rows).shape == (0, len({*ZONE_FEATURES, *PLAIN_FEATURES}))
