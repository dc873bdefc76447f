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
from pipelines.duration_prediction.features import Matrix, Table
from pipelines.duration_prediction.metrics import Minutes
from pipelines.duration_prediction.model import MINUTES, ROOT, on_scale, to_minutes, within_limits
from pipelines.duration_prediction.start import guess_all, learn_starts

Given = TypeVar("Given")
Made = TypeVar("Made")
Spreader = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]
"""How independent calls of a function are performed: gives its answers, in the order of what it was given."""

SCALES = (MINUTES, ROOT)
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


def one_by_one(call: Callable[[Given], Made], given: Sequence[Given]) -> list[Made]:
    """The plainest way to perform independent calls."""
    return [call(each) for each in given]


def list_candidates(config: TrainingConfig) -> list[Settings]:
    """Every combination of a scale and a number of leaves that the configuration allows."""
    return [
        Settings(
            scale=scale,
            leaves=leaves,
            trees=config.max_iter,
            learning_rate=config.learning_rate,
            min_leaf=config.min_samples_leaf,
            l2=config.l2_regularization,
            feature_share=config.feature_share,
            seed=config.seed + number,
        )
        for number, (scale, leaves) in enumerate(product(SCALES, config.leaves))
    ]


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


def tune(table: Table, minutes: Minutes, config: TrainingConfig, spread: Spreader) -> tuple[list[Candidate], int]:
    """Every candidate with its latest outcome, the winner of each scale first, and where the judging trips begin.

    The trips are in the order of time: the last ones judge, and those nearest before them teach.
    """
    until = len(minutes) - min(config.tail_trips, max(1, round(len(minutes) * config.tail_share)))
    left, out = list_candidates(config), list[Candidate]()
    residues = _residues(table, minutes, until)
    for trips, trees in ((config.screening_trips, config.screening_trees), (config.tuning_trips, config.max_iter)):
        taught = slice(max(0, until - trips), until)
        trials = []
        for settings in left:
            guess, residue = residues[settings.scale]
            job = Job(replace(settings, trees=trees), table.matrix[taught], residue[taught])
            trials.append(Trial(job, table.matrix[until:], guess[until:], minutes[until:]))
        judged = sorted(spread(fit_candidate, trials), key=lambda each: each.spread)
        best = [next(each for each in judged if each.settings.scale == scale) for scale in SCALES]
        out = [each for each in judged if all(each is not one for one in best)] + out
        left = [each.settings for each in best]
    return [*(replace(each, chosen=True) for each in best), *out], until


def _residues(table: Table, minutes: Minutes, until: int) -> dict[str, tuple[Minutes, Minutes]]:
    """For each scale the start's guesses, learnt from the trips before `until`, and what is left of them."""
    targets = [on_scale(minutes, scale) for scale in SCALES]
    taught = table.inputs.part(0, until)
    starts = learn_starts(taught, table.straight[:until], [target[:until] for target in targets])
    guesses = guess_all(starts, table.inputs, table.straight)
    return {scale: (guess, target - guess) for scale, guess, target in zip(SCALES, guesses, targets, strict=True)}
