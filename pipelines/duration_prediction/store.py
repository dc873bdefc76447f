"""Where MLflow's store is, and under which names it keeps what belongs to a colour of taxis."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.duration_prediction.config import EXPERIMENT_NAME, MODEL_NAME
from pipelines.tlc import Colour

SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Store:
    """An MLflow store: its address, and where new experiments keep their files (None: the server decides)."""

    tracking_uri: str
    artifact_uri: str | None

    @property
    def database(self) -> Path | None:
        """The file of a store in SQLite."""
        return Path(self.tracking_uri.removeprefix(SQLITE)) if self.tracking_uri.startswith(SQLITE) else None


def find_store(environ: Mapping[str, str], home: Path) -> Store:
    """MLFLOW_TRACKING_URI where it is set, else SQLite under the home folder; places on disk are made absolute."""
    uri = environ.get("MLFLOW_TRACKING_URI", "").strip()
    if not uri:
        return _sqlite_store(home / "mlflow" / "mlflow.db")
    if uri.startswith(SQLITE):
        return _sqlite_store(Path(uri.removeprefix(SQLITE)))
    if urlsplit(uri).scheme in ("", "file"):
        folder = Path(urlsplit(uri).path).expanduser().absolute()
        return Store(folder.as_uri(), None)
    return Store(uri, None)


def experiment_name(colour: Colour) -> str:
    """The experiment of a colour's trainings."""
    return f"{EXPERIMENT_NAME}-{colour}"


def model_name(colour: Colour) -> str:
    """The registered model of a colour; that of the green taxis has the plain name."""
    return MODEL_NAME if colour is Colour.GREEN else f"{MODEL_NAME}-{colour}"


def _sqlite_store(database: Path) -> Store:
    path = database.expanduser().absolute()
    return Store(f"{SQLITE}{path}", (path.parent / "artifacts").as_uri())
