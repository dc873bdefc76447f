"""The matrix that a model is fitted on."""

import numpy as np
import pytest

from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.features import describe, learn_design
from pipelines.duration_prediction.geography import ASSET, PLACES, Geography, learn_geography
from pipelines.duration_prediction.inputs import read_inputs
from tests.support.trips import make_trips


def _map() -> Geography:
    """Zone 1 at the origin, zone 132 (JFK) three miles east and four miles north of it."""
    x, y = np.full(PLACES, np.nan), np.full(PLACES, np.nan)
    x[[1, 132]], y[[1, 132]] = [0, 3], [0, 4]
    return Geography(x, y, ASSET)


def test_the_way_between_two_zones() -> None:
    trips = make_trips(("2021-01-18 18:00", 1, 132, 8.0, 30.0), ("2021-01-19 06:00", 132, 132, 1.0, 9.0))
    found = {name: values.tolist() for name, values in describe(read_inputs(trips.frame), _map()).items()}
    assert found["straight"] == [5, 0]
    assert found["middle_y"] == [2, 4]
    assert found["detour"] == pytest.approx([8 / (5 + 1 / 3), 3])
    assert found["airport"] == [3, 3]
    assert found["holiday"] == [1, 0]
    assert found["hour_of_week"] == [18, 30]


def test_zones_off_the_map_are_nan() -> None:
    found = describe(read_inputs(make_trips(("2021-01-18 18:00", 265, 1, 8.0, 30.0)).frame), _map())
    unknown = {name for name, values in found.items() if np.isnan(values).any()}
    assert unknown == {"pickup_x", "pickup_y", "middle_x", "middle_y", "straight", "detour"}


@pytest.mark.parametrize(("use_distance", "width"), [(True, 15), (False, 13)])
def test_beside_a_true_map_the_zones_means_are_left_out(train: Trips, use_distance: bool, width: int) -> None:
    minutes = train.minutes.to_numpy()
    design, table = learn_design(train.frame, minutes, _map(), use_distance, folds=5)
    assert design.means is None
    assert table.matrix.shape == (len(train), width)
    np.testing.assert_array_equal(design.table(train.frame).matrix, table.matrix)


def test_beside_a_learnt_map_the_zones_means_take_part(train: Trips) -> None:
    minutes = train.minutes.to_numpy()
    design, table = learn_design(train.frame, minutes, learn_geography(train), use_distance=True, folds=5)
    later = design.table(train.frame)
    assert table.matrix.shape == later.matrix.shape == (len(train), 18)
    np.testing.assert_array_equal(later.matrix[:, :15], table.matrix[:, :15])
    assert not np.array_equal(later.matrix[:, 15:], table.matrix[:, 15:])


def test_without_distance_nothing_tells_of_it(train: Trips) -> None:
    design, _ = learn_design(train.frame, train.minutes.to_numpy(), _map(), use_distance=False, folds=5)
    told, spoilt = design.table(train.frame), design.table(train.frame.assign(trip_distance=99.0))
    np.testing.assert_array_equal(spoilt.matrix, told.matrix)
    assert np.isnan(spoilt.inputs.miles).all()
