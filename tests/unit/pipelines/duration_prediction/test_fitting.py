"""From trips to a model: honest, repeatable, and the same however its fits are spread."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.duration_prediction.baselines import score_baselines
from pipelines.duration_prediction.config import TrainingConfig
from pipelines.duration_prediction.data import Trips, load_month
from pipelines.duration_prediction.fitting import Training, thin_out, train_model
from pipelines.duration_prediction.geography import learn_geography, read_geography
from pipelines.duration_prediction.metrics import Metrics, evaluate
from pipelines.duration_prediction.model import DurationModel
from pipelines.duration_prediction.validation import DROPOFF, PICKUP
from pipelines.errors import NoValidTripsError
from pipelines.tlc import Month


def _train(trips: Trips, config: TrainingConfig) -> Training:
    return train_model(trips, learn_geography(trips), config)


def _judge(model: DurationModel, validate: Trips) -> Metrics:
    return evaluate(validate.minutes.to_numpy(), model.predict(validate.frame))


def _in_threads(call: Callable[[Any], Any], given: Sequence[Any]) -> list[Any]:
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(call, given))


def test_the_same_trips_and_settings_give_the_same_model_however_fits_are_spread(
    fitted: DurationModel, train: Trips, validate: Trips, quick: TrainingConfig
) -> None:
    again = train_model(train, learn_geography(train), quick, _in_threads).model
    assert again.predict(validate.frame).tobytes() == fitted.predict(validate.frame).tobytes()


def test_another_seed_gives_another_model(
    fitted: DurationModel, train: Trips, validate: Trips, quick: TrainingConfig
) -> None:
    other = _train(train, quick.model_copy(update={"seed": 7})).model
    assert other.predict(validate.frame).tobytes() != fitted.predict(validate.frame).tobytes()


def test_it_beats_every_baseline(fitted: DurationModel, train: Trips, validate: Trips) -> None:
    best = min(score.metrics.rmse for score in score_baselines(train, validate).scores)
    assert _judge(fitted, validate).rmse < best


def test_durations_that_mean_nothing_teach_nothing(train: Trips, validate: Trips, quick: TrainingConfig) -> None:
    """The leakage test: were a trip's own duration among its features, noise would look learnable in training."""
    noise = train.frame.copy()
    length = train.frame[DROPOFF] - train.frame[PICKUP]
    noise[DROPOFF] = noise[PICKUP] + length.sample(frac=1, random_state=3).to_numpy()
    shuffled = replace(train, frame=noise)
    training = _train(shuffled, quick)
    assert _judge(training.model, validate).r2 < 0.02
    later = shuffled.minutes.tail(round(len(shuffled) * quick.tail_share))
    assert training.candidates[0].rmse > 0.98 * later.std()


def test_the_candidates_are_told_best_first(train: Trips, quick: TrainingConfig) -> None:
    candidates = _train(train, quick.model_copy(update={"leaves": (4, 15)})).candidates
    blend, minutes, root, *rest = candidates
    assert blend.name == "Mean of the best of each scale"
    assert [each.chosen for each in candidates] == [True, True, True, False, False]
    assert {minutes.name.partition(",")[0], root.name.partition(",")[0]} == {
        "Gradient boosting of minutes",
        "Gradient boosting of root minutes",
    }
    assert blend.rmse < max(minutes.rmse, root.rmse)
    assert {each.trips for each in rest} == {1_000}
    assert all(20 < each.trees <= 40 for each in (minutes, root))


def test_without_distance_it_needs_none(train: Trips, validate: Trips, quick: TrainingConfig) -> None:
    blind = _train(train, quick.model_copy(update={"use_distance": False})).model
    unmeasured = replace(validate, frame=validate.frame.assign(trip_distance=np.nan))
    assert _judge(blind, unmeasured) == _judge(blind, validate)
    assert _judge(blind, validate).r2 > 0.3


def test_a_handful_of_trips_is_refused(train: Trips, quick: TrainingConfig) -> None:
    few = replace(train, frame=train.frame.head(49))
    with pytest.raises(NoValidTripsError, match=r"49 valid trips are too few to learn from .50 at least."):
        _train(few, quick)
    assert _train(replace(train, frame=train.frame.head(50)), quick).model.predict(few.frame).shape == (49,)


def test_of_too_many_trips_evenly_spread_ones_are_learnt_from(train: Trips, quick: TrainingConfig) -> None:
    some = thin_out(train, 1_000)
    assert len(some) == 1_000
    assert some.pickup.iloc[[0, -1]].tolist() == train.pickup.iloc[[0, -1]].tolist()
    assert some.pickup.is_monotonic_increasing
    assert some.frame.duplicated().sum() == train.frame.duplicated().sum() == 0
    assert thin_out(train, len(train)) is train
    config = quick.model_copy(update={"most_trips": 1_000})
    assert _train(train, config).candidates[0].trips == 800


def test_the_promised_error_on_real_months(tlc_folder: Path) -> None:
    january, february = (load_month(tlc_folder / m.file_name, m) for m in (Month(2021, 1), Month(2021, 2)))
    geography = read_geography(tlc_folder / "taxi_zone_centroids.csv")
    model = train_model(january, geography, TrainingConfig()).model
    assert _judge(model, february).rmse < 5.13
