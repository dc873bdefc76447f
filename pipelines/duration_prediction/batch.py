"""Durations of a whole month of trips, as a parquet file: one row a row of the TLC's file, in its order."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.duration_prediction.model import Prediction
from pipelines.tlc import Colour, Month

ROWS_AT_ONCE = 100_000
FOLDER = "predictions/"

Predict = Callable[[pd.DataFrame], Prediction]


def prediction_path(colour: Colour, month: Month) -> str:
    """Where the bucket keeps the predictions of a month."""
    return f"{FOLDER}{colour}_durations_{month}.parquet"


def write_predictions(
    rows: pa.Table, target: Path, month: Month, predict: Predict, marks: Mapping[str, str]
) -> int:
    """Predict every row and write the predictions; how many there are.

    The columns: `ride_id` (the month and the row's number in the TLC's file, such as 2021/03_0), the pick-up's time and
    zones as they came, and the predicted minutes with the ends of their interval. `marks` go into the file's metadata.
    """
    metadata = {name.encode(): value.encode() for name, value in marks.items()}
    writer, count = None, 0
    try:
        for part in _parts(rows):
            table = _predicted(part, count, month, predict)
            if writer is None:
                writer = pq.ParquetWriter(target, table.schema.with_metadata(metadata))
            writer.write_table(table)
            count += len(table)
    finally:
        if writer is not None:
            writer.close()
    return count


def ride_ids(month: Month, first: int, count: int) -> pa.Array:
    """The ids of so many rides from the one with the number `first` on."""
    numbers = pc.cast(pa.array(np.arange(first, first + count)), pa.string())
    return pc.binary_join_element_wise(f"{month.year:04}/{month.month:02}", numbers, "_")


def _parts(rows: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield rows.slice(start, ROWS_AT_ONCE)


def _predicted(part: pa.Table, first: int, month: Month, predict: Predict) -> pa.Table:
    prediction = predict(part.to_pandas())
    pickup = next(colour.pickup for colour in Colour if colour.pickup in part.column_names)
    return pa.table(
        {
            "ride_id": ride_ids(month, first, len(part)),
            **{name: part[name] for name in (pickup, "PULocationID", "DOLocationID")},
            "predicted_minutes": prediction.minutes,
            "lowest_minutes": prediction.low,
            "highest_minutes": prediction.high,
        }
    )
