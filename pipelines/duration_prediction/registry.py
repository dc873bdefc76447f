"""The door to MLflow: where its store is, and how a trained model gets into it.

MLflow takes more than a second to import, so that only the functions that need it do so, and it reports its use to
its makers unless told not to before the import: `_mlflow` tells it.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pandas as pd
import sklearn
from sklearn.pipeline import Pipeline

from pipelines.duration_prediction.config import EXPERIMENT_NAME, MODEL_NAME
from pipelines.duration_prediction.validation import CONTRACT, MODEL_COLUMNS

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType

# MLflow 3.17 reads both (DO_NOT_TRACK only if it says "true"); GitPython would complain where there is no git.
ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}
CHATTY_LOGGERS = ("mlflow", "alembic")

DEFAULT_HOME = "~/.orchestration"
SQLITE = "sqlite:///"

# What skops may build when the model is loaded, beyond its own list: reviewed, ours or scikit-learn's.
TRUSTED_TYPES = [
    "pipelines.duration_prediction.features.trip_features",
    "pipelines.duration_prediction.training.as_measured",
    "pipelines.duration_prediction.training.within_limits",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.model_selection._split.KFold",
]
# How MLflow's signature calls the contract's types; a "long" takes every generation's ids.
SIGNATURE_TYPES = {"timestamp[us]": "datetime", "int32": "long", "double": "double"}


@dataclass(frozen=True)
class Store:
    """An MLflow store: its address, and where new experiments keep their files (None: the server decides)."""

    tracking_uri: str
    artifact_uri: str | None


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


def find_store(environ: Mapping[str, str]) -> Store:
    """MLFLOW_TRACKING_URI where it is set, else SQLite under ORCHESTRATION_HOME; places on disk are made absolute."""
    uri = environ.get("MLFLOW_TRACKING_URI", "").strip()
    if not uri:
        home = Path(environ.get("ORCHESTRATION_HOME") or DEFAULT_HOME)
        return _sqlite_store(home / "mlflow" / "mlflow.db")
    if uri.startswith(SQLITE):
        return _sqlite_store(Path(uri.removeprefix(SQLITE)))
    if urlsplit(uri).scheme in ("", "file"):
        folder = Path(urlsplit(uri).path).expanduser().absolute()
        return Store(folder.as_uri(), None)
    return Store(uri, None)


def _sqlite_store(database: Path) -> Store:
    path = database.expanduser().absolute()
    return Store(f"{SQLITE}{path}", (path.parent / "artifacts").as_uri())


def register_model(model: Pipeline, record: TrainingRecord, store: Store) -> RegisteredModel:
    """Log a training with its fitted model and register the model's next version."""
    mlflow = _mlflow()
    _make_folder(store)
    mlflow.set_tracking_uri(store.tracking_uri)
    client = mlflow.MlflowClient()
    with mlflow.start_run(experiment_id=_experiment_id(client, store), tags=dict(record.tags)) as run:
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
        )
        version = _register_version(client, logged.model_uri, run.info.run_id)
    return RegisteredModel(f"models:/{MODEL_NAME}/{version}", run.info.run_id, store.tracking_uri)


def add_files(registered: RegisteredModel, folder: Path) -> None:
    """Keep a folder's files (the report and its figures) with the training's run in MLflow."""
    client = _mlflow().MlflowClient(tracking_uri=registered.tracking_uri)
    client.log_artifacts(registered.run_id, str(folder), "report")


def _mlflow() -> ModuleType:
    os.environ.update(ENVIRONMENT)
    import mlflow
    import mlflow.sklearn

    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    return mlflow


def _make_folder(store: Store) -> None:
    if store.tracking_uri.startswith(SQLITE):
        Path(store.tracking_uri.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)


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
        ColSpec(SIGNATURE_TYPES[str(column.type)], column.name)
        if column.required
        else ColSpec(_any_type(), column.name, required=False)
        for column in CONTRACT
        if column.known_at_pickup
    ]
    return ModelSignature(inputs=Schema([*columns]), outputs=Schema([ColSpec("double", "minutes")]))


def _any_type() -> "AnyType":
    """Months store counts as int64 or double by turns, and MLflow would refuse to convert the one to the other."""
    from mlflow.types.schema import AnyType

    return AnyType()  # type: ignore[no-untyped-call]


def _requirements() -> list[str]:
    import skops

    modules = {"pandas": pd, "scikit-learn": sklearn, "skops": skops}
    return [f"{name}=={module.__version__}" for name, module in modules.items()]
