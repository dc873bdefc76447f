"""Means by zone, smoothed, and never a trip's own minutes among them."""

import numpy as np
import pytest

from pipelines.duration_prediction.encoding import KeyMeans, ZoneMeans

KEYS = np.array([7, 7, 3, 7])
TARGET = np.array([1.0, 2.0, 10.0, 6.0])


def test_few_trips_are_believed_less_than_many() -> None:
    means = KeyMeans.learn(KEYS, TARGET, smoothing=1.0)
    assert means.of(np.array([7, 3])).tolist() == [9 / 4, 10 / 2]


def test_an_unknown_key_says_nothing() -> None:
    means = KeyMeans.learn(KEYS, TARGET, smoothing=1.0)
    assert means.of(np.array([-1, 5, 1_000])).tolist() == [0, 0, 0]
    assert KeyMeans.learn(KEYS[:0], TARGET[:0], smoothing=1.0).of(KEYS).tolist() == [0] * 4


def test_a_trip_learns_from_the_other_folds_only() -> None:
    means = KeyMeans.learn(KEYS, TARGET, smoothing=1.0)
    folds = np.array([0, 1, 0, 1])
    assert means.without(KEYS, TARGET, folds).tolist() == pytest.approx([8 / 3, 1 / 2, 0, 1 / 2])
    assert means.without(KEYS[:0], TARGET[:0], folds[:0]).tolist() == []


def test_no_trips_own_minutes_reach_its_features() -> None:
    """The leakage test, cell by cell: whatever one trip's minutes are changed to, its own features hardly move."""
    random = np.random.default_rng(1)
    pickup, dropoff = random.integers(1, 5, 500), random.integers(1, 5, 500)
    minutes = random.uniform(2, 40, 500)
    folds = np.arange(500) % 5
    before = ZoneMeans.learn(pickup, dropoff, minutes).without(pickup, dropoff, minutes, folds)
    spoilt = minutes.copy()
    spoilt[17] = 60.0
    after = ZoneMeans.learn(pickup, dropoff, spoilt).without(pickup, dropoff, spoilt, folds)
    shift = np.sqrt(spoilt).mean() - np.sqrt(minutes).mean()
    own_fold = folds == folds[17]
    for name in before:
        moved = np.abs(after[name] - before[name])
        assert moved[own_fold].max() <= shift
        assert moved[~own_fold & (pickup == pickup[17]) & (dropoff == dropoff[17])].min() > shift


def test_noise_says_nothing_of_itself() -> None:
    """Had a pair's mean its own trip inside, it would follow noise; cross fitted, it does not."""
    random = np.random.default_rng(2)
    zones = np.arange(2_000) // 2
    minutes = random.uniform(2, 40, 2_000)
    means = ZoneMeans.learn(zones, zones, minutes)
    honest = means.without(zones, zones, minutes, np.arange(2_000) % 5)["pair_mean"]
    naive = means.of(zones, zones)["pair_mean"]
    assert abs(np.corrcoef(honest, minutes)[0, 1]) < 0.1
    assert np.corrcoef(naive, minutes)[0, 1] > 0.5
