"""Where MLflow's store is: a place that stays the same wherever the job runs."""

from pathlib import Path

import pytest

from pipelines.duration_prediction.store import Store, find_store


def test_the_store_lies_under_the_home_folder(tmp_path: Path) -> None:
    store = find_store({}, tmp_path)
    assert store == Store(f"sqlite:///{tmp_path}/mlflow/mlflow.db", (tmp_path / "mlflow" / "artifacts").as_uri())
    assert store.database == tmp_path / "mlflow" / "mlflow.db"


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "sqlite:///./mlflow.db"])
def test_a_place_on_disk_is_made_absolute(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_store({"MLFLOW_TRACKING_URI": uri}, Path("/none")) == Store(
        f"sqlite:///{tmp_path}/mlflow.db", (tmp_path / "artifacts").as_uri()
    )


@pytest.mark.parametrize("uri", ["runs", "./runs"])
def test_a_folder_is_made_absolute(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = find_store({"MLFLOW_TRACKING_URI": uri}, Path("/none"))
    assert store == Store((tmp_path / "runs").as_uri(), None)
    assert store.database is None


def test_a_server_keeps_its_address_and_decides_where_files_go() -> None:
    uri = "https://mlflow.example.com"
    assert find_store({"MLFLOW_TRACKING_URI": uri}, Path("elsewhere")) == Store(uri, None)
