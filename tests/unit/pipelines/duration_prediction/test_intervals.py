"""Intervals that hold what they promise."""

import numpy as np
import pytest

from pipelines.duration_prediction.intervals import learn_spread, measure_coverage

RANDOM = np.random.default_rng(7)


def _trips(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Actual and predicted minutes; the longer the trip, the farther off."""
    predicted = RANDOM.uniform(2, 50, count)
    return predicted + RANDOM.normal(scale=0.2 * predicted), predicted


@pytest.mark.parametrize("promised", [0.5, 0.8, 0.95])
def test_new_trips_lie_inside_as_often_as_promised(promised: float) -> None:
    spread = learn_spread(*_trips(20_000), promised)
    actual, predicted = _trips(20_000)
    coverage = measure_coverage(actual, *spread.around(predicted), promised)
    assert coverage.promised == promised
    assert coverage.measured == pytest.approx(promised, abs=0.015)


def test_long_trips_get_wider_intervals() -> None:
    low, high = learn_spread(*_trips(5_000), 0.9).around(np.array([5.0, 45.0]))
    assert (high - low)[1] > 3 * (high - low)[0]


def test_a_handful_of_trips_gives_the_widest_interval_seen() -> None:
    spread = learn_spread(np.array([8.0, 14.0]), np.array([10.0, 10.0]), 0.9)
    low, high = spread.around(np.array([10.0]))
    assert (low.tolist(), high.tolist()) == ([8], [14])


def test_coverage_by_hand() -> None:
    coverage = measure_coverage(np.array([1.0, 5.0, 9.0]), np.array([1.0, 6.0, 0.0]), np.array([2.0, 8.0, 9.0]), 0.9)
    assert coverage.measured == pytest.approx(2 / 3)
    assert coverage.mean_width == 4
