"""The scales on which trips' minutes are learnt, and the limits within which they are believed."""

import numpy as np

from pipelines.duration_prediction.config import MAX_MINUTES, MIN_MINUTES
from pipelines.duration_prediction.metrics import Minutes

# The scales that a member may learn on: their mean beats either, for the roots err towards short trips.
SCALES = MINUTES, ROOT = "minutes", "root"


def on_scale(minutes: Minutes, scale: str) -> Minutes:
    """Minutes on the scale that a member learns on."""
    return np.sqrt(minutes) if scale == ROOT else minutes


def to_minutes(values: Minutes, scale: str) -> Minutes:
    """What a member predicts, in minutes."""
    return np.maximum(values, 0) ** 2 if scale == ROOT else values


def within_limits(minutes: Minutes) -> Minutes:
    """Predictions held to the range of the trips that the model learnt from, so that none is negative."""
    return np.clip(minutes, MIN_MINUTES, MAX_MINUTES)
