"""Whether a new model takes the place of the one in use."""

from dataclasses import dataclass

from pipelines.duration_prediction.bootstrap import Interval


@dataclass(frozen=True)
class Promotion:
    """A decision and its reason, in a sentence for people."""

    promote: bool
    reason: str


def decide_promotion(
    challenger: float, champion: float | None, difference: Interval | None, margin: float
) -> Promotion:
    """Promote the challenger only if it beats the champion on the same trips, by the margin and beyond chance.

    `challenger` and `champion` are RMSEs in minutes, `margin` is a share of the champion's, and `difference` is the
    interval of challenger minus champion. Without a champion the challenger takes the empty place.
    """
    if champion is None:
        return Promotion(True, f"There was no champion yet: this model, with an RMSE of {challenger:.2f}, becomes it.")
    gain = 1 - challenger / champion if champion else 0.0
    told = f"its RMSE is {challenger:.2f} minutes against the champion's {champion:.2f}"
    if gain <= 0:
        return Promotion(False, f"Kept as challenger: {told}, so it is not better.")
    if gain < margin:
        return Promotion(False, f"Kept as challenger: {told}, better by {gain:.1%} where {margin:.1%} is asked for.")
    if difference is not None and difference.high >= 0:
        span = f"{difference.low:+.2f} to {difference.high:+.2f} minutes"
        return Promotion(False, f"Kept as challenger: {told}, but the difference ({span}) may be chance.")
    return Promotion(True, f"Promoted: {told}, better by {gain:.1%}.")
