"""Which version of a registered model is the champion, who was it before, and how that changes.

MLflow's alias `champion` names the one in use and `challenger` the newest that was not good enough; a tag of the
registered model remembers all champions in the order in which they came, so that a promotion can be taken back.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.duration_prediction.model import TRUSTED_TYPES
from pipelines.duration_prediction.registry import (
    KEPT_FOLDER,
    RegisteredModel,
    as_registered,
    load_mlflow,
    load_skops,
    opened,
)
from pipelines.duration_prediction.store import Store
from pipelines.errors import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"
CHAMPIONS_TAG = "champions"
MODEL_FILE = "model.skops"
LOGGED_MODEL = "models:/"


@dataclass(frozen=True)
class Change:
    """A new champion in place of another one; `before` is None where there was none."""

    name: str
    before: str | None
    after: str

    def sentence(self) -> str:
        """What has changed, for people."""
        if self.before == self.after:
            return f"Version {self.after} of {self.name} is the champion already."
        instead = f", in place of version {self.before}" if self.before else ""
        return f"Version {self.after} of {self.name} is now the champion{instead}."


def find_champion(store: Store, name: str) -> RegisteredModel | None:
    """The champion of a registered model. Raises RegistryError if the store cannot be used."""
    with opened(store) as client:
        return _by_alias(client, store, name)


def champion_of(store: Store, name: str) -> RegisteredModel:
    """The champion of a registered model. Raises RegistryError if there is none."""
    found = find_champion(store, name)
    if found is None:
        raise RegistryError(f"{name} has no champion in {store.tracking_uri}: train a model, or promote a version.")
    return found


def promote(store: Store, name: str, version: str) -> Change:
    """Make a version the champion. Raises RegistryError if there is no such version."""
    with opened(store) as client:
        _check_version(client, name, version)
        before = _champion(client, store, name)
        past = [*_past(client, store, name), version] if version != before else _past(client, store, name)
        _crown(client, name, past)
        return Change(name, before, version)


def roll_back(store: Store, name: str) -> Change:
    """Make the champion before the present one the champion again. Raises RegistryError if there was none."""
    with opened(store) as client:
        _versions(client, name)
        past, before = _past(client, store, name), _champion(client, store, name)
        *earlier, _ = past or [""]
        if not earlier:
            raise RegistryError(
                f"There is no earlier champion of {name} to go back to: name a version to promote instead."
            )
        _crown(client, name, earlier)
        return Change(name, before, earlier[-1])


def keep_as_challenger(store: Store, registered: RegisteredModel) -> None:
    """Mark a version as the newest that did not become champion. Raises RegistryError."""
    with opened(store) as client:
        client.set_registered_model_alias(registered.name, CHALLENGER, registered.version)


def load_model(registered: RegisteredModel) -> Any:
    """The fitted model of a version; only reviewed types are built. Raises RegistryError if that is not enough."""
    # Not by its address: MLflow would look that up in whatever store this process has used last.
    with opened(Store(registered.tracking_uri, None)) as client:
        uri = client.get_model_version_download_uri(registered.name, registered.version)
        if uri.startswith(LOGGED_MODEL):
            uri = client.get_logged_model(uri.removeprefix(LOGGED_MODEL)).artifact_location
    folder = _download(registered, uri)
    try:
        return load_skops().load(folder / MODEL_FILE, trusted=TRUSTED_TYPES)
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise RegistryError(
            f"{registered.model_uri} cannot be loaded by this version of the code ({reason}): promote another version."
        ) from error


def load_kept(registered: RegisteredModel, name: str) -> str | None:
    """The text of a file that was kept with a version; None if there is none of that name."""
    with opened(Store(registered.tracking_uri, None)) as client:
        paths = [each.path for each in client.list_artifacts(registered.run_id, KEPT_FOLDER)]
    if f"{KEPT_FOLDER}/{name}" not in paths:
        return None
    return _download(registered, f"runs:/{registered.run_id}/{KEPT_FOLDER}/{name}").read_text()


def _download(registered: RegisteredModel, uri: str) -> Path:
    with opened(Store(registered.tracking_uri, None)):
        mlflow = load_mlflow()
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, tracking_uri=registered.tracking_uri))


def _by_alias(client: "MlflowClient", store: Store, name: str) -> RegisteredModel | None:
    try:
        return as_registered(client.get_model_version_by_alias(name, CHAMPION), store)
    except load_mlflow().exceptions.MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _champion(client: "MlflowClient", store: Store, name: str) -> str | None:
    found = _by_alias(client, store, name)
    return found.version if found else None


def _past(client: "MlflowClient", store: Store, name: str) -> list[str]:
    """All champions, the present one last, also if its alias was set by other means than ours."""
    past = list(filter(None, client.get_registered_model(name).tags.get(CHAMPIONS_TAG, "").split(",")))
    present = _champion(client, store, name)
    return past if present is None or past[-1:] == [present] else [*past, present]


def _crown(client: "MlflowClient", name: str, past: list[str]) -> None:
    """Make the last of the champions the champion; a challenger that became it is no challenger any more."""
    client.set_registered_model_alias(name, CHAMPION, past[-1])
    client.set_registered_model_tag(name, CHAMPIONS_TAG, ",".join(past))
    if str(client.get_registered_model(name).aliases.get(CHALLENGER)) == past[-1]:
        client.delete_registered_model_alias(name, CHALLENGER)


def _check_version(client: "MlflowClient", name: str, version: str) -> None:
    known = _versions(client, name)
    if version not in known:
        raise RegistryError(f"There is no version {version} of {name}; there are {', '.join(known)}: name one of them.")


def _versions(client: "MlflowClient", name: str) -> list[str]:
    found = client.search_model_versions(f"name = '{name}'", order_by=["version_number ASC"])
    if not found:
        raise RegistryError(f"No version of {name} is registered yet: train one first.")
    return [str(each.version) for each in found]
