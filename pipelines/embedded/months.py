"""Made-up months in the exact format of the TLC's green-taxi files, for machines where no real month is at hand.

A small invented city stands behind them: zones have places, distances follow from those, and traffic slows trips by
hour and weekday, so that a model can learn what real months would teach it. Each month is drawn from its own seed and
is the same wherever it is made. The share of odd rows follows the real files of 2021 to 2025.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.tlc import GENERATED_MARK, Month

ROWS = 60_000
CITY_SEED = 20_130_801
ZONES = 263
CITY_MILES = 9.0
# The first month of green taxis, and the months in which the TLC changed its format.
FIRST_MONTH = Month(2013, 8)
NARROW_IDS_FROM = Month(2023, 2)
CONGESTION_FEE_FROM = Month(2025, 1)

SHARE_WITHOUT_METER_DATA = 0.4
SHARE_TOO_SHORT = 0.019
SHARE_TOO_LONG = 0.016
SHARE_WITHOUT_DISTANCE = 0.02
IMPOSSIBLE_DISTANCES = 30
MINUTES_A_DAY = 1_440
# Pick-ups by hour, and miles an hour by hour: a quiet night, a slow afternoon.
DEMAND = np.array([2, 1, 1, 1, 1, 2, 4, 7, 8, 7, 7, 7, 8, 8, 9, 10, 10, 10, 9, 7, 5, 4, 4, 3], dtype=float)
SPEED = np.array([17, 18, 19, 20, 20, 18, 15, 12, 11, 11, 11, 11, 10.5, 10.5, 10, 9.5, 9, 9, 10, 11.5, 13, 14, 15, 16])
WEEKEND_SPEED_UP = 1.15

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Mask = np.ndarray[tuple[int], np.dtype[np.bool]]
Ints = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class City:
    """Where the zones lie: `miles[a, b]` from zone a + 1 to zone b + 1, and how popular each of them is."""

    miles: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    slowness: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    popularity: Floats


@dataclass(frozen=True)
class Drawn:
    """The trips of a month before they are written down; `start` in seconds since 1970, local time."""

    start: Ints
    pickup_zone: Ints
    dropoff_zone: Ints
    miles: Floats
    minutes: Floats


def tlc_schema(month: Month) -> pa.Schema:
    """The schema of the TLC's file of that month: three generations since 2021."""
    narrow = month >= NARROW_IDS_FROM
    identity, count = (pa.int32(), pa.int64()) if narrow else (pa.int64(), pa.float64())
    money = pa.float64()
    columns = {
        "VendorID": identity,
        "lpep_pickup_datetime": pa.timestamp("us"),
        "lpep_dropoff_datetime": pa.timestamp("us"),
        "store_and_fwd_flag": pa.large_string() if narrow else pa.string(),
        "RatecodeID": count,
        "PULocationID": identity,
        "DOLocationID": identity,
        "passenger_count": count,
        "trip_distance": pa.float64(),
        "fare_amount": money,
        "extra": money,
        "mta_tax": money,
        "tip_amount": money,
        "tolls_amount": money,
        "ehail_fee": money if narrow else pa.null(),
        "improvement_surcharge": money,
        "total_amount": money,
        "payment_type": count,
        "trip_type": count,
        "congestion_surcharge": money,
    }
    if month >= CONGESTION_FEE_FROM:
        columns["cbd_congestion_fee"] = money
    return pa.schema(list(columns.items()))


def write_month(month: Month, folder: Path, rows: int = ROWS) -> Path:
    """Write a made-up month under the TLC's name for it, marked as generated in the file's metadata."""
    path = folder / month.file_name
    pq.write_table(make_month(month, rows), path)
    return path


def make_month(month: Month, rows: int = ROWS) -> pa.Table:
    """A made-up month of `rows` rows in the schema of that month."""
    random = np.random.default_rng([CITY_SEED, month.year, month.month])
    trips = _spoil(_draw(month, rows, random), month, random)
    schema = tlc_schema(month)
    columns = _columns(trips, random)
    arrays = [
        pa.nulls(rows, field.type) if field.name == "ehail_fee" else columns[field.name].cast(field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema.with_metadata(GENERATED_MARK))


def make_city() -> City:
    """The one invented city that all months share."""
    random = np.random.default_rng(CITY_SEED)
    places = random.normal(scale=CITY_MILES / 4, size=(ZONES, 2))
    apart = np.linalg.norm(places[:, None, :] - places[None, :, :], axis=2)
    return City(
        miles=0.5 + 1.3 * apart,
        slowness=random.lognormal(sigma=0.15, size=(ZONES, ZONES)),
        popularity=random.permutation(1 / np.arange(1, ZONES + 1)),
    )


def _draw(month: Month, rows: int, random: np.random.Generator) -> Drawn:
    """Plausible trips: near zones are linked more often than far ones, and the hour decides the speed."""
    city = make_city()
    start = _starts(month, rows, random)
    pickup = random.choice(ZONES, size=rows, p=city.popularity / city.popularity.sum())
    pull = city.popularity * np.exp(-city.miles / 3)
    reach = np.cumsum(pull, axis=1) / pull.sum(axis=1, keepdims=True)
    # One search for all trips: row k of `reach` is lifted to the interval from k to k + 1.
    ladder = (reach + np.arange(ZONES)[:, None]).ravel()
    dropoff = np.minimum(np.searchsorted(ladder, pickup + random.random(rows)) - pickup * ZONES, ZONES - 1)
    miles = city.miles[pickup, dropoff] * random.lognormal(sigma=0.12, size=rows)
    hour = start // 3_600 % 24
    # 1970 began on a Thursday.
    weekend = np.isin((start // 86_400 + 3) % 7, [5, 6])
    speed = SPEED[hour] * np.where(weekend, WEEKEND_SPEED_UP, 1.0)
    minutes = (1.5 + 60 * miles / speed) * city.slowness[pickup, dropoff] * random.lognormal(sigma=0.22, size=rows)
    return Drawn(start, pickup + 1, dropoff + 1, miles.round(2), minutes)


def _starts(month: Month, rows: int, random: np.random.Generator) -> Ints:
    first, end = (np.datetime64(str(edge), "s").astype("int64") for edge in (month, month.next()))
    day = random.integers(0, (end - first) // 86_400, size=rows)
    hour = random.choice(24, size=rows, p=DEMAND / DEMAND.sum())
    return np.sort(first + day * 86_400 + hour * 3_600 + random.integers(0, 3_600, size=rows))


def _spoil(trips: Drawn, month: Month, random: np.random.Generator) -> Drawn:
    """The odd rows that every real month holds: taps on the meter, meters left on, no distance, stray dates."""
    rows = len(trips.start)
    minutes, miles, start = trips.minutes.copy(), trips.miles.copy(), trips.start.copy()
    short, long, still, odd = (random.random(rows) < share for share in _ODD_SHARES)
    minutes[short] = random.uniform(-0.5, 0.9, size=int(short.sum()))
    minutes[long] = random.choice([75.0, 240.0, MINUTES_A_DAY - 1.0], size=int(long.sum()))
    miles[still] = 0.0
    miles[odd] = random.uniform(1_000, 200_000, size=int(odd.sum())).round(2)
    strays = [np.datetime64(text, "s").astype("int64") for text in ("2008-12-31T23:05:09", "2009-01-01T00:11:47")]
    strays.append(np.datetime64(str(month), "s").astype("int64") - 600)
    start[: len(strays)] = strays[:rows]
    return Drawn(start, trips.pickup_zone, trips.dropoff_zone, miles, minutes)


_ODD_SHARES = (SHARE_TOO_SHORT, SHARE_TOO_LONG, SHARE_WITHOUT_DISTANCE, IMPOSSIBLE_DISTANCES / ROWS)


def _columns(trips: Drawn, random: np.random.Generator) -> dict[str, pa.Array]:
    """Every column of the TLC's files; trips booked by app lack what only the meter knows."""
    rows = len(trips.start)

    def some(share: float) -> Mask:
        return random.random(rows) < share

    unmetered = some(SHARE_WITHOUT_METER_DATA)
    fare = (3 + 2.5 * np.clip(trips.miles, 0, 50) + 0.5 * np.clip(trips.minutes, 0, 120)).round(2)
    tip = np.where(some(0.5), 0.2 * fare, 0.0).round(2)
    end = trips.start + (trips.minutes * 60).round().astype("int64")

    def metered(values: object) -> pa.Array:
        return pa.array(values, mask=unmetered)

    def same(amount: float) -> pa.Array:
        return pa.array(np.full(rows, amount))

    return {
        "VendorID": pa.array(np.where(unmetered, 2, random.choice([1, 2], size=rows, p=[0.15, 0.85]))),
        "lpep_pickup_datetime": pa.array(trips.start.astype("datetime64[s]")),
        "lpep_dropoff_datetime": pa.array(end.astype("datetime64[s]")),
        "store_and_fwd_flag": metered(np.where(some(0.003), "Y", "N").astype(object)),
        "RatecodeID": metered(np.where(some(0.03), 5, 1)),
        "PULocationID": pa.array(trips.pickup_zone),
        "DOLocationID": pa.array(trips.dropoff_zone),
        "passenger_count": metered(random.choice([1, 2, 3, 5], size=rows, p=[0.85, 0.1, 0.03, 0.02])),
        "trip_distance": pa.array(trips.miles),
        "fare_amount": pa.array(fare),
        "extra": same(0.5),
        "mta_tax": same(0.5),
        "tip_amount": pa.array(tip),
        "tolls_amount": same(0.0),
        "improvement_surcharge": same(0.3),
        "total_amount": pa.array((fare + tip + 1.3).round(2)),
        "payment_type": metered(np.where(tip > 0, 1, 2)),
        "trip_type": metered(np.where(some(0.03), 2, 1)),
        "congestion_surcharge": metered(np.where(some(0.3), 2.75, 0.0)),
        "cbd_congestion_fee": same(0.0),
    }
