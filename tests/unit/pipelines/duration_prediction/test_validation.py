"""The contract, against every generation of the TLC's files."""

from datetime import datetime

import pandas as pd
import pyarrow as pa
import pytest

from pipelines.duration_prediction.validation import COLUMNS, CONTRACT, check_columns, check_month, conform
from pipelines.embedded.months import make_month
from pipelines.errors import ContractError, WrongMonthError
from pipelines.tlc import Month

FILE = "green_tripdata_2021-01.parquet"
JANUARY = Month(2021, 1)
OURS = pa.schema([(column.name, column.type) for column in CONTRACT])
GENERATIONS = [Month(2021, 1), Month(2023, 2), Month(2025, 1)]


def _replace(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


@pytest.mark.parametrize("month", GENERATIONS, ids=str)
def test_every_generation_of_files_comes_out_alike(month: Month) -> None:
    table = make_month(month, rows=50)
    check_columns(table.schema, FILE)
    assert conform(table, FILE).schema == OURS


def test_whole_numbers_stored_as_double_are_ids() -> None:
    table = make_month(JANUARY, rows=50)
    zones = _replace(table, "PULocationID", table["PULocationID"].cast(pa.float64()))
    assert conform(zones, FILE)["PULocationID"] == conform(table, FILE)["PULocationID"]


def test_finer_clocks_are_cut_to_microseconds() -> None:
    table = make_month(JANUARY, rows=1)
    finer = _replace(table, COLUMNS[0], pa.array([1_609_459_200_000_000_001], pa.timestamp("ns")))
    assert conform(finer, FILE)[COLUMNS[0]][0].as_py() == datetime(2021, 1, 1)


def test_a_missing_column_is_named() -> None:
    table = make_month(JANUARY, rows=1).drop_columns(["trip_distance", "VendorID"])
    with pytest.raises(ContractError, match=f"{FILE} lacks the column trip_distance, VendorID"):
        check_columns(table.schema, FILE)


def test_a_value_that_does_not_fit_is_named_with_its_column() -> None:
    table = _replace(make_month(JANUARY, rows=2), "DOLocationID", pa.array(["Harlem", "Bronx"]))
    with pytest.raises(ContractError, match=f"{FILE}: DOLocationID is stored as string and cannot be read as int32"):
        conform(table, FILE)


def test_a_time_with_a_zone_is_refused() -> None:
    table = make_month(JANUARY, rows=1)
    zoned = _replace(table, COLUMNS[0], table[COLUMNS[0]].cast(pa.timestamp("us", "UTC")))
    with pytest.raises(ContractError, match="carries the time zone UTC"):
        conform(zoned, FILE)


def test_a_few_strays_do_not_make_another_month() -> None:
    pickup = pd.Series(pd.to_datetime(["2021-01-05"] * 8 + ["2008-12-31", "2021-02-01"]))
    check_month(pickup, JANUARY, FILE)
    assert len(pickup) == 10


def test_a_renamed_month_is_found_out() -> None:
    pickup = pd.Series(pd.to_datetime(["2021-03-05"] * 9 + ["2021-01-31"]))
    with pytest.raises(WrongMonthError, match="only 1 of 10 rows are of that month and most are of 2021-03"):
        check_month(pickup, JANUARY, FILE)


def test_a_month_without_times_is_left_to_cleaning() -> None:
    pickup = pd.Series([pd.NaT, pd.NaT], dtype="datetime64[us]")
    check_month(pickup, JANUARY, FILE)
    assert pickup.isna().all()
