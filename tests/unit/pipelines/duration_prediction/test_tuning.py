"""The search for settings: what is compared, on what, and what goes on."""

import numpy as np
import pytest

from pipelines.duration_prediction.config import TrainingConfig
from pipelines.duration_prediction.model import MINUTES, ROOT
from pipelines.duration_prediction.tuning import (
    Job,
    Trial,
    fit_candidate,
    fit_member,
    list_candidates,
    one_by_one,
    tune,
)

CONFIG = TrainingConfig(
    max_iter=30, leaves=(3, 9), screening_trips=200, screening_trees=5, tuning_trips=600, min_samples_leaf=5
)
RANDOM = np.random.default_rng(4)
MATRIX = RANDOM.uniform(size=(1_000, 3))
MINUTES_TAKEN = 5 + 30 * MATRIX[:, 0] * MATRIX[:, 1] + RANDOM.uniform(0, 1, 1_000)


def _trial(number: int = 0, trees: int = 30) -> Trial:
    config = CONFIG.model_copy(update={"max_iter": trees})
    settings = list_candidates(config, (2, 3))[number]
    return Trial(Job(settings, MATRIX[:800], MINUTES_TAKEN[:800]), MATRIX[800:], MINUTES_TAKEN[800:])


def test_every_combination_is_a_candidate_with_a_seed_of_its_own() -> None:
    candidates = list_candidates(CONFIG, (2, 3))
    assert {(each.scale, each.leaves, each.columns) for each in candidates} == {
        (scale, leaves, columns) for scale in (MINUTES, ROOT) for leaves in (3, 9) for columns in (2, 3)
    }
    assert len({each.seed for each in candidates}) == len(candidates) == 8


def test_a_candidate_is_judged_with_the_trees_with_which_it_does_best() -> None:
    outcome = fit_candidate(_trial())
    assert 1 <= outcome.settings.trees <= 30
    assert outcome.trips == 800
    assert outcome.rmse == pytest.approx(float(np.sqrt(np.mean((outcome.predicted - MINUTES_TAKEN[800:]) ** 2))))
    member = fit_member(Job(outcome.settings, MATRIX[:800], MINUTES_TAKEN[:800]))
    np.testing.assert_allclose(member.predict(MATRIX[800:]), outcome.predicted)


def test_a_candidate_sees_only_its_columns() -> None:
    trial = _trial(0)
    spoilt = MATRIX.copy()
    spoilt[:, 2] = 0
    other = Trial(Job(trial.job.settings, spoilt[:800], MINUTES_TAKEN[:800]), spoilt[800:], MINUTES_TAKEN[800:])
    assert fit_candidate(trial).rmse == fit_candidate(other).rmse


def test_the_best_of_each_scale_go_on() -> None:
    candidates, until = tune(list_candidates(CONFIG, (2, 3)), MATRIX, MINUTES_TAKEN, CONFIG, one_by_one)
    assert until == 800
    assert [(each.settings.scale, each.chosen, each.trips) for each in candidates[:2]] == [
        (MINUTES, True, 600),
        (ROOT, True, 600),
    ]
    rest = candidates[2:]
    assert {(each.chosen, each.trips, each.settings.trees <= 5) for each in rest} == {(False, 200, True)}
    assert [each.rmse for each in rest] == sorted(each.rmse for each in rest)
    assert len(candidates) == 8


def test_the_judging_trips_teach_nothing() -> None:
    """Whatever the last days' minutes are, the predictions for them stay the same."""
    noise = np.where(np.arange(1_000) < 800, MINUTES_TAKEN, RANDOM.permutation(MINUTES_TAKEN))
    outcomes = []
    for minutes in (MINUTES_TAKEN, noise):
        settings = list_candidates(CONFIG, (3,))[0]
        outcomes.append(fit_member(Job(settings, MATRIX[:800], minutes[:800])).predict(MATRIX[800:]))
    assert outcomes[0].tolist() == outcomes[1].tolist()
