"""What people call the taxi zones."""

from pathlib import Path

import pandas as pd


def read_zone_names(centroids: Path | None) -> dict[int, str]:
    """The zones' names by id, from the table of their centroids; none without it."""
    if centroids is None:
        return {}
    table = pd.read_csv(centroids, usecols=["LocationID", "zone"]).dropna()
    return dict(zip(table["LocationID"].astype(int).tolist(), table["zone"].astype(str).tolist(), strict=True))
