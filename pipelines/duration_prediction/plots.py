"""The report's figures, as PNG: where the predictions lie, how far off they are, and when."""

import io

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from pipelines.duration_prediction.config import MAX_MINUTES
from pipelines.duration_prediction.training import Minutes

SIZE_INCHES = (6.4, 4.0)
DOTS_PER_INCH = 100
BLUE = "#2b6cb0"
GREY = "#4a5568"


def plot_predicted(actual: pd.Series, predicted: Minutes) -> bytes:
    """Predicted over actual minutes, the denser the darker; a perfect model fills the diagonal."""
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    minutes = np.linspace(0, MAX_MINUTES, 61)
    *_, cells = axes.hist2d(actual, predicted, bins=[minutes, minutes], norm=LogNorm(), cmap="Blues")
    axes.plot([0, MAX_MINUTES], [0, MAX_MINUTES], color=GREY, linewidth=1)
    figure.colorbar(cells, label="trips")
    axes.set(xlabel="actual minutes", ylabel="predicted minutes", title="Predicted and actual duration")
    return _png(figure)


def plot_residuals(actual: pd.Series, predicted: Minutes) -> bytes:
    """How often the model is off by how many minutes; a good model's figure is narrow and centred on 0."""
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    residuals = np.clip(predicted - actual.to_numpy(), -30, 30)
    axes.hist(residuals, bins=120, color=BLUE)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set(xlabel="predicted minus actual minutes (beyond 30: at the edge)", ylabel="trips", title="Residuals")
    return _png(figure)


def plot_error_by_hour(errors: pd.Series) -> bytes:
    """Mean absolute error in minutes for each hour of pick-up."""
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    axes.bar(errors.index.to_numpy(), errors.fillna(0).to_numpy(), color=BLUE)
    axes.set(xlabel="hour of pick-up", ylabel="mean absolute error, minutes", title="Error by hour")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    # A canvas of its own instead of pyplot, which keeps global state and is not safe in threads.
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
