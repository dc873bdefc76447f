"""The search for settings: what is compared, on what, and what goes on."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.duration_prediction.boosting import Job, Trial, fit_boosting, fit_candidate
from pipelines.duration_prediction.config import TrainingConfig
from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.features import Table, learn_design
from pipelines.duration_prediction.geography import learn_geography
from pipelines.duration_prediction.metrics import Minutes
from pipelines.duration_prediction.scales import MINUTES, ROOT
from pipelines.duration_prediction.tuning import list_candidates, one_by_one, tune

CONFIG = TrainingConfig(
    max_iter=30, leaves=(3, 9), screening_trips=200, screening_trees=6, tuning_trips=600, min_samples_leaf=5
)
RANDOM = np.random.default_rng(4)
MATRIX = RANDOM.uniform(size=(1_000, 3))
TAKEN = 5 + 30 * MATRIX[:, 0] * MATRIX[:, 1] + RANDOM.uniform(0, 1, 1_000)
GUESS = np.full(1_000, 10.0)


def _trial(later: Minutes = TAKEN[800:]) -> Trial:
    settings = list_candidates(CONFIG)[0]
    return Trial(Job(settings, MATRIX[:800], (TAKEN - GUESS)[:800]), MATRIX[800:], GUESS[800:], later)


@pytest.fixture(scope="module")
def table(train: Trips) -> Table:
    minutes = train.minutes.to_numpy()
    return learn_design(train.frame, minutes, learn_geography(train), use_distance=True, folds=5)[1]


def test_every_combination_is_a_candidate_with_a_seed_of_its_own() -> None:
    candidates = list_candidates(CONFIG)
    told = {(each.scale, each.leaves) for each in candidates}
    assert told == {(MINUTES, 3), (MINUTES, 9), (ROOT, 3), (ROOT, 9)}
    assert len({each.seed for each in candidates}) == len(candidates) == 4


def test_a_candidate_is_judged_with_the_trees_with_which_it_does_best() -> None:
    outcome = fit_candidate(_trial())
    assert 16 <= outcome.settings.trees <= 30
    assert outcome.trips == 800
    errors = outcome.predicted - TAKEN[800:]
    assert outcome.rmse == pytest.approx(float(np.sqrt(np.mean(errors**2))))
    assert outcome.spread == pytest.approx(float(errors.std()))
    fewer = fit_boosting(Job(outcome.settings, MATRIX[:800], (TAKEN - GUESS)[:800]))
    np.testing.assert_allclose(fewer.predict(MATRIX[800:]) + 10, outcome.predicted)


def test_noise_stops_early_but_not_before_half_of_the_trees() -> None:
    assert fit_candidate(_trial(RANDOM.uniform(5, 35, 200))).settings.trees < 30
    assert fit_candidate(_trial(40 - TAKEN[800:])).settings.trees == 16


def test_a_shift_of_the_level_changes_no_choice() -> None:
    here, there = fit_candidate(_trial()), fit_candidate(_trial(TAKEN[800:] + 5))
    assert there.settings == here.settings
    assert there.spread == pytest.approx(here.spread)
    assert there.rmse > here.rmse


def test_the_best_of_each_scale_go_on(table: Table, train: Trips) -> None:
    minutes = train.minutes.to_numpy()
    candidates, until = tune(table, minutes, CONFIG, one_by_one)
    assert until == len(train) - round(0.2 * len(train))
    assert [(each.settings.scale, each.chosen, each.trips) for each in candidates[:2]] == sorted(
        [(MINUTES, True, 600), (ROOT, True, 600)]
    )
    rest = candidates[2:]
    assert {(each.chosen, each.trips, each.settings.trees <= 6) for each in rest} == {(False, 200, True)}
    assert [each.spread for each in rest] == sorted(each.spread for each in rest)
    assert len(candidates) == 4


def test_many_trips_are_judged_on_the_last_of_them(table: Table, train: Trips) -> None:
    few = CONFIG.model_copy(update={"tail_trips": 100})
    candidates, until = tune(table, train.minutes.to_numpy(), few, one_by_one)
    assert until == len(train) - 100
    assert {len(each.predicted) for each in candidates} == {100}


def test_the_judging_trips_teach_nothing(table: Table, train: Trips) -> None:
    """Whatever the last days' minutes are, the predictions for them stay the same."""
    minutes = train.minutes.to_numpy()
    until = len(minutes) - round(0.2 * len(minutes))
    config = CONFIG.model_copy(update={"max_iter": 2, "screening_trees": 2, "leaves": (3,)})
    noise = np.where(np.arange(len(minutes)) < until, minutes, 60.0)
    told = []
    for each in (minutes, noise):
        candidates, _ = tune(table, each, config, one_by_one)
        told.append({candidate.settings: candidate.predicted.tolist() for candidate in candidates})
    same = {replace(settings, trees=2): predicted for settings, predicted in told[0].items()}
    assert same == {replace(settings, trees=2): predicted for settings, predicted in told[1].items()}
