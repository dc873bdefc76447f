"""Metrics by hand."""

from dataclasses import asdict

import numpy as np
import pytest

from pipelines.duration_prediction.metrics import evaluate


def test_metrics_by_hand() -> None:
    metrics = evaluate(np.array([10.0, 20.0, 30.0]), np.array([13.0, 16.0, 30.0]))
    assert asdict(metrics) == pytest.approx(
        {"rmse": (25 / 3) ** 0.5, "mae": 7 / 3, "r2": 1 - 25 / 200, "p50": 3, "p90": 3.8, "bias": -1 / 3}
    )


def test_trips_of_one_length_leave_nothing_to_explain() -> None:
    assert evaluate(np.array([5.0, 5.0]), np.array([4.0, 6.0])).r2 == 0
