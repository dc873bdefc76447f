"""The door to MLflow, with a real store: what goes in comes out again, quietly, and nothing is reported to anybody."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections import UserDict
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pytest
import skops.io

from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.model import TRUSTED_TYPES, DurationModel
from pipelines.duration_prediction.registry import (
    DataFile,
    RegisteredModel,
    TrainingRecord,
    add_files,
    find_registered,
    getting_ready,
    register_model,
)
from pipelines.duration_prediction.store import Store, experiment_name, find_store
from pipelines.duration_prediction.validation import DROPOFF
from pipelines.errors import RegistryError
from pipelines.tlc import Colour

ROOT = Path(__file__).parents[4]
PROBE = """
import json, socket, sys, threading
asked = []
sys.addaudithook(lambda event, args: asked.append(args[0]) if event == "socket.getaddrinfo" else None)
from pipelines.duration_prediction import registry
before = "mlflow" in sys.modules
mlflow = registry.load_mlflow()
from mlflow.telemetry import get_telemetry_client
from mlflow.telemetry.utils import is_telemetry_disabled
print(json.dumps({
    "imported early": before,
    "disabled": is_telemetry_disabled(),
    "client": get_telemetry_client() is not None,
    "threads": [t.name for t in threading.enumerate() if "elemetry" in t.name],
    "hosts": asked,
}))
"""
# MLflow keeps quiet of itself where it believes to be tested, which would prove nothing.
TEST_SIGNS = ("PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")

GREEN = Colour.GREEN
NAME = "green_tripdata_2021-01.parquet"
MONTH_FILE = DataFile(NAME, "learn", f"s3://trips/data/{NAME}", "ab" * 32)


@pytest.fixture
def store(made_home: Path) -> Store:
    return find_store({}, made_home)


def _record(trips: Trips, fingerprint: str = "one", **changes: Any) -> TrainingRecord:
    given: dict[str, Any] = {
        "colour": GREEN,
        "fingerprint": fingerprint,
        "params": {"trials": 4},
        "metrics": {"rmse": 5.4},
        "tags": {"data_source": "generated", "flow_run": "light-boar"},
        "example": trips.frame.head(3),
        "inputs": (MONTH_FILE,),
        "kept": {"profile.json": b"{}"},
    }
    return TrainingRecord(**{**given, **changes})


def _register(model: DurationModel, record: TrainingRecord, store: Store) -> RegisteredModel:
    return register_model(model, record, store, lambda _: False)


def test_a_registered_model_predicts_from_raw_rows(
    train: Trips,
    fitted: DurationModel,
    raw_months: dict[str, pd.DataFrame],
    store: Store,
    capfd: pytest.CaptureFixture[str],
) -> None:
    first = _register(fitted, _record(train), store)
    second = _register(fitted, _record(train, "two"), store)
    add_files(second, {"report.md": b"# Report"})
    assert capfd.readouterr() == ("", ""), "the terminal belongs to the job"
    assert first.model_uri == "models:/nyc-taxi-duration/1"
    assert second.model_uri == "models:/nyc-taxi-duration/2"
    _check_run(second)
    _check_predictions(first.model_uri, fitted, raw_months)


def _check_run(registered: RegisteredModel) -> None:
    import mlflow  # noqa: PLC0415

    client = mlflow.MlflowClient(tracking_uri=registered.tracking_uri)
    run = client.get_run(registered.run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "light-boar")
    assert client.get_experiment(run.info.experiment_id).name == "nyc-taxi-duration-green"
    assert run.data.params["trials"] == "4"
    assert run.data.metrics == {"rmse": 5.4}
    assert run.data.tags["data_source"] == registered.tags["data_source"] == "generated"
    assert run.inputs is not None
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == (MONTH_FILE.name, MONTH_FILE.sha256[:36])
    assert MONTH_FILE.sha256 in given.dataset.source
    files = [file.path for folder in ("report", "kept") for file in client.list_artifacts(registered.run_id, folder)]
    assert files == ["report/report.md", "kept/profile.json"]


def _check_predictions(model_uri: str, fitted: DurationModel, months: dict[str, pd.DataFrame]) -> None:
    import mlflow  # noqa: PLC0415

    model = mlflow.pyfunc.load_model(model_uri)
    assert {(column.name, column.required) for column in model.metadata.get_input_schema()} == {
        ("lpep_pickup_datetime", True),
        ("PULocationID", True),
        ("DOLocationID", True),
        ("trip_distance", True),
        ("VendorID", False),
        ("passenger_count", False),
    }
    for name, month in months.items():
        rows = month.drop(columns=[DROPOFF]).sample(frac=1, random_state=1)
        assert model.predict(rows).tolist() == fitted.predict(rows).tolist(), name
        metered = rows[rows["passenger_count"].notna()].astype({"passenger_count": "int64", "VendorID": "int32"})
        assert model.predict(metered).tolist() == fitted.predict(metered).tolist(), name


def test_the_same_training_is_registered_once(train: Trips, fitted: DurationModel, store: Store) -> None:
    assert find_registered(store, GREEN, "one") is None
    first = _register(fitted, _record(train), store)
    assert _register(fitted, _record(train), store) == first
    assert find_registered(store, GREEN, "one") == first
    assert find_registered(store, GREEN, "two") is None
    assert find_registered(store, Colour.YELLOW, "one") is None


def test_a_colour_has_its_own_experiment_and_model(train: Trips, fitted: DurationModel, store: Store) -> None:
    example = train.frame.head(3).rename(columns={GREEN.pickup: Colour.YELLOW.pickup})
    yellow = _register(fitted, _record(train, colour=Colour.YELLOW, example=example), store)
    assert yellow.model_uri == "models:/nyc-taxi-duration-yellow/1"
    assert find_registered(store, Colour.YELLOW, "one") == yellow
    assert find_registered(store, GREEN, "one") is None


def test_runs_that_ended_unheard_are_ended_here(train: Trips, fitted: DurationModel, store: Store) -> None:
    import mlflow  # noqa: PLC0415

    _register(fitted, _record(train), store)
    client = mlflow.MlflowClient(tracking_uri=store.tracking_uri)
    (experiment,) = client.search_experiments(filter_string=f"name = '{experiment_name(GREEN)}'")
    over, alive, other = (
        client.create_run(experiment.experiment_id, tags=tags).info.run_id
        for tags in ({"flow_run_id": "over"}, {"flow_run_id": "alive"}, {})
    )
    register_model(fitted, _record(train, "two"), store, lambda flow_run_id: flow_run_id == "over")
    assert [client.get_run(run).info.status for run in (over, alive, other)] == ["KILLED", "RUNNING", "RUNNING"]


class Interrupting(UserDict[str, float]):
    """Metrics that Ctrl-C meets when they are logged."""

    def __iter__(self) -> NoReturn:
        raise KeyboardInterrupt


def test_a_run_that_is_interrupted_is_marked_as_killed(train: Trips, fitted: DurationModel, store: Store) -> None:
    import mlflow  # noqa: PLC0415

    with pytest.raises(KeyboardInterrupt):
        _register(fitted, _record(train, metrics=Interrupting()), store)
    client = mlflow.MlflowClient(tracking_uri=store.tracking_uri)
    (experiment,) = client.search_experiments(filter_string=f"name = '{experiment_name(GREEN)}'")
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["KILLED"]
    assert client.search_registered_models() == []


def test_a_store_that_was_left_half_made_is_made_anew(tmp_path: Path) -> None:
    store = find_store({}, tmp_path)
    database = store.database
    assert database is not None
    database.parent.mkdir(parents=True)
    for leftover in (".mlflow.db.new", ".mlflow.db.new-journal"):
        (database.parent / leftover).write_bytes(b"half")
    with getting_ready(store):
        assert "mlflow" in [thread.name for thread in threading.enumerate()]
    assert sorted(path.name for path in database.parent.iterdir()) == ["mlflow.db", "mlflow.db.lock"]
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)
    connection.close()


def test_a_store_that_cannot_be_used_is_told_in_a_sentence(train: Trips, fitted: DurationModel, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 100)
    store = find_store({"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}, tmp_path)
    with pytest.raises(RegistryError) as caught, getting_ready(store):
        _register(fitted, _record(train), store)
    assert str(caught.value).startswith(f"MLflow's store sqlite:///{tmp_path}/mlflow.db cannot be used (")
    assert "\n" not in str(caught.value)


def test_loading_trusts_no_more_than_the_model_needs(fitted: DurationModel) -> None:
    needed = skops.io.get_untrusted_types(data=skops.io.dumps(fitted))
    assert sorted(needed) == TRUSTED_TYPES


def test_mlflow_reports_to_nobody() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in TEST_SIGNS}
    output = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(output) == {
        "imported early": False,
        "disabled": True,
        "client": False,
        "threads": [],
        "hosts": [],
    }
