"""Which settings to train with, found out on the last days of the training months by successive halving.

All candidates are fitted to few trips with few trees, the best to many (the idea of Jamieson and Talwalkar,
"Non-stochastic best arm identification and hyperparameter optimization", 2016); both rounds judge on the same later
days. The fits of a round do not depend on each other, so that the caller may spread them over threads or machines.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, TypeVar

from pipelines.duration_prediction.boosting import Candidate, Job, Settings, Trial, fit_candidate
from pipelines.duration_prediction.config import TrainingConfig
from pipelines.duration_prediction.features import Table
from pipelines.duration_prediction.metrics import Minutes
from pipelines.duration_prediction.scales import SCALES, on_scale
from pipelines.duration_prediction.start import guess_all, learn_starts

Given = TypeVar("Given")
Made = TypeVar("Made")
Spreader = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]
"""How independent calls of a function are performed: gives its answers, in the order of what it was given."""


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
