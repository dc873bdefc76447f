"""Where a new model stands beside the champion, and what becomes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipelines.duration_prediction.bootstrap import Interval
from pipelines.duration_prediction.metrics import Metrics
from pipelines.duration_prediction.promotion import decide_promotion
from pipelines.tlc import Month


class Fate(StrEnum):
    """What becomes of a model, in words."""

    PROMOTED = "promoted to champion"
    STAYS = "still the champion"
    KEPT = "kept as challenger"


@dataclass(frozen=True)
class Rival:
    """The champion on the judged month: its errors, and the interval of the new model's RMSE minus its own, in minutes.

    `train_months` are those that it learnt from, oldest first.
    """

    version: str
    train_months: tuple[Month, ...]
    metrics: Metrics
    difference: Interval


@dataclass(frozen=True)
class Outcome:
    """What became of a model: its address, whether an earlier run had made it, its fate, and why, in a sentence."""

    model_uri: str
    reused: bool
    fate: Fate
    reason: str


def decide_fate(challenger: Metrics, rival: Rival | None, judged: Month, margin: float) -> tuple[Fate, str]:
    """Whether a model that is not the champion becomes it, with the reason.

    A champion that has learnt from the judged month, or from later ones, is not challenged: it knows the trips that it
    would be judged on, and a model of an older month, as a backfill makes them, must not take the place of a newer one.
    """
    if rival is not None and max(rival.train_months, default=judged.previous()) >= judged:
        learnt = ", ".join(map(str, rival.train_months))
        return Fate.KEPT, (
            f"Kept as challenger: the champion (version {rival.version}) has learnt from {learnt}, so {judged} cannot "
            "decide between the two."
        )
    decision = (
        decide_promotion(challenger.rmse, None, None, margin)
        if rival is None
        else decide_promotion(challenger.rmse, rival.metrics.rmse, rival.difference, margin)
    )
    return (Fate.PROMOTED if decision.promote else Fate.KEPT), decision.reason


def learnt_months(tags: Mapping[str, str]) -> tuple[Month, ...]:
    """The months that a registered version has learnt from, by its tags."""
    return tuple(Month.parse(text) for text in tags.get("train_months", "").split(",") if text)
