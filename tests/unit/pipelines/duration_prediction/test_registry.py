"""The door to MLflow, with a real store: what goes in comes out again, quietly, and nothing is reported to anybody."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import skops.io

from pipelines.duration_prediction.config import TrainingConfig
from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.registry import (
    TRUSTED_TYPES,
    RegisteredModel,
    Store,
    TrainingRecord,
    add_files,
    find_store,
    register_model,
)
from pipelines.duration_prediction.training import fit_model, predict_minutes
from pipelines.duration_prediction.validation import DROPOFF

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
def store(tmp_path: Path) -> Store:
    return find_store({"ORCHESTRATION_HOME": str(tmp_path / "home")})


def test_the_store_lies_under_the_home_folder(tmp_path: Path) -> None:
    assert find_store({"ORCHESTRATION_HOME": str(tmp_path)}) == Store(
        f"sqlite:///{tmp_path}/mlflow/mlflow.db", (tmp_path / "mlflow" / "artifacts").as_uri()
    )


def test_without_a_home_it_lies_in_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_store({}).tracking_uri == f"sqlite:///{tmp_path}/.orchestration/mlflow/mlflow.db"


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "sqlite:///./mlflow.db"])
def test_a_place_on_disk_is_made_absolute(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_store({"MLFLOW_TRACKING_URI": uri}) == Store(
        f"sqlite:///{tmp_path}/mlflow.db", (tmp_path / "artifacts").as_uri()
    )


@pytest.mark.parametrize("uri", ["runs", "./runs"])
def test_a_folder_is_made_absolute(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_store({"MLFLOW_TRACKING_URI": uri}) == Store((tmp_path / "runs").as_uri(), None)


def test_a_server_keeps_its_address_and_decides_where_files_go() -> None:
    uri = "https://mlflow.example.com"
    assert find_store({"MLFLOW_TRACKING_URI": uri, "ORCHESTRATION_HOME": "elsewhere"}) == Store(uri, None)


def _register(trips: Trips, config: TrainingConfig, store: Store) -> tuple[RegisteredModel, Predict]:
    model = fit_model(trips, config)
    record = TrainingRecord(
        params=config.model_dump(),
        metrics={"rmse": 5.4},
        tags={"data_source": "generated"},
        example=trips.frame.head(3),
    )
    return register_model(model, record, store), lambda rows: predict_minutes(model, rows).tolist()


def test_a_registered_model_predicts_from_raw_rows(
    train: Trips,
    quick: TrainingConfig,
    raw_months: dict[str, pd.DataFrame],
    store: Store,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    first, predict = _register(train, quick, store)
    second, _ = _register(train, quick, store)
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.md").write_text("# Report")
    add_files(second, tmp_path / "report")
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
