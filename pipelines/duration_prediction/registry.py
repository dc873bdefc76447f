"""The door to MLflow: how a trained model gets into its store.

MLflow takes more than a second to import, so that only `load_mlflow` does so, and it reports its use to its makers
unless told not to before the import: `load_mlflow` tells it.
"""

import json
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipelines.duration_prediction.config import EXPERIMENT_NAME
from pipelines.duration_prediction.model import TRUSTED_TYPES
from pipelines.duration_prediction.store import SQLITE, Store, experiment_name, model_name
from pipelines.duration_prediction.validation import contract_of
from pipelines.errors import RegistryError
from pipelines.files import lock_file
from pipelines.tlc import Colour

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

# MLflow 3.17 reads both (DO_NOT_TRACK only if it says "true"); GitPython would complain where there is no git.
ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}
# Whose exceptions are the store's: MLflow lets those of its database and of its HTTP client through.
MLFLOWS_MODULES = ("mlflow.", "sqlalchemy.", "alembic.", "requests.", "urllib3.", "sqlite3")
CHATTY_LOGGERS = ("mlflow", "alembic")

FLOW_RUN_TAG = "flow_run_id"
FINGERPRINT_TAG = "fingerprint"

# The code that the model calls by name travels with it, so that it can be loaded where this repository is not.
CODE = Path(__file__).resolve().parents[1]
KEPT_FOLDER = "kept"
LOCK = "registering.lock"


@dataclass(frozen=True)
class DataFile:
    """A file that a model learnt from or was judged on: what for, where from, and its SHA-256 in hexadecimal."""

    name: str
    used_to: str
    source: str
    sha256: str


@dataclass(frozen=True)
class TrainingRecord:
    """What MLflow is told of a training.

    `example` holds a few raw rows, `tags` stand at the run and at the version, `kept` are files by name that belong to
    the model, and `fingerprint` is the same for trainings that must give the same model.
    """

    colour: Colour
    fingerprint: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    example: pd.DataFrame
    inputs: Sequence[DataFile] = ()
    kept: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class RegisteredModel:
    """A version of a registered model, as MLflow knows it."""

    name: str
    version: str
    run_id: str
    tracking_uri: str
    tags: Mapping[str, str]

    @property
    def model_uri(self) -> str:
        """The address under which this very version can be loaded."""
        return f"models:/{self.name}/{self.version}"


@contextmanager
def getting_ready(store: Store) -> Iterator[None]:
    """Load MLflow and open its store, which takes seconds, while the body does something else."""
    thread = threading.Thread(target=_get_ready, args=(store,), name="mlflow", daemon=True)
    thread.start()
    yield
    thread.join()


def find_registered(store: Store, colour: Colour, fingerprint: str) -> RegisteredModel | None:
    """The version that an earlier training of this fingerprint made, if there is one. Raises RegistryError."""
    with opened(store) as client:
        return _find(client, store, colour, fingerprint)


def register_model(
    model: Any, record: TrainingRecord, store: Store, is_over: Callable[[str], bool]
) -> RegisteredModel:
    """Log a training with its fitted model and register the model's next version; if another process was quicker with
    the same fingerprint, its version.

    `is_over` tells of the flow run with an id whether it has ended: runs that ended before they could say so to MLflow
    are ended there as well. Raises RegistryError if the store cannot be used.
    """
    with opened(store) as client, _one_at_a_time(store):
        earlier = _find(client, store, record.colour, record.fingerprint)
        if earlier is not None:
            return earlier
        mlflow = load_mlflow()
        mlflow.set_tracking_uri(store.tracking_uri)
        experiment_id = _experiment_id(client, experiment_name(record.colour), store)
        _end_abandoned_runs(client, experiment_id, is_over)
        tags = {**record.tags, FINGERPRINT_TAG: record.fingerprint}
        with mlflow.start_run(experiment_id=experiment_id, run_name=record.tags.get("flow_run"), tags=tags) as run:
            try:
                return _log(client, store, run.info.run_id, model, record)
            except (KeyboardInterrupt, SystemExit):
                mlflow.end_run("KILLED")
                raise


def add_files(registered: RegisteredModel, files: Mapping[str, bytes]) -> None:
    """Keep files by name (the report and its figures) with the training's run in MLflow. Raises RegistryError."""
    with opened(Store(registered.tracking_uri, None)) as client:
        _log_files(client, registered.run_id, files, "report")


@contextmanager
def opened(store: Store) -> "Iterator[MlflowClient]":
    """A client of the store; what MLflow, or what it stands on, raises inside reaches the user as a RegistryError."""
    try:
        mlflow = load_mlflow()
        _make_database(mlflow, store)
        yield mlflow.MlflowClient(tracking_uri=store.tracking_uri)
    except Exception as error:
        if not type(error).__module__.startswith(MLFLOWS_MODULES):
            raise
        reason = str(error).splitlines()[0].rstrip(".")
        raise RegistryError(
            f"MLflow's store {store.tracking_uri} cannot be used ({reason}): check MLFLOW_TRACKING_URI and the store."
        ) from error


def as_registered(version: "ModelVersion", store: Store) -> RegisteredModel:
    """Our record of a version that MLflow describes."""
    tags = dict(version.tags)
    return RegisteredModel(version.name, str(version.version), version.run_id or "", store.tracking_uri, tags)


def _find(client: "MlflowClient", store: Store, colour: Colour, fingerprint: str) -> RegisteredModel | None:
    wanted = f"name = '{model_name(colour)}' and tags.{FINGERPRINT_TAG} = '{fingerprint}'"
    found = client.search_model_versions(wanted, max_results=1)
    return as_registered(found[0], store) if found else None


@contextmanager
def _one_at_a_time(store: Store) -> Iterator[None]:
    """Let no two processes of this machine register in the same file at once, lest both register the same model."""
    if store.database is None:
        yield
    else:
        with lock_file(store.database.with_name(LOCK)):
            yield


def _log(
    client: "MlflowClient", store: Store, run_id: str, model: Any, record: TrainingRecord
) -> RegisteredModel:
    """Log everything to the current run, and register the model."""
    mlflow = load_mlflow()
    mlflow.log_params(dict(record.params))
    mlflow.log_metrics(dict(record.metrics))
    client.log_inputs(run_id, [_dataset(each) for each in record.inputs])
    _log_files(client, run_id, record.kept, KEPT_FOLDER)
    signature = _signature(record.colour)
    logged = mlflow.sklearn.log_model(
        model,
        name="model",
        signature=signature,
        input_example=record.example[signature.inputs.input_names()],
        serialization_format="skops",
        skops_trusted_types=TRUSTED_TYPES,
        pip_requirements=_requirements(),
        code_paths=[str(CODE)],
    )
    return as_registered(_register_version(client, logged.model_uri, run_id, record), store)


def _dataset(file: DataFile) -> "DatasetInput":
    entities = load_mlflow().entities
    source = json.dumps({"uri": file.source, "sha256": file.sha256})
    # MLflow holds digests of up to 36 characters.
    dataset = entities.Dataset(name=file.name, digest=file.sha256[:36], source_type="s3", source=source)
    described: DatasetInput = entities.DatasetInput(dataset, [entities.InputTag("mlflow.data.context", file.used_to)])
    return described


def _log_files(client: "MlflowClient", run_id: str, files: Mapping[str, bytes], folder: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        for name, content in files.items():
            (Path(place) / name).write_bytes(content)
        client.log_artifacts(run_id, place, folder)


def _get_ready(store: Store) -> None:
    # Whatever goes wrong here goes wrong again, and is told, when a model is registered.
    with suppress(Exception), opened(store) as client:
        client.get_experiment_by_name(EXPERIMENT_NAME)


def load_mlflow() -> ModuleType:
    """MLflow, told before its import to report to nobody, and quiet."""
    os.environ.update(ENVIRONMENT)
    import mlflow
    import mlflow.sklearn

    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    return mlflow


def load_skops() -> ModuleType:
    """What reads models without running what they hold."""
    import skops.io

    return skops.io  # type: ignore[no-any-return]


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


def _experiment_id(client: "MlflowClient", name: str, store: Store) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=store.artifact_uri)
        except load_mlflow().exceptions.MlflowException:
            # Another run may have made it in between; if it is not that, the look-up below fails as this did.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return found.experiment_id


def _register_version(
    client: "MlflowClient", model_uri: str, run_id: str, record: TrainingRecord
) -> "ModelVersion":
    name, tags = model_name(record.colour), {**record.tags, FINGERPRINT_TAG: record.fingerprint}
    try:
        client.create_registered_model(name)
    except load_mlflow().exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    model_id = model_uri.removeprefix("models:/")
    return client.create_model_version(name, model_uri, run_id=run_id, tags=tags, model_id=model_id)


def _signature(colour: Colour) -> "ModelSignature":
    """The columns that the model reads of a TLC row.

    Months store numbers as int32, int64 or double by turns, and MLflow would refuse the one for the other, so that any
    type will do.
    """
    mlflow = load_mlflow()
    types = mlflow.types
    anything = types.schema.AnyType()
    columns = [
        types.ColSpec("datetime" if column.name == colour.pickup else anything, column.name, required=column.required)
        for column in contract_of(colour)
        if column.known_at_pickup
    ]
    minutes = types.ColSpec("double", "minutes")
    signature: ModelSignature = mlflow.models.ModelSignature(types.Schema([*columns]), types.Schema([minutes]))
    return signature


def _requirements() -> list[str]:
    return [f"{name}=={version(name)}" for name in ("numpy", "pandas", "scikit-learn", "skops")]
