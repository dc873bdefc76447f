"""The smooth guess that the trees start from."""

import numpy as np
import pytest

from pipelines.duration_prediction import start as start_module
from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.inputs import TripInputs, read_inputs
from pipelines.duration_prediction.start import basis, guess_all, learn_starts
from tests.support.trips import make_trips

SIX_IN_THE_MORNING, MIDNIGHT = "2021-01-15 06:00", "2021-01-16 00:00"


@pytest.fixture
def inputs(train: Trips) -> TripInputs:
    return read_inputs(train.frame)


def test_it_learns_a_pace_for_each_hour() -> None:
    """Trips at 5 minutes a root mile in the morning and 3 at night are guessed as such."""
    miles = np.linspace(0.5, 15, 200)
    rows = [(SIX_IN_THE_MORNING, 1, 2, each, 5 * each**0.5) for each in miles]
    trips = make_trips(*rows, *[(MIDNIGHT, 1, 2, each, 3 * each**0.5) for each in miles])
    inputs, line = read_inputs(trips.frame), np.tile(miles / 1.3, 2)
    (start,) = learn_starts(inputs, line, [trips.minutes.to_numpy()])
    assert np.abs(start.of(basis(inputs, line)) - trips.minutes.to_numpy()).max() < 0.5


def test_batches_give_what_one_gives(inputs: TripInputs, train: Trips, monkeypatch: pytest.MonkeyPatch) -> None:
    line = np.full(len(train), 2.0)
    targets = [train.minutes.to_numpy(), np.sqrt(train.minutes.to_numpy())]
    whole = guess_all(learn_starts(inputs, line, targets), inputs, line)
    monkeypatch.setattr(start_module, "BATCH", 500)
    parts = guess_all(learn_starts(inputs, line, targets), inputs, line)
    np.testing.assert_allclose(parts, whole, rtol=1e-6)


def test_an_unknown_distance_is_guessed_from_the_line_and_the_line_from_the_distance() -> None:
    inputs = read_inputs(make_trips((MIDNIGHT, 1, 2, 0.0, 9.0), (MIDNIGHT, 1, 2, 2.6, 9.0)).frame)
    known = basis(inputs, np.array([2.0, np.nan]))
    np.testing.assert_allclose(known[0], known[1])
    assert np.isfinite(basis(inputs, np.array([np.nan, np.nan]))).all()


def test_an_unknown_time_has_a_guess() -> None:
    rows = make_trips((MIDNIGHT, 1, 2, 2.0, 9.0)).frame.assign(lpep_pickup_datetime=np.datetime64("NaT"))
    assert np.isfinite(basis(read_inputs(rows), np.array([1.0]))).all()
