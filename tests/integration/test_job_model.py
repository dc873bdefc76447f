"""The registered model, loaded by a process that knows nothing of the training: minutes for any month's raw rows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.duration_prediction.champions import promote
from pipelines.duration_prediction.config import TrainingConfig
from pipelines.duration_prediction.data import load_month
from pipelines.duration_prediction.fitting import train_model
from pipelines.duration_prediction.geography import learn_geography
from pipelines.duration_prediction.registry import TrainingRecord, register_model
from pipelines.duration_prediction.store import find_store
from pipelines.embedded.months import write_month
from pipelines.tlc import Colour, Month
from tests.support.months import TRAIN, write_samples

GENERATIONS = (Month(2013, 8), Month(2021, 1), Month(2023, 2), Month(2025, 1))
PREDICT = """
import json, os, sys
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
import mlflow, numpy as np, pandas as pd, pyarrow.parquet as pq
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
for path in sys.argv[3:]:
    table = pq.read_table(path)
    rows, last = table.to_pandas(), table.slice(table.num_rows - 500)
    minutes = model.predict(rows)
    plain, arrow = last.to_pandas(), last.to_pandas(types_mapper=pd.ArrowDtype)
    kinds = (plain.drop(columns=["lpep_dropoff_datetime"]), plain.convert_dtypes(), arrow)
    print(json.dumps({
        "rows": len(rows), "predictions": len(minutes), "type": str(minutes.dtype),
        "finite": bool(np.isfinite(minutes).all()), "range": [float(minutes.min()), float(minutes.max())],
        "in order": all(np.array_equal(model.predict(each.iloc[::-1]), minutes[::-1][:500]) for each in kinds),
    }))
"""


@pytest.fixture
def months(tmp_path: Path) -> list[Path]:
    """Every real month at hand, whole; else a made-up month of each generation of files."""
    folder = os.environ.get("TLC_DATA_DIR", "")
    if folder:
        return sorted(Path(folder).glob("green_tripdata_*.parquet"))
    return [write_month(month, tmp_path, rows=2_000) for month in GENERATIONS]


def test_it_predicts_minutes_for_every_row_of_every_month(tmp_path: Path, months: list[Path]) -> None:
    (tmp_path / "samples").mkdir()
    trips = load_month(write_samples(tmp_path / "samples") / TRAIN.file_name, TRAIN)
    config = TrainingConfig(max_iter=20, learning_rate=0.2, leaves=(15,), screening_trips=1_000, screening_trees=10)
    fitted = train_model(trips, learn_geography(trips), config).model
    record = TrainingRecord(Colour.GREEN, "one", {}, {}, {}, trips.frame.head(3))
    model = register_model(fitted, record, find_store({}, tmp_path), lambda _: False)
    champion = promote(find_store({}, tmp_path), model.name, model.version)
    address = f"models:/{champion.name}@champion"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PREDICT, model.tracking_uri, address, *map(str, months)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": "", "MLFLOW_LOGGING_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(months)
    for path, answer in zip(months, answers, strict=True):
        assert answer["rows"] == answer["predictions"], path.name
        assert (answer["type"], answer["finite"], answer["in order"]) == ("float64", True, True), path.name
        assert 1 <= answer["range"][0] <= answer["range"][1] <= 60, path.name
