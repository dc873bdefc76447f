"""The batch job: a whole month's minutes in the bucket, by the champion and by nobody else."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.duration_prediction.champions import promote
from pipelines.duration_prediction.config import DriftLimits
from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.drift import profile_trips
from pipelines.duration_prediction.model import DurationModel
from pipelines.duration_prediction.predict import Predictions, predict_durations
from pipelines.duration_prediction.registry import TrainingRecord, register_model
from pipelines.duration_prediction.store import find_store
from pipelines.errors import MissingMonthError, MonthError, RegistryError
from pipelines.tlc import Colour
from tests.support.artifacts import newest_artifact
from tests.support.job import BLOCKS, Surroundings, surroundings_of_tests
from tests.support.months import VALIDATE

PATH = "predictions/green_durations_2021-02.parquet"


@pytest.fixture
def surroundings(made_home: Path) -> Iterator[Surroundings]:
    assert made_home.is_dir()
    with surroundings_of_tests() as given:
        yield given


def _make_champion(home: Path, train: Trips, fitted: DurationModel, kept: dict[str, bytes]) -> None:
    store = find_store({}, home)
    tags = {"train_months": "2021-01"}
    record = TrainingRecord(Colour.GREEN, "one", {}, {}, tags, train.frame.head(3), (), kept)
    registered = register_model(fitted, record, store, lambda _: False)
    promote(store, registered.name, registered.version)


def _predict(**given: Any) -> Predictions:
    predictions: Predictions = predict_durations("2021-02", **{**BLOCKS, **given})
    return predictions


def test_every_row_of_the_month_gets_its_minutes_under_its_id(
    surroundings: Surroundings, made_home: Path, sample_folder: Path, train: Trips, fitted: DurationModel
) -> None:
    bucket = surroundings.fill(*sample_folder.iterdir())
    _make_champion(made_home, train, fitted, {"profile.json": profile_trips(train).to_json().encode()})
    predictions = _predict(limits=DriftLimits(flag_psi=1e-6))
    raw = pq.read_table(sample_folder / VALIDATE.file_name)
    file = pq.ParquetFile(io.BytesIO(bucket.read_path(PATH)))
    table = file.read()
    assert (predictions.path, predictions.rows) == (PATH, len(raw))
    assert predictions.model_uri == "models:/nyc-taxi-duration/1"
    assert table.column_names == [
        "ride_id", "lpep_pickup_datetime", "PULocationID", "DOLocationID", "predicted_minutes", "lowest_minutes",
        "highest_minutes",
    ]  # fmt: skip
    assert table["ride_id"].to_pylist() == [f"2021/02_{row}" for row in range(len(raw))]
    assert table["predicted_minutes"].to_pylist() == fitted.predict(raw.to_pandas()).tolist()
    assert table["PULocationID"].to_pylist() == raw["PULocationID"].to_pylist()
    assert file.schema_arrow.metadata[b"model_uri"] == b"models:/nyc-taxi-duration/1"
    assert predictions.drift is not None
    assert predictions.drift.flagged
    report = newest_artifact("duration-predictions")
    assert report is not None
    assert str(report.data).startswith("# Predicted durations of 2021-02\n")
    assert PATH in str(report.data)


def test_a_model_without_a_profile_predicts_without_drift(
    surroundings: Surroundings, made_home: Path, sample_folder: Path, train: Trips, fitted: DurationModel
) -> None:
    surroundings.fill(*sample_folder.iterdir())
    _make_champion(made_home, train, fitted, {})
    assert _predict().drift is None


def test_without_a_champion_nothing_is_written_and_people_are_told(
    surroundings: Surroundings, sample_folder: Path
) -> None:
    bucket = surroundings.fill(*sample_folder.iterdir())
    with pytest.raises(RegistryError, match="nyc-taxi-duration has no champion in sqlite:///"):
        _predict()
    assert bucket.list_objects("predictions/") == []
    (mail,) = surroundings.mails.received
    assert str(mail.message["Subject"]).endswith("ended as Failed")


def test_a_month_that_is_none_or_not_there_is_refused_in_a_sentence(surroundings: Surroundings) -> None:
    surroundings.fill()
    with pytest.raises(MonthError, match="'2021-2' is not a month"):
        predict_durations("2021-2", **BLOCKS)
    with pytest.raises(MissingMonthError, match="it holds no month at all"):
        _predict()
