"""The door to MLflow, with a real store: what goes in comes out again, quietly, and nothing is reported to anybody."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections import UserDict
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pandas as pd
import pytest
import skops.io

from pipelines.duration_prediction.config import EXPERIMENT_NAME, TrainingConfig
from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.registry import (
    TRUSTED_TYPES,
    RegisteredModel,
    TrainingRecord,
    add_files,
    getting_ready,
    register_model,
)
from pipelines.duration_prediction.store import Store, find_store
from pipelines.duration_prediction.training import fit_model, predict_minutes
from pipelines.duration_prediction.validation import DROPOFF
from pipelines.errors import RegistryError

ROOT = Path(__file__).parents[4]
PROBE = """
import json, socket, sys, threading
asked = []
sys.addaudithook(lambda event, args: asked.append(args[0]) if event == "socket.getaddrinfo" else None)
from pipelines.duration_prediction import registry
before = "mlflow" in sys.modules
mlflow = registry._mlflow()
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

Predict = Callable[[pd.DataFrame], list[float]]


@pytest.fixture
def store(made_home: Path) -> Store:
    return find_store({}, made_home)


def _register(trips: Trips, config: TrainingConfig, store: Store) -> tuple[RegisteredModel, Predict]:
    model = fit_model(trips, config)
    record = TrainingRecord(
        params=config.model_dump(),
        metrics={"rmse": 5.4},
        tags={"data_source": "generated"},
        example=trips.frame.head(3),
    )
    return register_model(model, record, store, lambda _: False), lambda rows: predict_minutes(model, rows).tolist()


def test_a_registered_model_predicts_from_raw_rows(
    train: Trips,
    quick: TrainingConfig,
    raw_months: dict[str, pd.DataFrame],
    store: Store,
    capfd: pytest.CaptureFixture[str],
) -> None:
    first, predict = _register(train, quick, store)
    second, _ = _register(train, quick, store)
    add_files(second, {"report.md": b"# Report"})
    assert capfd.readouterr() == ("", ""), "the terminal belongs to the job"
    assert first.model_uri == "models:/nyc-taxi-duration/1"
    assert second.model_uri == "models:/nyc-taxi-duration/2"
    _check_run(second)
    _check_predictions(first.model_uri, predict, raw_months)


def _check_run(registered: RegisteredModel) -> None:
    import mlflow  # noqa: PLC0415

    client = mlflow.MlflowClient(tracking_uri=registered.tracking_uri)
    run = client.get_run(registered.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["max_iter"] == "40"
    assert run.data.metrics == {"rmse": 5.4}
    assert run.data.tags["data_source"] == "generated"
    assert [file.path for file in client.list_artifacts(registered.run_id, "report")] == ["report/report.md"]


def _check_predictions(model_uri: str, predict: Predict, months: dict[str, pd.DataFrame]) -> None:
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
        assert model.predict(rows).tolist() == predict(rows), name
        metered = rows[rows["passenger_count"].notna()].astype({"passenger_count": "int64", "VendorID": "int32"})
        assert model.predict(metered).tolist() == predict(metered), name


def test_runs_that_ended_unheard_are_ended_here(
    train: Trips, quick: TrainingConfig, store: Store
) -> None:
    import mlflow  # noqa: PLC0415

    _register(train, quick, store)
    client = mlflow.MlflowClient(tracking_uri=store.tracking_uri)
    (experiment,) = client.search_experiments(filter_string=f"name = '{EXPERIMENT_NAME}'")
    over, alive, other = (
        client.create_run(experiment.experiment_id, tags=tags).info.run_id
        for tags in ({"flow_run_id": "over"}, {"flow_run_id": "alive"}, {})
    )
    record = TrainingRecord({}, {}, {}, train.frame.head(3))
    register_model(fit_model(train, quick), record, store, lambda flow_run_id: flow_run_id == "over")
    assert [client.get_run(run).info.status for run in (over, alive, other)] == ["KILLED", "RUNNING", "RUNNING"]


class Interrupting(UserDict[str, float]):
    """Metrics that Ctrl-C meets when they are logged."""

    def __iter__(self) -> NoReturn:
        raise KeyboardInterrupt


def test_a_run_that_is_interrupted_is_marked_as_killed(train: Trips, quick: TrainingConfig, store: Store) -> None:
    import mlflow  # noqa: PLC0415

    record = TrainingRecord({"a": 1}, Interrupting(), {}, train.frame.head(3))
    with pytest.raises(KeyboardInterrupt):
        register_model(fit_model(train, quick), record, store, lambda _: False)
    client = mlflow.MlflowClient(tracking_uri=store.tracking_uri)
    (experiment,) = client.search_experiments(filter_string=f"name = '{EXPERIMENT_NAME}'")
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


def test_a_store_that_cannot_be_used_is_told_in_a_sentence(train: Trips, quick: TrainingConfig, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 100)
    store = find_store({"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}, tmp_path)
    with pytest.raises(RegistryError) as caught, getting_ready(store):
        _register(train, quick, store)
    assert str(caught.value).startswith(f"MLflow's store sqlite:///{tmp_path}/mlflow.db cannot be used (")
    assert "\n" not in str(caught.value)


def test_loading_trusts_no_more_than_the_model_needs(train: Trips, quick: TrainingConfig) -> None:
    needed = skops.io.get_untrusted_types(data=skops.io.dumps(fit_model(train, quick)))
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
