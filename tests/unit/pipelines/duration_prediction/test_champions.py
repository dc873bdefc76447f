"""Who is the champion, who was it, and how that changes, in a real store."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.duration_prediction.apart import predict_apart
from pipelines.duration_prediction.champions import (
    Change,
    champion_of,
    find_champion,
    keep_as_challenger,
    load_kept,
    load_model,
    promote,
    roll_back,
)
from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.model import DurationModel
from pipelines.duration_prediction.registry import (
    RegisteredModel,
    TrainingRecord,
    load_mlflow,
    opened,
    register_model,
)
from pipelines.duration_prediction.store import Store, find_store, model_name
from pipelines.errors import RegistryError
from pipelines.tlc import Colour

NAME = model_name(Colour.GREEN)


@pytest.fixture
def store(made_home: Path) -> Store:
    return find_store({}, made_home)


@pytest.fixture
def registered(store: Store, train: Trips, fitted: DurationModel) -> RegisteredModel:
    """The first version."""
    kept = {"profile.json": b'{"rows": 1}'}
    record = TrainingRecord(Colour.GREEN, "one", {}, {}, {"train_months": "2021-01"}, train.frame.head(3), (), kept)
    return register_model(fitted, record, store, lambda _: False)


def _add_versions(store: Store, registered: RegisteredModel, count: int) -> None:
    """Further versions of the same model, which cost nothing."""
    with opened(store) as client:
        source = client.get_model_version(NAME, registered.version).source
        assert source is not None
        for _ in range(count):
            client.create_model_version(NAME, source)


def _aliases(store: Store) -> dict[str, str]:
    with opened(store) as client:
        return {alias: str(version) for alias, version in client.get_registered_model(NAME).aliases.items()}


def test_there_is_no_champion_before_the_first_promotion(store: Store, registered: RegisteredModel) -> None:
    assert find_champion(store, "no-such-model") is None
    assert find_champion(store, NAME) is None
    with pytest.raises(RegistryError) as caught:
        champion_of(store, NAME)
    assert str(caught.value) == (
        f"nyc-taxi-duration has no champion in {store.tracking_uri}: train a model, or promote a version."
    )
    assert promote(store, NAME, "1") == Change(NAME, None, "1")
    assert champion_of(store, NAME) == registered


def test_promotions_are_taken_back_one_by_one(store: Store, registered: RegisteredModel) -> None:
    _add_versions(store, registered, 2)
    for version in ("1", "2", "3"):
        promote(store, NAME, version)
    assert promote(store, NAME, "3") == Change(NAME, "3", "3"), "that changes nothing"
    assert [roll_back(store, NAME) for _ in range(2)] == [Change(NAME, "3", "2"), Change(NAME, "2", "1")]
    assert champion_of(store, NAME).version == "1"
    with pytest.raises(RegistryError) as caught:
        roll_back(store, NAME)
    assert str(caught.value) == (
        "There is no earlier champion of nyc-taxi-duration to go back to: name a version to promote instead."
    )
    assert champion_of(store, NAME).version == "1"


def test_a_champion_that_somebody_set_in_mlflow_is_gone_back_to_as_well(
    store: Store, registered: RegisteredModel
) -> None:
    _add_versions(store, registered, 2)
    promote(store, NAME, "1")
    with opened(store) as client:
        client.set_registered_model_alias(NAME, "champion", "2")
    promote(store, NAME, "3")
    assert roll_back(store, NAME) == Change(NAME, "3", "2")


def test_a_challenger_that_becomes_champion_is_no_challenger_any_more(
    store: Store, registered: RegisteredModel
) -> None:
    keep_as_challenger(store, registered)
    assert _aliases(store) == {"challenger": "1"}
    promote(store, NAME, "1")
    assert _aliases(store) == {"champion": "1"}


def test_only_versions_that_there_are_can_be_promoted(store: Store, registered: RegisteredModel) -> None:
    with pytest.raises(RegistryError) as caught:
        promote(store, NAME, "7")
    assert str(caught.value) == "There is no version 7 of nyc-taxi-duration; there are 1: name one of them."
    with pytest.raises(RegistryError, match="No version of other is registered yet: train one first"):
        promote(store, "other", "1")
    with pytest.raises(RegistryError, match="No version of other is registered yet: train one first"):
        roll_back(store, "other")
    assert registered.version == "1"


def test_changes_are_told_in_a_sentence() -> None:
    assert Change(NAME, None, "1").sentence() == "Version 1 of nyc-taxi-duration is now the champion."
    assert Change(NAME, "1", "2").sentence() == (
        "Version 2 of nyc-taxi-duration is now the champion, in place of version 1."
    )
    assert Change(NAME, "2", "2").sentence() == "Version 2 of nyc-taxi-duration is the champion already."


def test_a_version_comes_back_as_it_was_with_what_was_kept(
    registered: RegisteredModel, fitted: DurationModel, validate: Trips, tmp_path: Path
) -> None:
    load_mlflow().set_tracking_uri(f"sqlite:///{tmp_path}/elsewhere.db")  # as a process that has registered nothing
    expected = fitted.predict(validate.frame)
    assert np.array_equal(load_model(registered).predict(validate.frame), expected)
    assert np.array_equal(predict_apart(registered, validate.frame), expected)
    assert load_kept(registered, "profile.json") == '{"rows": 1}'
    assert load_kept(registered, "nothing.json") is None


def test_a_version_that_holds_other_types_is_refused_in_a_sentence(
    registered: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.duration_prediction.champions.TRUSTED_TYPES", [])
    with pytest.raises(RegistryError) as caught:
        load_model(registered)
    assert str(caught.value).startswith("models:/nyc-taxi-duration/1 cannot be loaded by this version of the code (")
    assert "\n" not in str(caught.value)


def test_a_version_that_cannot_work_apart_is_told_in_a_sentence(
    registered: RegisteredModel, validate: Trips
) -> None:
    with pytest.raises(RegistryError) as caught:
        predict_apart(registered, validate.frame.drop(columns=["PULocationID"]))
    assert str(caught.value).startswith("models:/nyc-taxi-duration/1 cannot be used with the code that it carries (")
    assert "\n" not in str(caught.value)
