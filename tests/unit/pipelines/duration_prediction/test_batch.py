"""A month's predictions as a file: rows in order, whatever the size of the parts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.duration_prediction import batch
from pipelines.duration_prediction.batch import prediction_path, ride_ids, write_predictions
from pipelines.duration_prediction.model import Prediction
from pipelines.tlc import Colour, Month

MARCH = Month(2021, 3)


def _rows(count: int) -> pa.Table:
    return pa.table(
        {
            "tpep_pickup_datetime": pa.array([0] * count, pa.timestamp("us")),
            "PULocationID": pa.array(range(count), pa.int32()),
            "DOLocationID": pa.array(range(count), pa.int32()),
        }
    )


def _predict(rows: pd.DataFrame) -> Prediction:
    minutes = rows["PULocationID"].to_numpy(dtype="float64")
    return Prediction(minutes, minutes - 1, minutes + 1, 0.9)


def test_rows_are_predicted_in_parts_and_written_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "ROWS_AT_ONCE", 3)
    target = tmp_path / "predictions.parquet"
    assert write_predictions(_rows(7), target, MARCH, _predict, {"model_uri": "models:/m/1"}) == 7
    table = pq.read_table(target)
    assert table["ride_id"].to_pylist() == [f"2021/03_{row}" for row in range(7)]
    assert np.array_equal(table["predicted_minutes"], np.arange(7.0))
    assert np.array_equal(table["highest_minutes"], np.arange(7.0) + 1)
    assert "tpep_pickup_datetime" in table.column_names
    assert table.schema.metadata[b"model_uri"] == b"models:/m/1"


def test_what_fails_half_way_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "ROWS_AT_ONCE", 3)

    def fail(rows: pd.DataFrame) -> Prediction:
        if rows["PULocationID"].iloc[0] == 3:
            raise ValueError("no such zone")
        return _predict(rows)

    with pytest.raises(ValueError, match="no such zone"):
        write_predictions(_rows(7), tmp_path / "predictions.parquet", MARCH, fail, {})


def test_ids_count_on() -> None:
    assert ride_ids(MARCH, 99_999, 2).to_pylist() == ["2021/03_99999", "2021/03_100000"]
    assert prediction_path(Colour.YELLOW, MARCH) == "predictions/yellow_durations_2021-03.parquet"
