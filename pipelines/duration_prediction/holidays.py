"""The days on which New York's traffic is that of a holiday."""

from functools import lru_cache

import numpy as np
import pandas as pd
from pandas.tseries.holiday import USFederalHolidayCalendar

Days = np.ndarray[tuple[int], np.dtype[np.datetime64]]


def is_holiday(days: Days) -> np.ndarray[tuple[int], np.dtype[np.bool]]:
    """Whether each day is one on which the United States' federal offices are closed (5 U.S.C. 6103)."""
    known = days[~np.isnat(days)]
    if len(known) == 0:
        return np.zeros(len(days), dtype=bool)
    years = known.astype("datetime64[Y]")
    return np.isin(days, _holidays(str(years.min()), str(years.max())))


@lru_cache(maxsize=16)
def _holidays(first_year: str, last_year: str) -> Days:
    """All holidays from one year to another, as days."""
    found = USFederalHolidayCalendar().holidays(pd.Timestamp(f"{first_year}-01-01"), pd.Timestamp(f"{last_year}-12-31"))
    return found.to_numpy().astype("datetime64[D]")
