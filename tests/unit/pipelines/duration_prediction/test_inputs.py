"""What the model reads of a trip: the same for every generation of files, and nothing that is known only later."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from pipelines.duration_prediction.inputs import read_inputs
from pipelines.duration_prediction.validation import DROPOFF, MODEL_COLUMNS, MODEL_REQUIRED, PICKUP
from pipelines.embedded.months import make_month
from pipelines.errors import ContractError
from pipelines.tlc import Colour, Month

TRIP = {
    PICKUP: pd.Timestamp("2021-01-02 15:30"),
    "PULocationID": 74,
    "DOLocationID": 75,
    "trip_distance": 1.5,
    "VendorID": 2,
    "passenger_count": 1.0,
}


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    mine, theirs = asdict(read_inputs(one)), asdict(read_inputs(other))
    for name, values in mine.items():
        np.testing.assert_array_equal(values, theirs[name])
    return True


def test_a_trip_in_numbers() -> None:
    row = {name: values.tolist() for name, values in asdict(read_inputs(pd.DataFrame([TRIP]))).items()}
    assert row == {
        "pickup_zone": [74],
        "dropoff_zone": [75],
        "day": [pd.Timestamp("2021-01-02").date()],
        "hour": [15.5],
        "weekday": [5],
        "miles": [1.5],
        "vendor": [2],
        "passengers": [1],
    }


def test_weekdays_begin_on_monday() -> None:
    days = pd.date_range("2024-02-26", periods=14)
    rows = pd.DataFrame([TRIP | {PICKUP: day} for day in days])
    assert read_inputs(rows).weekday.tolist() == days.day_of_week.tolist() == [*range(7), *range(7)]


@pytest.mark.parametrize("dtype", ["int32", "int64", "float64", "Int64", "object"])
def test_ids_and_counts_may_be_stored_in_any_type(dtype: str) -> None:
    rows = pd.DataFrame([TRIP, TRIP])
    names = ["PULocationID", "DOLocationID", "VendorID", "passenger_count"]
    assert _same(rows.astype(dict.fromkeys(names, dtype)), rows)


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_times_may_have_any_unit(unit: str) -> None:
    rows = pd.DataFrame([TRIP])
    assert _same(rows.astype({PICKUP: f"datetime64[{unit}]"}), rows)


def test_yellow_taxis_name_their_times_otherwise() -> None:
    rows = pd.DataFrame([TRIP])
    assert _same(rows.rename(columns={PICKUP: Colour.YELLOW.pickup}), rows)


@pytest.mark.parametrize("month", [Month(2021, 1), Month(2023, 2), Month(2025, 1)], ids=str)
def test_raw_rows_keep_their_number_and_order(month: Month) -> None:
    rows = make_month(month, rows=80).to_pandas().sample(frac=1, random_state=1)
    inputs = read_inputs(rows)
    assert len(inputs) == 80
    assert inputs.dropoff_zone.tolist() == rows["DOLocationID"].tolist()


def test_what_is_missing_is_nan_or_no_zone() -> None:
    rows = pd.DataFrame([TRIP | {"passenger_count": None, PICKUP: pd.NaT, "PULocationID": None}])
    inputs = read_inputs(rows)
    assert np.isnan([inputs.passengers[0], inputs.hour[0], inputs.weekday[0]]).all()
    assert (inputs.pickup_zone[0], inputs.dropoff_zone[0]) == (0, 75)


@pytest.mark.parametrize(("zone", "read"), [(265, 265), (266, 0), (-3, 0), (0, 0), (1e9, 0)])
def test_what_is_no_zone_is_read_as_none(zone: float, read: int) -> None:
    assert read_inputs(pd.DataFrame([TRIP | {"DOLocationID": zone}])).dropoff_zone.tolist() == [read]


def test_columns_that_only_refine_may_be_absent() -> None:
    inputs = read_inputs(pd.DataFrame([TRIP]).drop(columns=["VendorID", "passenger_count"]))
    assert np.isnan([inputs.vendor, inputs.passengers]).all()


@pytest.mark.parametrize("column", MODEL_REQUIRED)
def test_a_column_without_which_no_trip_can_be_judged_is_named(column: str) -> None:
    with pytest.raises(ContractError, match=f"lack the column {column}"):
        read_inputs(pd.DataFrame([TRIP]).drop(columns=[column]))


def test_without_distance_the_column_is_neither_needed_nor_read() -> None:
    rows = pd.DataFrame([TRIP])
    assert np.isnan(read_inputs(rows, use_distance=False).miles).all()
    assert len(read_inputs(rows.drop(columns=["trip_distance"]), use_distance=False)) == 1


def test_impossible_distances_are_unknown() -> None:
    rows = pd.DataFrame([TRIP | {"trip_distance": miles} for miles in (-3.0, 0.0, 12.5, 100.0, 150_000.0)])
    np.testing.assert_array_equal(read_inputs(rows).miles, [np.nan, np.nan, 12.5, 100, np.nan])


def test_nothing_known_only_at_the_end_reaches_the_model() -> None:
    rows = make_month(Month(2021, 1), rows=60).to_pandas()
    later = rows.drop(columns=list(MODEL_COLUMNS)).columns
    spoilt = rows.copy()
    spoilt[later] = None
    assert DROPOFF in later
    assert _same(spoilt, rows)


def test_no_trips_give_no_inputs() -> None:
    assert len(read_inputs(make_month(Month(2021, 1), rows=5).to_pandas().iloc[:0])) == 0
