"""The figures are images of the size that a mail shows, and show what they are given."""

import struct

import numpy as np
import pandas as pd

from pipelines.duration_prediction.plots import (
    ZoneError,
    plot_calibration,
    plot_error_by_hour,
    plot_error_map,
    plot_residuals,
    plot_trend,
)

ACTUAL = pd.Series(np.linspace(1, 60, 500))
PREDICTED = np.linspace(5, 50, 500)
HOURS = {f"{hour:02}": 3.0 + hour / 10 for hour in range(24)}
ZONES = [ZoneError(0.0, 0.0, 100, 3.0), ZoneError(1.0, 2.0, 50, 6.0), ZoneError(2.0, 1.0, 0, 0.0)]


def _size(content: bytes) -> tuple[int, int]:
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(content) < 150_000
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_two_narrow_figures_are_as_wide_as_a_wide_one() -> None:
    assert _size(plot_residuals(ACTUAL, PREDICTED)) == _size(plot_calibration(ACTUAL, PREDICTED)) == (555, 435)
    assert _size(plot_error_by_hour(HOURS, HOURS)) == (1110, 405)
    assert _size(plot_trend(["2022-01", "2022-02"], {"this model": [5.0, 5.1]})) == (1110, 405)
    assert _size(plot_error_map({"a": ZONES, "b": ZONES})) == (1110, 585)


def test_the_same_trips_draw_the_same_figure_and_others_another() -> None:
    for plot in (plot_residuals, plot_calibration):
        assert plot(ACTUAL, PREDICTED) == plot(ACTUAL, PREDICTED)
        assert plot(ACTUAL, PREDICTED) != plot(ACTUAL, PREDICTED + 3)


def test_predictions_that_are_all_alike_are_one_group() -> None:
    assert _size(plot_calibration(ACTUAL, np.full(500, 15.0))) == (555, 435)


def test_a_month_without_a_value_leaves_a_gap() -> None:
    months = ["2022-01", "2022-02", "2022-03"]
    whole = plot_trend(months, {"this model": [5.0, 5.1, 5.2], "champion": [5.2, 5.1, 5.0]})
    assert plot_trend(months, {"this model": [5.0, 5.1, 5.2], "champion": [5.2, None, 5.0]}) != whole


def test_a_zone_without_trips_has_no_colour_and_a_map_without_trips_no_scale() -> None:
    redder = [*ZONES[:2], ZoneError(2.0, 1.0, 0, 9.0)]
    assert plot_error_map({"a": ZONES}) == plot_error_map({"a": redder})
    assert plot_error_map({"a": ZONES}) != plot_error_map({"a": ZONES[:2]})
    assert _size(plot_error_map({"a": ZONES[2:]})) == (1110, 585)
