"""From training trips to a fitted model: tune, fit the winners to all trips, and measure how far they may be off."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipelines.duration_prediction.boosting import Candidate, Job, Settings, fit_boosting
from pipelines.duration_prediction.config import TrainingConfig
from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.features import Table, learn_design
from pipelines.duration_prediction.geography import Geography
from pipelines.duration_prediction.intervals import learn_spread
from pipelines.duration_prediction.metrics import Minutes
from pipelines.duration_prediction.model import DurationModel, Member
from pipelines.duration_prediction.scales import on_scale, within_limits
from pipelines.duration_prediction.start import guess_all, learn_starts
from pipelines.duration_prediction.tuning import Spreader, one_by_one, tune
from pipelines.errors import NoValidTripsError

FEWEST_TRIPS = 50


@dataclass(frozen=True)
class CandidateScore:
    """A candidate in the table: its name, its RMSE in minutes on the later trips, on how many it learnt, its trees."""

    name: str
    rmse: float
    trips: int
    trees: int
    chosen: bool


@dataclass(frozen=True)
class Training:
    """A fitted model, the candidates from which it was chosen (the blend first), and how long that took."""

    model: DurationModel
    candidates: tuple[CandidateScore, ...]
    seconds: float


def train_model(train: Trips, geography: Geography, config: TrainingConfig, spread: Spreader = one_by_one) -> Training:
    """Learn from trips in the order of time; `spread` performs the fits that do not depend on each other.

    The same trips and settings give the same model, however the fits are spread. Raises NoValidTripsError for fewer
    trips than can be learnt from.
    """
    began = time.perf_counter()
    if len(train) < FEWEST_TRIPS:
        raise NoValidTripsError(
            f"{len(train)} valid trips are too few to learn from ({FEWEST_TRIPS} at least): add a training month."
        )
    trips = thin_out(train, config.most_trips)
    minutes = trips.minutes.to_numpy(dtype="float64")
    design, table = learn_design(trips.frame, minutes, geography, config.use_distance, config.folds)
    candidates, until = tune(table, minutes, config, spread)
    chosen = [candidate for candidate in candidates if candidate.chosen]
    members = _fit_members([candidate.settings for candidate in chosen], table, minutes, spread)
    blended = within_limits(np.mean([candidate.predicted for candidate in chosen], axis=0))
    interval = learn_spread(minutes[until:], blended, config.coverage)
    model = DurationModel(design, members, interval, config.coverage)
    return Training(model, _table(candidates, blended, minutes[until:]), time.perf_counter() - began)


def thin_out(trips: Trips, most: int) -> Trips:
    """At most so many of the trips, spread evenly over their time: months of yellow taxis hold millions."""
    if len(trips) <= most:
        return trips
    chosen = np.linspace(0, len(trips) - 1, most).round().astype("int64")
    return replace(trips, frame=trips.frame.iloc[chosen].reset_index(drop=True))


def _fit_members(chosen: Sequence[Settings], table: Table, minutes: Minutes, spread: Spreader) -> list[Member]:
    """One member for each of the settings, fitted to all trips."""
    targets = [on_scale(minutes, settings.scale) for settings in chosen]
    starts = learn_starts(table.inputs, table.straight, targets)
    guesses = guess_all(starts, table.inputs, table.straight)
    jobs = [
        Job(settings, table.matrix, target - guess)
        for settings, target, guess in zip(chosen, targets, guesses, strict=True)
    ]
    fitted = zip(spread(fit_boosting, jobs), starts, chosen, strict=True)
    return [Member(boosting, start, settings.scale) for boosting, start, settings in fitted]


def _table(candidates: Sequence[Candidate], blended: Minutes, later: Minutes) -> tuple[CandidateScore, ...]:
    chosen = [each for each in candidates if each.chosen]
    error = float(np.sqrt(np.mean((blended - later) ** 2)))
    trees = sum(each.settings.trees for each in chosen)
    mean = CandidateScore("Mean of the best of each scale", error, chosen[0].trips, trees, True)
    rows = (CandidateScore(c.settings.name, c.rmse, c.trips, c.settings.trees, c.chosen) for c in candidates)
    return (mean, *rows)
