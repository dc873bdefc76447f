"""Maps of the zones: read, and learnt from how long the trips were."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.duration_prediction.data import load_month
from pipelines.duration_prediction.geography import (
    ASSET,
    LEARNT,
    Geography,
    find_geography,
    learn_geography,
    read_geography,
)
from pipelines.errors import ContractError
from pipelines.tlc import Month
from tests.support.trips import NOON, make_trips

HEADER = "LocationID,zone,borough,longitude,latitude\n"
TWO_ZONES = HEADER + "1,Newark Airport,EWR,-74.174,40.69\n4,Alphabet City,Manhattan,-73.977,40.724\n265,Outside,N/A,,\n"


def _apart(geography: Geography, one: int, other: int) -> float:
    return float(np.hypot(geography.x[one] - geography.x[other], geography.y[one] - geography.y[other]))


@pytest.fixture
def centroids(tmp_path: Path) -> Path:
    path = tmp_path / "taxi_zone_centroids.csv"
    path.write_text(TWO_ZONES)
    return path


def test_a_table_of_centroids_becomes_a_map_in_miles(centroids: Path) -> None:
    found = read_geography(centroids)
    assert (found.known, found.source, found.boroughs) == (2, ASSET, {1: "EWR", 4: "Manhattan"})
    # 10.6 miles by the haversine formula on a sphere of 3,958.8 miles.
    assert _apart(found, 1, 4) == pytest.approx(10.6, abs=0.05)
    assert found.x[4] > found.x[1]
    assert found.y[4] > found.y[1]


@pytest.mark.parametrize("text", ["", "nonsense", HEADER + "one,a,b,c,d\n", "LocationID,zone\n1,Newark\n"])
def test_another_table_is_refused_in_a_sentence(centroids: Path, text: str) -> None:
    centroids.write_text(text)
    with pytest.raises(ContractError, match=r"taxi_zone_centroids.csv is no table of LocationID, .* make .* anew"):
        read_geography(centroids)


def test_bytes_that_are_no_text_are_refused(centroids: Path) -> None:
    centroids.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ContractError, match="is no table"):
        read_geography(centroids)


def test_the_asset_goes_before_what_trips_tell(centroids: Path) -> None:
    trips = make_trips((NOON, 1, 2, 3.0, 10.0))
    assert find_geography(centroids, trips).source == ASSET
    assert find_geography(centroids.with_name("absent.csv"), trips).source == LEARNT
    assert find_geography(None, trips).source == LEARNT


def test_a_meter_left_on_does_not_bend_the_map() -> None:
    """One trip of a tenth of a mile between opposite corners, where five on each other pair say otherwise."""
    places, trips = _trips_on_a_grid(1.0)
    wrong = (NOON, 1, 25, 0.15, 10.0)
    honest = [trip for trip in trips if {trip[1], trip[2]} != {1, 25}]
    found = learn_geography(make_trips(*honest * 3, wrong))
    assert _apart(found, 1, 25) == pytest.approx(float(np.linalg.norm(places[0] - places[24])), abs=0.2)


def _trips_on_a_grid(share: float) -> tuple[np.ndarray, list[tuple[str, int, int, float, float]]]:
    """Zones on a grid of 5 by 5, a mile apart, and trips between a share of the pairs that say how far it is."""
    random = np.random.default_rng(5)
    places = np.array([(x, y) for x in range(5) for y in range(5)], dtype="float64")
    pairs = [(a, b) for a in range(25) for b in range(25) if a != b and random.random() < share]
    trips = [(NOON, a + 1, b + 1, float(np.linalg.norm(places[a] - places[b])), 10.0) for a, b in pairs]
    return places, trips


@pytest.mark.parametrize(("share", "off"), [(1.0, 0.01), (0.3, 0.25)])
def test_trips_draw_the_map_that_their_distances_came_from(share: float, off: float) -> None:
    places, trips = _trips_on_a_grid(share)
    found = learn_geography(make_trips(*trips))
    wanted = np.linalg.norm(places[:, None] - places[None], axis=2)
    drawn = np.array([[_apart(found, a + 1, b + 1) for b in range(25)] for a in range(25)])
    assert np.abs(drawn - wanted).max() < off


def test_the_same_trips_draw_the_same_map() -> None:
    _, trips = _trips_on_a_grid(0.5)
    one, other = (learn_geography(make_trips(*trips)) for _ in range(2))
    assert one.x.tobytes() == other.x.tobytes()
    assert one.y.tobytes() == other.y.tobytes()


def test_trips_that_tell_nothing_draw_nothing() -> None:
    still = make_trips((NOON, 1, 1, 2.0, 10.0), (NOON, 1, 2, 0.0, 10.0), (NOON, 3, 4, 9_000.0, 10.0))
    assert learn_geography(still).known == 0


def test_zones_that_no_trip_links_are_put_far_apart() -> None:
    islands = make_trips((NOON, 1, 2, 1.0, 10.0), (NOON, 3, 4, 2.0, 10.0))
    found = learn_geography(islands)
    assert found.known == 4
    assert np.isfinite(found.x[1:5]).all()


def test_real_trips_draw_new_york(tlc_folder: Path) -> None:
    """Between zones with trips of their own, distances on the learnt map follow those between the true centres."""
    january = load_month(tlc_folder / "green_tripdata_2021-01.parquet", Month(2021, 1))
    true = find_geography(tlc_folder / "taxi_zone_centroids.csv", january)
    assert true.source == ASSET
    learnt = learn_geography(january)
    pickup, dropoff = (january.frame[name].to_numpy() for name in ("PULocationID", "DOLocationID"))
    lengths = [np.hypot(each.x[pickup] - each.x[dropoff], each.y[pickup] - each.y[dropoff]) for each in (true, learnt)]
    both = np.isfinite(lengths[0]) & np.isfinite(lengths[1])
    assert both.mean() > 0.98
    assert np.corrcoef(lengths[0][both], lengths[1][both])[0, 1] > 0.95


def test_a_map_is_a_value() -> None:
    found = learn_geography(make_trips((NOON, 1, 2, 1.0, 10.0)))
    assert replace(found, source=ASSET).source == ASSET
