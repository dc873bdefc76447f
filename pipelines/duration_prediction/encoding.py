"""What the training trips say of a pair of zones, a zone or an hour, as numbers that a tree can split on."""

from dataclasses import dataclass
from typing import Self

import numpy as np

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Keys = np.ndarray[tuple[int], np.dtype[np.int64]]

# Zone ids end at 265, so that this factor gives every pair of zones a number of its own.
PAIR_FACTOR = 1_000
# As many trips of a key as it takes to believe them half.
SMOOTHING = 10.0


@dataclass(frozen=True)
class KeyMeans:
    """The mean of a target for each key, drawn towards a prior: the fewer trips, the closer (Micci-Barreca, 2001)."""

    keys: Keys
    sums: Floats
    counts: Floats
    smoothing: float

    @classmethod
    def learn(cls, keys: Keys, target: Floats, smoothing: float) -> Self:
        """The sums and counts of the keys that occur; `target` should be a deviation, so that 0 is no knowledge."""
        known, places = np.unique(keys, return_inverse=True)
        sums = np.bincount(places, weights=target, minlength=len(known)).astype("float64")
        return cls(known, sums, np.bincount(places, minlength=len(known)).astype("float64"), smoothing)

    def of(self, keys: Keys) -> Floats:
        """The smoothed mean for each key; 0 for one that never occurred."""
        sums, counts = self._found(keys)
        return sums / (counts + self.smoothing)

    def without(self, keys: Keys, target: Floats, folds: Keys) -> Floats:
        """The means of the very trips they were learnt from, each without the trips of its own fold.

        So no trip's own target reaches its features.
        """
        sums, counts = self._found(keys)
        n_folds = int(folds.max()) + 1 if len(folds) else 1
        cells, places = np.unique(keys * n_folds + folds, return_inverse=True)
        own_sums = np.bincount(places, weights=target, minlength=len(cells))[places]
        own_counts = np.bincount(places, minlength=len(cells))[places]
        return (sums - own_sums) / (counts - own_counts + self.smoothing)

    def _found(self, keys: Keys) -> tuple[Floats, Floats]:
        if len(self.keys) == 0:
            return np.zeros(len(keys)), np.zeros(len(keys))
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        known = self.keys[places] == keys
        return np.where(known, self.sums[places], 0.0), np.where(known, self.counts[places], 0.0)


@dataclass(frozen=True)
class ZoneMeans:
    """How much longer or shorter than usual the trips of a pair of zones, from a zone and to a zone took.

    Each is a smoothed mean of (root of the minutes - its mean over all trips), so that 0 says "as usual" or "unknown".
    """

    pair: KeyMeans
    pickup: KeyMeans
    dropoff: KeyMeans

    @classmethod
    def learn(cls, pickup: Keys, dropoff: Keys, minutes: Floats) -> Self:
        """The means of some trips, given the zones by their ids."""
        target = deviation(minutes)
        keys = zone_keys(pickup, dropoff)
        return cls(**{name: KeyMeans.learn(keys[name], target, SMOOTHING) for name in keys})

    def of(self, pickup: Keys, dropoff: Keys) -> dict[str, Floats]:
        """The features of trips that were not learnt from, by name."""
        return {f"{name}_mean": getattr(self, name).of(keys) for name, keys in zone_keys(pickup, dropoff).items()}

    def without(self, pickup: Keys, dropoff: Keys, minutes: Floats, folds: Keys) -> dict[str, Floats]:
        """The features of the very trips that were learnt from, each as if its fold had not been among them."""
        target = deviation(minutes)
        return {
            f"{name}_mean": getattr(self, name).without(keys, target, folds)
            for name, keys in zone_keys(pickup, dropoff).items()
        }


def deviation(minutes: Floats) -> Floats:
    """The target of the means: roots are less at the mercy of a few long trips."""
    roots: Floats = np.sqrt(minutes)
    return roots - float(roots.mean())


def zone_keys(pickup: Keys, dropoff: Keys) -> dict[str, Keys]:
    """What trips are grouped by."""
    return {"pair": pickup * PAIR_FACTOR + dropoff, "pickup": pickup, "dropoff": dropoff}
