"""One gradient boosting: what it is made with, its fit, and the judgement on it.

A process that fits for another one loads this module and what it imports, so that it imports little: pandas alone would
take longer to load than some fits.
"""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipelines.duration_prediction.metrics import Minutes
from pipelines.duration_prediction.scales import ROOT, to_minutes, within_limits

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]

# Thresholds a feature at most. Half of what scikit-learn takes saves an eighth of the time of a fit, and costs 0.1 % of
# the error (measured on the pairs that begin in 2020-12, 2022-02 and 2023-01).
BINS = 128


@dataclass(frozen=True)
class Settings:
    """What a gradient boosting is made with."""

    scale: str
    leaves: int
    trees: int
    learning_rate: float
    min_leaf: int
    l2: float
    feature_share: float
    seed: int

    @property
    def name(self) -> str:
        """What people call it."""
        return f"Gradient boosting of {'root minutes' if self.scale == ROOT else 'minutes'}, {self.leaves} leaves"


@dataclass(frozen=True)
class Job:
    """One fit: settings, and the trips to learn from with what is left of the start, on the settings' scale."""

    settings: Settings
    matrix: Matrix
    target: Minutes


@dataclass(frozen=True)
class Trial:
    """A fit that is judged on later trips, given those trips' starts on the settings' scale and their minutes."""

    job: Job
    later: Matrix
    start: Minutes
    minutes: Minutes


@dataclass(frozen=True)
class Candidate:
    """A trial's outcome with the number of trees that served best: what it predicted for the later trips in minutes.

    `spread` is the standard deviation of the errors, by which candidates are compared: a change of season moves the
    mean of all of them alike, and no setting can do anything about it.
    """

    settings: Settings
    trips: int
    predicted: Minutes
    rmse: float
    spread: float
    chosen: bool = False


def fit_candidate(trial: Trial) -> Candidate:
    """Fit a candidate and judge it after each tree of its second half.

    Not before, because the last days of a month may be unlike it (a Christmas week), and then hardly any tree helps.
    """
    settings = trial.job.settings
    boosting = fit_boosting(trial.job)
    with threadpool_limits(1, user_api="openmp"):
        stages = list(boosting.staged_predict(trial.later))
    predicted = [within_limits(to_minutes(trial.start + values, settings.scale)) for values in stages]
    spreads = [float((each - trial.minutes).std()) for each in predicted]
    half = len(spreads) // 2
    best = half + int(np.argmin(spreads[half:]))
    return Candidate(
        settings=replace(settings, trees=best + 1),
        trips=len(trial.job.target),
        predicted=predicted[best],
        rmse=float(np.sqrt(np.mean((predicted[best] - trial.minutes) ** 2))),
        spread=spreads[best],
    )


def fit_boosting(job: Job) -> HistGradientBoostingRegressor:
    """Fit a gradient boosting; the same trips and settings give the same one, whatever runs beside it.

    One thread each: the fits of a round run side by side already, and threads that wait for each other on a busy
    machine take up to eight times as long.
    """
    settings = job.settings
    boosting = HistGradientBoostingRegressor(
        learning_rate=settings.learning_rate,
        max_iter=settings.trees,
        max_leaf_nodes=settings.leaves,
        min_samples_leaf=settings.min_leaf,
        l2_regularization=settings.l2,
        max_features=settings.feature_share,
        max_bins=BINS,
        early_stopping=False,
        random_state=settings.seed,
    )
    with threadpool_limits(1, user_api="openmp"):
        return boosting.fit(job.matrix, job.target)
