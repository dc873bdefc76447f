"""Where the taxi zones lie: from the TLC's own shapes, or learnt from how far apart the trips say they are.

The learnt map is weighted metric multidimensional scaling by stress majorisation (de Leeuw, "Convergence of the
majorization method for multidimensional scaling", 1988); it knows distances, not which way is north.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipelines.duration_prediction.config import CENTROIDS_FILE
from pipelines.duration_prediction.data import Trips
from pipelines.errors import ContractError

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]
Zones = np.ndarray[tuple[int], np.dtype[np.int64]]

# Where a map came from.
ASSET, LEARNT = "asset", "learnt"

CENTROID_COLUMNS = ["LocationID", "zone", "borough", "longitude", "latitude"]
MILES_A_DEGREE = 69.0
# Zone ids end at 265; a table by id needs one place more.
PLACES = 266
# Distances between zones that a meter could have measured: nothing in the city is farther apart.
CREDIBLE_MILES = (0.1, 45.0)
# Trips from which on a pair's median distance is believed; below, one meter left on may speak for it alone.
BELIEVED = 5
ROUNDS, PASSES = 60, 7
# How much a pair without trips counts, whose distance is only the shortest way over others, against one trip.
UNSEEN_WEIGHT = 0.05
# A pair that disagrees with the map by this share of its miles, plus this many, counts half in the next pass.
DOUBT_SHARE, DOUBT_MILES = 0.25, 0.5


@dataclass(frozen=True)
class Geography:
    """The zones' places in miles, by zone id (NaN where unknown), and the boroughs of those whose borough is known."""

    x: Floats
    y: Floats
    source: str
    boroughs: Mapping[int, str] = field(default_factory=dict)

    @property
    def known(self) -> int:
        """How many zones have a place."""
        return int(np.isfinite(self.x).sum())


def find_geography(centroids: Path | None, trips: Trips) -> Geography:
    """The map in the file of centroids where there is one, else the one that the training trips draw."""
    return read_geography(centroids) if centroids is not None and centroids.is_file() else learn_geography(trips)


def read_geography(centroids: Path) -> Geography:
    """The map in a file such as `zones.py` makes; raises ContractError if it is none.

    Degrees become miles by the equirectangular projection about the centre, off by less than 0.2 % within the city.
    """
    try:
        table = pd.read_csv(centroids)[CENTROID_COLUMNS].dropna(subset=["longitude", "latitude"])
        zones = table["LocationID"].to_numpy(dtype="int64")
        longitude, latitude = (table[name].to_numpy(dtype="float64") for name in ("longitude", "latitude"))
    except (ValueError, KeyError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ContractError(
            f"{centroids.name} is no table of {', '.join(CENTROID_COLUMNS)} ({reason}): make {CENTROIDS_FILE} anew "
            "with `python -m pipelines.duration_prediction.zones`."
        ) from error
    inside = (zones > 0) & (zones < PLACES)
    narrowing = np.cos(np.radians(latitude.mean()))
    return Geography(
        x=_by_zone(zones[inside], (longitude - longitude.mean())[inside] * MILES_A_DEGREE * narrowing),
        y=_by_zone(zones[inside], (latitude - latitude.mean())[inside] * MILES_A_DEGREE),
        source=ASSET,
        boroughs=dict(zip(zones.tolist(), table["borough"].astype(str).tolist(), strict=True)),
    )


def learn_geography(trips: Trips) -> Geography:
    """The map on which the zones are as far apart as the trips between them were long, at the median.

    The pairs that many trips link draw it first; then all pairs do, and those that disagree with the others lose their
    say, pass by pass (iteratively reweighted, with Cauchy's weights: Holland and Welsch, 1977).
    """
    zones, apart, counts = _measured(trips)
    if len(zones) == 0:
        return Geography(np.full(PLACES, np.nan), np.full(PLACES, np.nan), LEARNT)
    # One thread of BLAS: the same trips then draw the same map on any number of cores.
    with threadpool_limits(1, user_api="blas"):
        places = _draw(apart, counts)
    return Geography(_by_zone(zones, places[:, 0]), _by_zone(zones, places[:, 1]), LEARNT)


def _by_zone(zones: Zones, values: Floats) -> Floats:
    table = np.full(PLACES, np.nan)
    table[zones] = values
    return table


def _measured(trips: Trips) -> tuple[Zones, Matrix, Matrix]:
    """The zones with trips, the median miles between each two of them (either way), and how many trips say so."""
    frame = trips.frame
    pickup, dropoff = frame["PULocationID"].to_numpy(), frame["DOLocationID"].to_numpy()
    miles = frame["trip_distance"].to_numpy()
    low, high = np.minimum(pickup, dropoff), np.maximum(pickup, dropoff)
    told = (low != high) & (low > 0) & (high < PLACES) & (miles > CREDIBLE_MILES[0]) & (miles < CREDIBLE_MILES[1])
    pairs = pd.DataFrame({"low": low[told], "high": high[told], "miles": miles[told]}).groupby(["low", "high"])["miles"]
    table = pairs.agg(["median", "size"]).reset_index()
    zones = np.union1d(table["low"], table["high"]).astype("int64")
    rows, columns = np.searchsorted(zones, table["low"]), np.searchsorted(zones, table["high"])
    apart, counts = (np.zeros((len(zones), len(zones))) for _ in range(2))
    for matrix, values in ((apart, table["median"]), (counts, table["size"])):
        matrix[rows, columns] = matrix[columns, rows] = values
    return zones, apart, counts


def _draw(apart: Matrix, counts: Matrix) -> Matrix:
    """Places in two dimensions for the zones, given the miles between them and how many trips say so."""
    believed, seen = counts >= BELIEVED, counts > 0
    ways = _shortest_ways(np.where(believed, apart, np.inf))
    ways = np.where(np.isfinite(ways), ways, _shortest_ways(np.where(seen, apart, np.inf)))
    ways = np.where(np.isfinite(ways), ways, ways[np.isfinite(ways)].max())
    places = _principal_axes(ways)
    miles, weights = np.where(believed, apart, ways), np.where(believed, np.sqrt(counts), UNSEEN_WEIGHT)
    for _ in range(PASSES):
        places = _majorise(miles, _off_diagonal(weights), places)
        miles, weights = np.where(seen, apart, ways), np.where(seen, np.sqrt(counts), UNSEEN_WEIGHT)
        off = (_distances_on(places) - miles) / (DOUBT_SHARE * miles + DOUBT_MILES)
        weights = weights / (1 + off**2)
    return places


def _shortest_ways(miles: Matrix) -> Matrix:
    """The shortest way between each two zones (Floyd and Warshall); infinite where there is none."""
    whole = miles.copy()
    np.fill_diagonal(whole, 0)
    for via in range(len(whole)):
        np.minimum(whole, whole[:, via, None] + whole[None, via, :], out=whole)
    return whole


def _principal_axes(apart: Matrix) -> Matrix:
    """Places in two dimensions by classical scaling (Torgerson, 1952), from where majorisation begins."""
    centred = np.eye(len(apart)) - 1 / len(apart)
    values, vectors = np.linalg.eigh(-0.5 * centred @ apart**2 @ centred)
    axes: Matrix = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0))
    # An eigenvector's sign is arbitrary: the same trips should draw the same map on every machine.
    return axes * np.where(axes[np.argmax(np.abs(axes), axis=0), [0, 1]] < 0, -1, 1)


def _majorise(apart: Matrix, weights: Matrix, places: Matrix) -> Matrix:
    """Move the places until the weighted squares of (distance on the map - miles) hardly shrink any more."""
    laplacian = np.diag(weights.sum(axis=1)) - weights
    inverse = np.linalg.pinv(laplacian, hermitian=True)
    for _ in range(ROUNDS):
        distances = _distances_on(places)
        pull = np.divide(weights * apart, distances, out=np.zeros_like(apart), where=distances > 0)
        places = inverse @ ((np.diag(pull.sum(axis=1)) - pull) @ places)
    return places


def _distances_on(places: Matrix) -> Matrix:
    apart: Matrix = np.linalg.norm(places[:, None, :] - places[None, :, :], axis=2)
    return apart


def _off_diagonal(weights: Matrix) -> Matrix:
    rest: Matrix = weights * (1 - np.eye(len(weights)))
    return rest
