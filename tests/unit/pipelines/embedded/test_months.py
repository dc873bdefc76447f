"""Made-up months look like the TLC's to every reader of their schema, and are the same wherever they are made."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.embedded.months import make_month, tlc_schema, write_month
from pipelines.tlc import Month

GENERATIONS = [Month(2013, 8), Month(2021, 1), Month(2023, 1), Month(2023, 2), Month(2024, 12), Month(2025, 1)]


def _types(month: Month, names: Sequence[str]) -> list[str]:
    return [str(tlc_schema(month).field(name).type) for name in names]


def test_the_schema_changes_when_the_tlcs_did() -> None:
    names = ["VendorID", "PULocationID", "passenger_count", "store_and_fwd_flag", "ehail_fee"]
    assert _types(Month(2023, 1), names) == ["int64", "int64", "double", "string", "null"]
    assert _types(Month(2023, 2), names) == ["int32", "int32", "int64", "large_string", "double"]
    assert len(tlc_schema(Month(2024, 12))) == 20
    assert tlc_schema(Month(2025, 1)).names[-1] == "cbd_congestion_fee"


@pytest.mark.parametrize("month", GENERATIONS, ids=str)
def test_a_written_month_has_the_schema_of_its_time(month: Month, tmp_path: Path) -> None:
    path = write_month(month, tmp_path, rows=100)
    assert path.name == month.file_name
    assert pq.read_schema(path).equals(tlc_schema(month))
    assert pq.read_schema(path).metadata == {b"data_source": b"generated"}


def test_the_schema_is_that_of_the_real_files(tlc_folder: Path) -> None:
    for path in tlc_folder.glob("green_tripdata_*.parquet"):
        assert tlc_schema(Month.parse(path.stem[-7:])).equals(pq.read_schema(path)), path.name


def test_a_month_is_the_same_wherever_it_is_made_and_unlike_the_next() -> None:
    january = make_month(Month(2021, 1), rows=500)
    assert january.equals(make_month(Month(2021, 1), rows=500))
    assert not january["trip_distance"].equals(make_month(Month(2021, 2), rows=500)["trip_distance"])


def test_a_month_has_the_odd_rows_of_a_real_one() -> None:
    table = make_month(Month(2021, 1))
    pickup = table["lpep_pickup_datetime"].to_numpy()
    minutes = (table["lpep_dropoff_datetime"].to_numpy() - pickup) / np.timedelta64(1, "m")
    miles = table["trip_distance"].to_numpy()
    assert table.num_rows == 60_000
    assert (pickup < np.datetime64("2010-01-01")).sum() == 2
    assert (minutes < 0).any()
    assert ((minutes >= 0) & (minutes < 1)).any()
    assert (minutes > 1_400).any()
    assert (miles == 0).sum() > 500
    assert (miles > 100_000).any()
    assert pc.min_max(table["PULocationID"]).as_py() == {"min": 1, "max": 263}


def test_trips_booked_by_app_lack_what_only_the_meter_knows() -> None:
    table = make_month(Month(2021, 1), rows=1_000)
    unmetered = table["passenger_count"].is_null()
    assert 300 < pc.sum(unmetered).as_py() < 500
    for name in ("RatecodeID", "payment_type", "trip_type", "store_and_fwd_flag", "congestion_surcharge"):
        assert table[name].is_null().equals(unmetered)
    assert pa.compute.unique(table.filter(unmetered)["VendorID"]).to_pylist() == [2]


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_a_month_may_be_tiny(rows: int) -> None:
    assert make_month(Month(2021, 1), rows).num_rows == rows
