"""The door to MLflow: how a trained model gets into its store.

MLflow takes more than a second to import, so that only the functions that need it do so, and it reports its use to
its makers unless told not to before the import: `_mlflow` tells it.
"""

import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pandas as pd
import sklearn
from sklearn.pipeline import Pipeline

from pipelines.duration_prediction.config import EXPERIMENT_NAME, MODEL_NAME
from pipelines.duration_prediction.store import SQLITE, Store
from pipelines.duration_prediction.validation import CONTRACT, MODEL_COLUMNS, PICKUP
from pipelines.errors import RegistryError
from pipelines.files import lock_file

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType

# MLflow 3.17 reads both (DO_NOT_TRACK only if it says "true"); GitPython would complain where there is no git.
ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}
# Whose exceptions are the store's: MLflow lets those of its database and of its HTTP client through.
MLFLOWS_MODULES = ("mlflow.", "sqlalchemy.", "alembic.", "requests.", "urllib3.", "sqlite3")
CHATTY_LOGGERS = ("mlflow", "alembic")

FLOW_RUN_TAG = "flow_run_id"

# What skops may build when the model is loaded, beyond its own list: reviewed, ours or scikit-learn's.
TRUSTED_TYPES = [
    "pipelines.duration_prediction.features.trip_features",
    "pipelines.duration_prediction.training.as_measured",
    "pipelines.duration_prediction.training.within_limits",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.model_selection._split.KFold",
]
# The code that the model calls by name travels with it, so that it can be loaded where this repository is not.
CODE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class TrainingRecord:
    """What MLflow is told of a training; `example` holds a few raw rows."""

    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    example: pd.DataFrame


@dataclass(frozen=True)
class RegisteredModel:
    """A model as MLflow knows it; `model_uri` names the version that this training made."""

    model_uri: str
    run_id: str
    tracking_uri: str


@contextmanager
def getting_ready(store: Store) -> Iterator[None]:
    """Load MLflow and open its store, which takes seconds, while the body does something else."""
    thread = threading.Thread(target=_get_ready, args=(store,), name="mlflow", daemon=True)
    thread.start()
    yield
    thread.join()


def register_model(
    model: Pipeline, record: TrainingRecord, store: Store, is_over: Callable[[str], bool]
) -> RegisteredModel:
    """Log a training with its fitted model and register the model's next version.

    `is_over` tells of the flow run with an id whether it has ended: runs that ended before they could say so to MLflow
    are ended there as well. Raises RegistryError if the store cannot be used.
    """
    with _told(store):
        mlflow = _mlflow()
        _make_database(mlflow, store)
        mlflow.set_tracking_uri(store.tracking_uri)
        client = mlflow.MlflowClient()
        experiment_id = _experiment_id(client, store)
        _end_abandoned_runs(client, experiment_id, is_over)
        with mlflow.start_run(experiment_id=experiment_id, tags=dict(record.tags)) as run:
            try:
                version = _log(client, run.info.run_id, model, record)
            except (KeyboardInterrupt, SystemExit):
                mlflow.end_run("KILLED")
                raise
    return RegisteredModel(f"models:/{MODEL_NAME}/{version}", run.info.run_id, store.tracking_uri)


def add_files(registered: RegisteredModel, files: Mapping[str, bytes]) -> None:
    """Keep files by name (the report and its figures) with the training's run in MLflow. Raises RegistryError."""
    with _told(Store(registered.tracking_uri, None)), tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        client = _mlflow().MlflowClient(tracking_uri=registered.tracking_uri)
        client.log_artifacts(registered.run_id, folder, "report")


def _log(client: "MlflowClient", run_id: str, model: Pipeline, record: TrainingRecord) -> str:
    """Log everything to the current run; gives the version under which the model is registered."""
    mlflow = _mlflow()
    mlflow.log_params(dict(record.params))
    mlflow.log_metrics(dict(record.metrics))
    logged = mlflow.sklearn.log_model(
        model,
        name="model",
        signature=_signature(),
        input_example=record.example[list(MODEL_COLUMNS)],
        serialization_format="skops",
        skops_trusted_types=TRUSTED_TYPES,
        pip_requirements=_requirements(),
        code_paths=[str(CODE)],
    )
    return _register_version(client, logged.model_uri, run_id)


def _get_ready(store: Store) -> None:
    # Whatever goes wrong here goes wrong again, and is told, when a model is registered.
    with suppress(Exception):
        mlflow = _mlflow()
        _make_database(mlflow, store)
        mlflow.MlflowClient(tracking_uri=store.tracking_uri).get_experiment_by_name(EXPERIMENT_NAME)


def _mlflow() -> ModuleType:
    os.environ.update(ENVIRONMENT)
    import mlflow
    import mlflow.sklearn

    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    return mlflow


@contextmanager
def _told(store: Store) -> Iterator[None]:
    """Let what MLflow, or what it stands on, raises reach the user as a RegistryError."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(MLFLOWS_MODULES):
            raise
        reason = str(error).splitlines()[0].rstrip(".")
        raise RegistryError(
            f"MLflow's store {store.tracking_uri} cannot be used ({reason}): check MLFLOW_TRACKING_URI and the store."
        ) from error


def _make_database(mlflow: ModuleType, store: Store) -> None:
    """Make the store's SQLite file unless it is there: under another name first, so that it is whole or not there.

    MLflow builds it in dozens of steps, and would never again open one that was left half-way.
    """
    path = store.database
    if path is None or path.exists():
        return
    with lock_file(path.with_name(f"{path.name}.lock")):
        for leftover in path.parent.glob(f".{path.name}.new*"):
            leftover.unlink()
        if not path.exists():
            new = path.with_name(f".{path.name}.new")
            mlflow.MlflowClient(tracking_uri=f"{SQLITE}{new}").search_experiments(max_results=1)
            new.replace(path)


def _end_abandoned_runs(client: "MlflowClient", experiment_id: str, is_over: Callable[[str], bool]) -> None:
    for run in client.search_runs([experiment_id], "attributes.status = 'RUNNING'"):
        flow_run_id = run.data.tags.get(FLOW_RUN_TAG)
        if flow_run_id is not None and is_over(flow_run_id):
            client.set_terminated(run.info.run_id, "KILLED")


def _experiment_id(client: "MlflowClient", store: Store) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(EXPERIMENT_NAME)
    if found is None:
        try:
            return client.create_experiment(EXPERIMENT_NAME, artifact_location=store.artifact_uri)
        except MlflowException:
            # Another run may have made it in between; if it is not that, the look-up below fails as this did.
            found = client.get_experiment_by_name(EXPERIMENT_NAME)
            if found is None:
                raise
    return found.experiment_id


def _register_version(client: "MlflowClient", model_uri: str, run_id: str) -> str:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(MODEL_NAME)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    model_id = model_uri.removeprefix("models:/")
    return str(client.create_model_version(MODEL_NAME, model_uri, run_id=run_id, model_id=model_id).version)


def _signature() -> "ModelSignature":
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    columns = [
        ColSpec("datetime" if column.name == PICKUP else _any_type(), column.name, required=column.required)
        for column in CONTRACT
        if column.known_at_pickup
    ]
    return ModelSignature(inputs=Schema([*columns]), outputs=Schema([ColSpec("double", "minutes")]))


def _any_type() -> "AnyType":
    """Months store numbers as int32, int64 or double by turns, and MLflow would refuse the one for the other."""
    from mlflow.types.schema import AnyType

    return AnyType()  # type: ignore[no-untyped-call]


def _requirements() -> list[str]:
    import skops

    modules = {"pandas": pd, "scikit-learn": sklearn, "skops": skops}
    return [f"{name}=={module.__version__}" for name, module in modules.items()]
