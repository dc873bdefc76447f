"""The report's figures, as PNG: how far off the model is, when, where, and how that went over the months."""

import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipelines.duration_prediction.metrics import Minutes

NARROW, WIDE, MAP = (3.7, 2.9), (7.4, 2.7), (7.4, 3.9)
DOTS_PER_INCH = 150
BLUE, DARK, ORANGE, GREY, LIGHT = "#2b6cb0", "#1a365d", "#c05621", "#56606e", "#e2e8f0"
EDGE_MINUTES = 20
"""Residuals beyond this are drawn at the edge."""
GROUPS = 20
BAND = (0.1, 0.9)


class ZoneError(NamedTuple):
    """A zone on the map: its place in miles east and north, its trips, and their mean absolute error in minutes."""

    x: float
    y: float
    trips: int
    error: float


def plot_residuals(actual: pd.Series, predicted: Minutes) -> bytes:
    """How often the model is off by how many minutes; a good model's figure is narrow and centred on 0."""
    figure, axes = _drawing(NARROW, "Residuals", "predicted minus actual minutes", "trips")
    residuals = np.clip(predicted - actual.to_numpy(), -EDGE_MINUTES, EDGE_MINUTES)
    axes.hist(residuals, bins=80, color=BLUE)
    axes.axvline(0, color=DARK, linewidth=1)
    return _png(figure)


def plot_calibration(actual: pd.Series, predicted: Minutes) -> bytes:
    """Mean actual minutes of trips that were predicted alike, with where eight in ten lie; the line is perfection."""
    figure, axes = _drawing(NARROW, "Calibration", "predicted minutes", "actual minutes")
    groups = predicted.argsort(kind="stable").argsort() * GROUPS // len(predicted)
    frame = pd.DataFrame({"predicted": predicted, "actual": actual.to_numpy()}).groupby(groups)
    centre = frame["predicted"].mean().to_numpy()
    low, high = (frame["actual"].quantile(share).to_numpy() for share in BAND)
    top = float(max(high.max(), centre.max()))
    axes.fill_between(centre, low, high, color=BLUE, alpha=0.18, linewidth=0, label="8 in 10 trips")
    axes.plot([0, top], [0, top], color=GREY, linewidth=1, linestyle="--", label="perfect")
    axes.plot(centre, frame["actual"].mean(), color=BLUE, marker="o", markersize=3, linewidth=1.2, label="mean")
    axes.legend(frameon=False, fontsize=7.5, loc="upper left")
    return _png(figure)


def plot_error_by_hour(mae: Mapping[str, float], rmse: Mapping[str, float]) -> bytes:
    """Mean absolute error and RMSE in minutes for each hour of pick-up."""
    figure, axes = _drawing(WIDE, "Error by hour of pick-up", "hour", "minutes")
    hours = list(mae)
    axes.bar(hours, list(mae.values()), color=BLUE, width=0.7, label="mean absolute error")
    axes.plot(list(rmse), list(rmse.values()), color=ORANGE, marker="o", markersize=3.5, linewidth=0, label="RMSE")
    axes.set_xlim(-0.7, len(hours) - 0.3)
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="upper right", bbox_to_anchor=(1, 1.16))
    return _png(figure)


def plot_error_map(panels: Mapping[str, Sequence[ZoneError]]) -> bytes:
    """The zones where they lie, larger the more trips they have and redder the further off the model is there."""
    figure = Figure(figsize=MAP, dpi=DOTS_PER_INCH, layout="constrained")
    row = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    everywhere = [zone.error for zones in panels.values() for zone in zones if zone.trips]
    lowest, highest = np.quantile(everywhere, [0.05, 0.95]) if everywhere else (0.0, 1.0)
    shown = None
    for axes, (title, zones) in zip(row, panels.items(), strict=True):
        _style(axes, title, "miles", "miles")
        axes.set_aspect("equal")
        axes.set_axisbelow(True)
        axes.scatter([zone.x for zone in zones], [zone.y for zone in zones], s=3, color="#b8c0cc", linewidth=0)
        used = sorted((zone for zone in zones if zone.trips), key=lambda zone: -zone.trips)
        shown = axes.scatter(
            [zone.x for zone in used],
            [zone.y for zone in used],
            s=[12 + 150 * zone.trips / used[0].trips for zone in used],
            c=[zone.error for zone in used],
            cmap="YlOrRd", vmin=lowest, vmax=highest, edgecolor="#4a5568", linewidth=0.3,
        )  # fmt: skip
    if shown is not None:
        bar = figure.colorbar(shown, ax=list(row), shrink=0.85, extend="both")
        bar.set_label("mean absolute error, minutes", fontsize=8, color=GREY)
        bar.ax.tick_params(labelsize=8, colors=GREY)
    return _png(figure)


def plot_trend(months: Sequence[str], lines: Mapping[str, Sequence[float | None]]) -> bytes:
    """RMSE by validation month, one line a model; the first is the model itself."""
    figure, axes = _drawing(WIDE, "RMSE by validation month", "", "minutes")
    for (name, values), colour in zip(lines.items(), (BLUE, ORANGE, GREY), strict=False):
        own = colour == BLUE
        axes.plot(
            months,
            [np.nan if value is None else value for value in values],
            color=colour, marker="o", markersize=5 if own else 3, linewidth=2 if own else 1, label=name,
        )  # fmt: skip
    axes.margins(y=0.25)
    axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    axes.legend(frameon=False, fontsize=8, ncols=len(lines), loc="upper right", bbox_to_anchor=(1, 1.16))
    return _png(figure)


def _drawing(size: tuple[float, float], title: str, across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    _style(axes, title, across, up)
    return figure, axes


def _style(axes: Axes, title: str, across: str, up: str) -> None:
    axes.set_title(title, fontsize=9.5, color=DARK, loc="left", fontweight="bold")
    axes.set_xlabel(across, fontsize=8, color=GREY)
    axes.set_ylabel(up, fontsize=8, color=GREY)
    axes.tick_params(labelsize=8, colors=GREY, length=0)
    axes.grid(visible=True, color=LIGHT, linewidth=0.7)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _png(figure: Figure) -> bytes:
    # A canvas of its own instead of pyplot, which keeps global state and is not safe in threads.
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
