"""How far a month has moved, and what that leads to."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipelines.duration_prediction.config import DriftLimits
from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.drift import Drift, Level, Profile, measure_drift, profile_trips, stability_index
from pipelines.errors import DriftError

LIMITS = DriftLimits()


def _changed(trips: Trips, **columns: Any) -> Trips:
    return replace(trips, frame=trips.frame.assign(**columns))


def _levels(drift: Drift) -> dict[str, Level]:
    return {column.name: column.level for column in drift.columns if column.level is not Level.NONE}


def test_the_index_by_hand() -> None:
    """(0.2 - 0.5) ln(0.2 / 0.5) + (0.8 - 0.5) ln(0.8 / 0.5)"""
    assert stability_index(np.array([0.5, 0.5]), np.array([0.2, 0.8])) == pytest.approx(0.4158883)
    assert stability_index(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0
    assert np.isfinite(stability_index(np.array([1.0, 0.0]), np.array([0.0, 1.0])))


def test_a_month_has_not_moved_from_itself(train: Trips) -> None:
    drift = measure_drift(profile_trips(train), train, LIMITS)
    assert [column.psi for column in drift.columns] == [0] * 8
    assert (drift.level, drift.flagged, drift.row_ratio) == (Level.NONE, (), 1)
    drift.check()


def test_the_next_month_has_hardly_moved(train: Trips, validate: Trips) -> None:
    assert measure_drift(profile_trips(train), validate, LIMITS).level is not Level.STOP


def test_distances_that_have_almost_doubled_are_flagged(train: Trips) -> None:
    moved = _changed(train, trip_distance=train.frame["trip_distance"] * 1.8)
    drift = measure_drift(profile_trips(train), moved, LIMITS)
    assert _levels(drift) == {"trip_distance": Level.FLAG}
    (sentence,) = drift.flagged
    assert sentence.startswith("trip_distance has shifted: stability index ")
    drift.check()


def test_metres_for_miles_stop_the_run(train: Trips) -> None:
    moved = _changed(train, trip_distance=train.frame["trip_distance"] * 1_609)
    with pytest.raises(DriftError, match=r"differs too much .* trip_distance has shifted: .* Look at its file"):
        measure_drift(profile_trips(train), moved, LIMITS).check()


def test_other_zones_stop_the_run(train: Trips) -> None:
    drift = measure_drift(profile_trips(train), _changed(train, PULocationID=3), LIMITS)
    assert _levels(drift) == {"PULocationID": Level.STOP}


def test_values_that_went_missing_are_told_apart_from_values_that_moved(train: Trips) -> None:
    whole = _changed(train, passenger_count=1.0)
    half = _changed(train, passenger_count=np.where(np.arange(len(train)) % 4 == 0, np.nan, 1.0))
    drift = measure_drift(profile_trips(whole), half, LIMITS)
    (column,) = (each for each in drift.columns if each.name == "passenger_count")
    assert (column.psi, column.reference_missing, column.level) == (0, 0, Level.FLAG)
    assert column.missing == pytest.approx(0.25, abs=0.001)
    none = measure_drift(profile_trips(whole), _changed(train, passenger_count=np.nan), LIMITS)
    assert none.level is Level.STOP


def test_a_column_that_was_never_there_is_no_reference(train: Trips) -> None:
    empty = profile_trips(_changed(train, VendorID=np.nan, trip_distance=np.nan))
    levels = _levels(measure_drift(empty, train, LIMITS))
    assert levels["VendorID"] is levels["trip_distance"] is Level.STOP


@pytest.mark.parametrize(("times", "level"), [(1, Level.NONE), (2, Level.FLAG), (6, Level.STOP)])
def test_rows_are_counted_both_ways(train: Trips, times: int, level: Level) -> None:
    (count,) = train.counts
    more = replace(train, counts=(replace(count, rows=count.rows * times),))
    assert measure_drift(profile_trips(train), more, LIMITS).row_level is level
    fewer = measure_drift(profile_trips(more), train, LIMITS)
    assert fewer.row_level is level
    assert fewer.row_ratio == pytest.approx(1 / times)


def test_the_rows_of_a_month_are_compared_with_those_of_a_month(train: Trips) -> None:
    two = replace(train, counts=train.counts * 2)
    assert measure_drift(profile_trips(two), train, LIMITS).row_level is Level.NONE


def test_limits_can_be_raised(train: Trips) -> None:
    moved = _changed(train, trip_distance=train.frame["trip_distance"] * 1_609)
    generous = DriftLimits(flag_psi=50, stop_psi=100)
    assert measure_drift(profile_trips(train), moved, generous).level is Level.NONE


def test_a_profile_survives_being_written_down(train: Trips) -> None:
    profile = profile_trips(train)
    assert Profile.from_json(profile.to_json()) == profile
    assert len(profile.to_json()) < 10_000
