"""From files to valid trips: what is kept, what is counted, and the sentence for every broken file."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.duration_prediction.data import MonthCounts, clean, load_month, load_trips, read_month, trip_minutes
from pipelines.duration_prediction.validation import COLUMNS, DROPOFF, PICKUP
from pipelines.embedded.months import make_month, write_month
from pipelines.errors import (
    ContractError,
    DataError,
    MissingMonthError,
    NoValidTripsError,
    UnreadableFileError,
    WrongMonthError,
)
from pipelines.tlc import Colour, Month

JANUARY = Month(2021, 1)


def _trip(pickup: str | None = "2021-01-15 12:00", minutes: float = 10.0, zone: int | None = 74) -> dict[str, object]:
    start = pd.Timestamp(pickup) if pickup else pd.NaT
    return {
        PICKUP: start,
        DROPOFF: start + pd.Timedelta(minutes=minutes),
        "PULocationID": zone,
        "DOLocationID": 75,
        "trip_distance": 1.5,
        "VendorID": 2.0,
        "passenger_count": None,
    }


def _changed(folder: Path, **columns: pa.Array) -> Path:
    """A made-up January with some columns replaced."""
    table = make_month(JANUARY, rows=20)
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, values)
    pq.write_table(table, folder / JANUARY.file_name)
    return folder / JANUARY.file_name


@pytest.mark.parametrize(
    ("trip", "rule"),
    [
        (_trip(pickup=None), "missing"),
        (_trip(zone=None), "missing"),
        (_trip(pickup="2008-12-31 23:59"), "stray"),
        (_trip(pickup="2021-02-01 00:00"), "stray"),
        (_trip(pickup="2020-12-31 23:59:59"), "stray"),
        (_trip(minutes=0.99), "too_short"),
        (_trip(minutes=-5), "too_short"),
        (_trip(minutes=60.01), "too_long"),
        (_trip(minutes=1_439), "too_long"),
        (_trip(pickup="2008-12-31 23:59", minutes=0), "stray"),
        (_trip(minutes=1), "kept"),
        (_trip(minutes=60), "kept"),
        (_trip(pickup="2021-01-01 00:00"), "kept"),
        (_trip(pickup="2021-01-31 23:59:59", minutes=30), "kept"),
    ],
)
def test_each_rule_is_counted_and_a_row_counts_once(trip: dict[str, object], rule: str) -> None:
    kept, counts = clean(pd.DataFrame([_trip(), trip]), JANUARY)
    figures = {name: getattr(counts, name) for name in ("missing", "stray", "too_short", "too_long", "kept")}
    assert figures == {"missing": 0, "stray": 0, "too_short": 0, "too_long": 0, "kept": 1} | {
        rule: 2 if rule == "kept" else 1
    }
    assert counts.rows == 2
    assert len(kept) == counts.kept


def test_a_duration_is_in_minutes() -> None:
    assert trip_minutes(pd.DataFrame([_trip(minutes=7.5)])).tolist() == [7.5]


def test_months_of_different_types_become_one_frame(tmp_path: Path) -> None:
    months = [Month(2021, 1), Month(2023, 1), Month(2023, 2), Month(2024, 12), Month(2025, 1)]
    parts = [load_month(write_month(month, tmp_path, rows=300), month) for month in months]
    trips = load_trips({month: tmp_path / month.file_name for month in months})
    assert trips.frame.dtypes.to_dict() == parts[0].frame.dtypes.to_dict()
    assert len(trips) == sum(map(len, parts)) == sum(count.kept for count in trips.counts)
    assert [count.month for count in trips.counts] == months
    assert list(trips.frame.columns) == list(COLUMNS)
    assert trips.frame["PULocationID"].dtype == "int32"
    assert trips.minutes.between(1, 60).all()


def test_made_up_months_are_known_as_such(tmp_path: Path) -> None:
    path = write_month(JANUARY, tmp_path, rows=50)
    assert load_month(path, JANUARY).generated
    pq.write_table(pq.read_table(path).replace_schema_metadata({"data_source": "elsewhere"}), path)
    assert not load_month(path, JANUARY).generated


def test_the_real_january_is_counted(tlc_folder: Path) -> None:
    trips = load_month(tlc_folder / JANUARY.file_name, JANUARY)
    odd = {"no_distance": 1_625, "absurd_distance": 62, "unknown_zone": 436, "no_passengers": 35_843}
    assert trips.counts == (MonthCounts(JANUARY, 76_518, missing=0, stray=3, too_short=1_448, too_long=1_161, **odd),)
    assert not trips.generated


def test_every_real_month_is_read(tlc_folder: Path) -> None:
    for path in tlc_folder.glob("green_tripdata_*.parquet"):
        (counts,) = load_month(path, Month.parse(path.stem[-7:])).counts
        assert counts.kept > 0.9 * counts.rows


def test_a_missing_month_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingMonthError, match=rf"There is no {JANUARY.file_name} in {tmp_path}: provide that month"):
        load_trips({JANUARY: tmp_path / JANUARY.file_name})


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / JANUARY.file_name).touch()
    with pytest.raises(UnreadableFileError, match=f"{JANUARY.file_name} is an empty file"):
        load_trips({JANUARY: tmp_path / JANUARY.file_name})


@pytest.mark.parametrize("keep", [10, 2_000, -1])
def test_a_truncated_file_is_named(tmp_path: Path, keep: int) -> None:
    path = write_month(JANUARY, tmp_path, rows=500)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UnreadableFileError, match=f"{JANUARY.file_name} is not a readable parquet file, perhaps trunc"):
        read_month(path)


def test_a_damaged_column_is_found_when_it_is_read(tmp_path: Path) -> None:
    path = write_month(JANUARY, tmp_path, rows=5_000)
    content = bytearray(path.read_bytes())
    content[100 : len(content) // 2] = bytes(len(content) // 2 - 100)
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=JANUARY.file_name):
        read_month(path)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    pq.write_table(make_month(JANUARY, rows=20).drop_columns(["PULocationID"]), tmp_path / JANUARY.file_name)
    with pytest.raises(ContractError, match=f"{JANUARY.file_name} lacks the column PULocationID"):
        load_trips({JANUARY: tmp_path / JANUARY.file_name})


def test_a_month_without_rows_is_named(tmp_path: Path) -> None:
    pq.write_table(make_month(JANUARY, rows=20).slice(0, 0), tmp_path / JANUARY.file_name)
    with pytest.raises(NoValidTripsError, match=f"{JANUARY.file_name} holds no rows"):
        load_trips({JANUARY: tmp_path / JANUARY.file_name})


def test_a_month_without_valid_trips_says_why(tmp_path: Path) -> None:
    starts = make_month(JANUARY, rows=20)[PICKUP]
    path = _changed(tmp_path, **{DROPOFF: starts})
    with pytest.raises(NoValidTripsError, match=r"no valid trip of 1 to 60 minutes: of 20 rows 0 lack .* 17 too short"):
        load_month(path, JANUARY)


def test_the_wrong_month_is_found_out(tmp_path: Path) -> None:
    path = write_month(Month(2021, 3), tmp_path, rows=50).rename(tmp_path / JANUARY.file_name)
    with pytest.raises(WrongMonthError, match=r"should hold the trips of 2021-01, .* most are of 2021-03"):
        load_month(path, JANUARY)


def test_every_sentence_is_one_line(tmp_path: Path) -> None:
    (tmp_path / JANUARY.file_name).write_bytes(b"PAR1 nonsense PAR1")
    with pytest.raises(DataError) as caught:
        load_trips({JANUARY: tmp_path / JANUARY.file_name})
    assert "\n" not in str(caught.value)


def test_yellow_months_are_read_by_their_own_names(tmp_path: Path) -> None:
    green = make_month(JANUARY, rows=200)
    names = {PICKUP: Colour.YELLOW.pickup, DROPOFF: Colour.YELLOW.dropoff}
    path = tmp_path / Colour.YELLOW.file_name(JANUARY)
    pq.write_table(green.rename_columns([names.get(name, name) for name in green.column_names]), path)
    yellow = load_trips({JANUARY: path}, Colour.YELLOW)
    pq.write_table(green, tmp_path / JANUARY.file_name)
    same = load_month(tmp_path / JANUARY.file_name, JANUARY)
    assert yellow.colour is Colour.YELLOW
    assert yellow.minutes.tolist() == same.minutes.tolist()
    assert yellow.pickup.tolist() == same.pickup.tolist()
    with pytest.raises(ContractError, match=r"lacks the column tpep_pickup_datetime, .* no month of yellow-taxi trips"):
        load_month(tmp_path / JANUARY.file_name, JANUARY, Colour.YELLOW)


def test_trips_are_in_the_order_of_time(tmp_path: Path) -> None:
    files = {month: write_month(month, tmp_path, rows=100) for month in (Month(2021, 2), JANUARY)}
    pq.write_table(pq.read_table(files[JANUARY]).take(list(range(99, -1, -1))), files[JANUARY])
    trips = load_trips(files)
    assert trips.pickup.is_monotonic_increasing
    assert [count.month for count in trips.counts] == [JANUARY, Month(2021, 2)]


def test_odd_trips_are_kept_and_counted() -> None:
    odd = pd.DataFrame([_trip() | {"trip_distance": 0.0}, _trip() | {"trip_distance": 101.0}, _trip(zone=264), _trip()])
    _, counts = clean(odd, JANUARY)
    told = (counts.no_distance, counts.absurd_distance, counts.unknown_zone, counts.no_passengers)
    assert told == (1, 1, 1, 4)
    assert counts.kept == 4
