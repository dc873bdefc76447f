"""What a model may know of a trip: everything known at pick-up, plus the trip's distance as in the tutorial.

The functions run inside the fitted model and are stored with it by name, so that the model takes the TLC's rows as
they are: any generation of types, any further columns, with or without the drop-off time.
"""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import KFold
from sklearn.preprocessing import FunctionTransformer, TargetEncoder

from pipelines.duration_prediction.validation import MODEL_REQUIRED, PICKUP
from pipelines.errors import ContractError

# Taximeters report distances of up to hundreds of thousands of miles; the city is some forty across.
MAX_MILES = 100.0
# Zone ids end at 265, so that this factor gives every pair of zones a number of its own.
PAIR_FACTOR = 1_000.0

ZONE_FEATURES = ["pair", "pickup_zone", "dropoff_zone"]
PLAIN_FEATURES = ["pickup_zone", "dropoff_zone", "miles", "hour", "weekday", "vendor", "passengers"]


def trip_features(rows: pd.DataFrame) -> pd.DataFrame:
    """One row of numbers for each TLC row, in order; what is missing is NaN.

    Raises ContractError if a column without which no trip can be judged is absent.
    """
    absent = [name for name in MODEL_REQUIRED if name not in rows.columns]
    if absent:
        raise ContractError(
            f"The trips lack the column {', '.join(absent)}, without which no duration can be predicted."
        )
    pickup = pd.to_datetime(rows[PICKUP])
    pickup_zone, dropoff_zone = _numbers(rows, "PULocationID"), _numbers(rows, "DOLocationID")
    return pd.DataFrame(
        {
            "pair": pickup_zone * PAIR_FACTOR + dropoff_zone,
            "pickup_zone": pickup_zone,
            "dropoff_zone": dropoff_zone,
            "miles": np.clip(_numbers(rows, "trip_distance"), 0, MAX_MILES),
            "hour": (pickup.dt.hour + pickup.dt.minute / 60).to_numpy(dtype="float64", na_value=np.nan),
            "weekday": pickup.dt.day_of_week.to_numpy(dtype="float64", na_value=np.nan),
            "vendor": _numbers(rows, "VendorID"),
            "passengers": _numbers(rows, "passenger_count"),
        },
        index=rows.index,
    )


def feature_steps(folds: int, seed: int) -> list[tuple[str, object]]:
    """The steps in front of the regressor: rows to numbers, and zones to the mean minutes of their trips.

    Fitting encodes each trip by the means of the other folds, so that no trip's own duration reaches its features
    (scikit-learn's user guide, "Target Encoder": cross fitting).
    """
    means = TargetEncoder(target_type="continuous", cv=KFold(folds, shuffle=True, random_state=seed))
    columns = ColumnTransformer([("zone_means", means, ZONE_FEATURES), ("plain", "passthrough", PLAIN_FEATURES)])
    return [("features", FunctionTransformer(trip_features)), ("columns", columns)]


def _numbers(rows: pd.DataFrame, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A column as float64, whether stored as int32, int64, double, nullable or object; NaN where it is absent."""
    if name not in rows.columns:
        return np.full(len(rows), np.nan)
    return pd.to_numeric(rows[name], errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
