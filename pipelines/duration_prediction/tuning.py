"""Which settings to train with, found out on the last days of the training months by successive halving.

All candidates are fitted to few trips with few trees, the best to many (the idea of Jamieson and Talwalkar,
"Non-stochastic best arm identification and hyperparameter optimization", 2016); both rounds judge on the same later
days. The fits of a round do not depend on each other, so that the caller may spread them over threads or machines.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeVar

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipelines.duration_prediction.config import TrainingConfig
from pipelines.duration_prediction.features import Matrix
from pipelines.duration_prediction.metrics import Minutes
from pipelines.duration_prediction.model import MINUTES, ROOT, Member, on_scale, to_minutes

Given = TypeVar("Given")
Made = TypeVar("Made")
Spreader = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]
"""How independent calls of a function are performed: gives its answers, in the order of what it was given."""

SCALES = (MINUTES, ROOT)


@dataclass(frozen=True)
class Settings:
    """What a gradient boosting is made with; `columns` is how many of the matrix's first columns it looks at."""

    scale: str
    columns: int
    leaves: int
    trees: int
    learning_rate: float
    min_leaf: int
    l2: float
    feature_share: float
    seed: int

    @property
    def name(self) -> str:
        scale = "of root minutes" if self.scale == ROOT else "of minutes"
        return f"Gradient boosting {scale}, {self.leaves} leaves, {self.columns} features"


@dataclass(frozen=True)
class Job:
    """One fit: settings, and the trips to learn from."""

    settings: Settings
    matrix: Matrix
    minutes: Minutes


@dataclass(frozen=True)
class Trial:
    """A fit that is judged: how well the settings do on later trips, and with how many trees they do best."""

    job: Job
    later: Matrix
    later_minutes: Minutes


@dataclass(frozen=True)
class Candidate:
    """A trial's outcome: RMSE in minutes on the later trips with the best number of trees, and what it predicted."""

    settings: Settings
    trips: int
    rmse: float
    predicted: Minutes
    chosen: bool = False


def one_by_one(call: Callable[[Given], Made], given: Sequence[Given]) -> list[Made]:
    """The plainest way to perform independent calls."""
    return [call(each) for each in given]


def list_candidates(config: TrainingConfig, columns: Sequence[int]) -> list[Settings]:
    """Every combination that the configuration allows: scales, numbers of leaves, with the zones' means or without."""
    return [
        Settings(
            scale=scale,
            columns=width,
            leaves=leaves,
            trees=config.max_iter,
            learning_rate=config.learning_rate,
            min_leaf=config.min_samples_leaf,
            l2=config.l2_regularization,
            feature_share=config.feature_share,
            seed=config.seed + number,
        )
        for number, (scale, leaves, width) in enumerate(product(SCALES, config.leaves, columns))
    ]


def fit_candidate(trial: Trial) -> Candidate:
    """Fit a candidate and judge it after each of its trees."""
    settings = trial.job.settings
    member = fit_member(trial.job)
    stages = member.boosting.staged_predict(trial.later[:, : settings.columns])
    best, trees, predicted = np.inf, 0, np.empty(0)
    with threadpool_limits(1, user_api="openmp"):
        for number, values in enumerate(stages, 1):
            minutes = to_minutes(values, settings.scale)
            error = float(np.mean((minutes - trial.later_minutes) ** 2))
            if error < best:
                best, trees, predicted = error, number, minutes
    return Candidate(replace(settings, trees=trees), len(trial.job.minutes), float(np.sqrt(best)), predicted)


def fit_member(job: Job) -> Member:
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
        early_stopping=False,
        random_state=settings.seed,
    )
    with threadpool_limits(1, user_api="openmp"):
        boosting.fit(job.matrix[:, : settings.columns], on_scale(job.minutes, settings.scale))
    return Member(boosting, settings.scale, settings.columns)


def tune(
    candidates: Sequence[Settings], matrix: Matrix, minutes: Minutes, config: TrainingConfig, spread: Spreader
) -> tuple[list[Candidate], int]:
    """Every candidate with its latest outcome, the winner of each scale first, and where the judging trips begin.

    The trips are in the order of time: the last ones judge, and those nearest before them teach.
    """
    until = len(minutes) - max(1, round(len(minutes) * config.tail_share))
    later, later_minutes = matrix[until:], minutes[until:]
    left, out = list(candidates), list[Candidate]()
    for trips, trees in ((config.screening_trips, config.screening_trees), (config.tuning_trips, config.max_iter)):
        start = max(0, until - trips)
        jobs = [Job(replace(each, trees=trees), matrix[start:until], minutes[start:until]) for each in left]
        judged = sorted(spread(fit_candidate, [Trial(job, later, later_minutes) for job in jobs]), key=_by_rmse)
        best = [next(each for each in judged if each.settings.scale == scale) for scale in SCALES]
        out = [each for each in judged if all(each is not one for one in best)] + out
        left = [each.settings for each in best]
    return [*(replace(each, chosen=True) for each in best), *out], until


def _by_rmse(candidate: Candidate) -> float:
    return candidate.rmse
