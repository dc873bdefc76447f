"""The figures are images of the size that a mail shows, and show what they are given."""

import struct

import numpy as np
import pandas as pd

from pipelines.duration_prediction.plots import plot_error_by_hour, plot_predicted, plot_residuals

ACTUAL = pd.Series(np.linspace(1, 60, 500))
PREDICTED = np.linspace(5, 50, 500)


def _check_png(content: bytes) -> None:
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (640, 400)
    assert len(content) < 150_000


def test_every_figure_is_a_png() -> None:
    _check_png(plot_predicted(ACTUAL, PREDICTED))
    _check_png(plot_residuals(ACTUAL, PREDICTED))
    _check_png(plot_error_by_hour(pd.Series(np.arange(24.0))))


def test_the_same_trips_draw_the_same_figure_and_others_another() -> None:
    assert plot_residuals(ACTUAL, PREDICTED) == plot_residuals(ACTUAL, PREDICTED)
    assert plot_residuals(ACTUAL, PREDICTED) != plot_residuals(ACTUAL, PREDICTED + 3)


def test_an_hour_without_trips_has_no_bar() -> None:
    hours = pd.Series(np.arange(24.0))
    _check_png(plot_error_by_hour(hours.where(hours > 3)))
    assert plot_error_by_hour(hours.where(hours > 3)) == plot_error_by_hour(hours.where(hours > 3, 0.0))
