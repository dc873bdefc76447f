"""How sure one may be of a difference."""

import numpy as np
import pytest

from pipelines.duration_prediction.bootstrap import rmse_difference

RANDOM = np.random.default_rng(3)
ACTUAL = RANDOM.uniform(2, 40, 5_000)
GOOD, WORSE = (ACTUAL + RANDOM.normal(scale=scale, size=5_000) for scale in (4.0, 4.6))


def test_a_clear_difference_is_told_from_chance() -> None:
    found = rmse_difference(ACTUAL, GOOD, WORSE)
    rmse = [float(np.sqrt(np.mean((each - ACTUAL) ** 2))) for each in (GOOD, WORSE)]
    assert found.estimate == pytest.approx(rmse[0] - rmse[1])
    assert found.low < found.estimate < found.high < 0
    assert found.confidence == 0.95


def test_the_other_way_round_is_the_mirror_image() -> None:
    one, other = rmse_difference(ACTUAL, GOOD, WORSE), rmse_difference(ACTUAL, WORSE, GOOD)
    assert (other.low, other.estimate, other.high) == pytest.approx((-one.high, -one.estimate, -one.low))


def test_equal_models_differ_by_nothing() -> None:
    found = rmse_difference(ACTUAL, GOOD, GOOD)
    assert (found.low, found.estimate, found.high) == (0, 0, 0)


def test_the_same_seed_gives_the_same_interval() -> None:
    assert rmse_difference(ACTUAL, GOOD, WORSE, seed=5) == rmse_difference(ACTUAL, GOOD, WORSE, seed=5)
    assert rmse_difference(ACTUAL, GOOD, WORSE, seed=5) != rmse_difference(ACTUAL, GOOD, WORSE, seed=6)


def test_more_confidence_is_a_wider_interval() -> None:
    wide, narrow = (rmse_difference(ACTUAL, GOOD, WORSE, confidence) for confidence in (0.99, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_its_width_is_that_of_repeated_samples() -> None:
    """The oracle: the difference on 200 fresh samples spreads as the interval of one of them says."""
    noise = np.random.default_rng(11).normal(size=(200, 2, 5_000)) * np.array([4.0, 4.6])[None, :, None]
    rmse = np.sqrt((noise**2).mean(axis=2))
    low, high = np.quantile(rmse[:, 0] - rmse[:, 1], [0.025, 0.975])
    found = rmse_difference(ACTUAL, GOOD, WORSE)
    assert found.high - found.low == pytest.approx(high - low, rel=0.3)
