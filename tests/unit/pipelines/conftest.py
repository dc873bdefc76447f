"""Small months to learn from, and an empty store of MLflow's to register models in."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipelines.duration_prediction.config import TrainingConfig
from pipelines.duration_prediction.data import Trips, load_month
from pipelines.duration_prediction.fitting import train_model
from pipelines.duration_prediction.geography import learn_geography
from pipelines.duration_prediction.model import DurationModel
from pipelines.duration_prediction.registry import getting_ready
from pipelines.duration_prediction.store import find_store
from pipelines.embedded.months import make_month
from pipelines.tlc import Month
from tests.support.months import TRAIN, VALIDATE, write_samples


@pytest.fixture(scope="session", autouse=True)
def _one_thread_each() -> Iterator[None]:
    """Tests run side by side already; threads that wait for each other on busy cores would slow them tenfold."""
    with threadpool_limits(1):
        yield


@pytest.fixture(autouse=True)
def _no_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests ask no public site for months."""
    monkeypatch.setenv("TLC_SITE_URL", "")


@pytest.fixture(scope="session")
def tlc_folder() -> Path:
    """The folder with real months; tests that cannot do without are skipped where there is none."""
    folder = os.environ.get("TLC_DATA_DIR", "")
    if not folder:
        pytest.skip("TLC_DATA_DIR names no folder with real months")
    return Path(folder).absolute()


@pytest.fixture(scope="session")
def sample_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small training month and a small validation month under the TLC's names."""
    return write_samples(tmp_path_factory.mktemp("months"))


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store of MLflow's, which takes seconds to make and none to copy."""
    store = find_store({}, tmp_path_factory.mktemp("mlflow"))
    with getting_ready(store):
        assert store.database is not None
    return store.database


@pytest.fixture
def made_home(mlflow_database: Path, tmp_path: Path) -> Path:
    """The home folder of a test with an empty store of MLflow's in it."""
    folder = tmp_path / "home" / "mlflow"
    folder.mkdir(parents=True)
    shutil.copy(mlflow_database, folder)
    return folder.parent


@pytest.fixture(scope="session")
def train(sample_folder: Path) -> Trips:
    return load_month(sample_folder / TRAIN.file_name, TRAIN)


@pytest.fixture(scope="session")
def validate(sample_folder: Path) -> Trips:
    return load_month(sample_folder / VALIDATE.file_name, VALIDATE)


@pytest.fixture(scope="session")
def quick() -> TrainingConfig:
    """Settings that fit in a blink."""
    return TrainingConfig(max_iter=40, learning_rate=0.2, leaves=(15,), screening_trips=1_000, screening_trees=10)


@pytest.fixture(scope="session")
def fitted(train: Trips, quick: TrainingConfig) -> DurationModel:
    """A model, fitted in a blink."""
    return train_model(train, learn_geography(train), quick).model


@pytest.fixture(scope="session")
def raw_months() -> dict[str, pd.DataFrame]:
    """Some raw rows of every real month at hand, else of a made-up month of each generation of files."""
    folder = os.environ.get("TLC_DATA_DIR", "")
    if folder:
        files = sorted(Path(folder).glob("green_tripdata_*.parquet"))
        return {path.name: pq.read_table(path).slice(0, 300).to_pandas() for path in files}
    months = (Month(2021, 1), Month(2023, 2), Month(2025, 1))
    return {month.file_name: make_month(month, rows=300).to_pandas() for month in months}
