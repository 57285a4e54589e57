"""Answers bought after the row's own date saw the outcome: they are counted, told, and can be left
out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from pandas_numberactive.errors import LookAheadWarning, RiskInputError, warn_caller
from pandas_numberactive.risk._engine.inputs import SIGNALS, moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

Late = Literal["warn", "drop", "keep"]
_DAY = np.timedelta64(1, "D")
_told: list[bool] = []


def without_late(
    df: pd.DataFrame, columns: list[str], as_of: str | None, late: Late
) -> pd.DataFrame:
    """The frame, checked against `as_of`; with late="drop" without the rows whose answers came too
    late.

    A date without a time counts until its end, on the column's own clock; without a time zone it is
    taken as UTC.
    """
    if late not in ("warn", "drop", "keep"):
        raise RiskInputError('late must be "warn", "drop" or "keep".')
    bought = _bought_columns(columns)
    if as_of is None:
        if late == "warn" and not _told and any(name in df.columns for name in bought.values()):
            _told.append(True)
            warn_caller(
                "No as_of was given: answers bought after a loan was granted may have seen its "
                "outcome. Name the date "
                'of the decision, as_of="application_date". (Said once; late="keep" silences it.)',
                LookAheadWarning,
            )
        return df
    too_late = _too_late(df, bought, as_of, late)
    count = int(too_late.sum())
    if count and late == "warn":
        warn_caller(
            f"{count:,} of {len(df):,} rows ({count / len(df):.1%}) hold answers bought after "
            f"{as_of!r}: such a signal "
            'saw the outcome and looks predictive. late="drop" leaves them out, late="keep" keeps '
            "them silently.",
            LookAheadWarning,
        )
    if count == len(df) and late == "drop":
        raise RiskInputError(f"Every row's answer was bought after {as_of!r}: nothing is left.")
    return df[~too_late] if count and late == "drop" else df


def _bought_columns(columns: list[str]) -> dict[str, str]:
    """For each of enrich's signals, the column that says when it was bought."""
    return {
        name: name.removesuffix(end) + "looked_up_at"
        for name in columns
        for end in SIGNALS
        if name.endswith(end)
    }


def _too_late(
    df: pd.DataFrame, bought: dict[str, str], as_of: str, late: Late
) -> NDArray[np.bool_]:
    limit, clock = moments(df, as_of), moments(df, as_of, local=True)
    unchecked = [name for name, when in bought.items() if when not in df.columns]
    if unchecked or not bought:
        raise RiskInputError(
            "as_of needs enrich's ..._looked_up_at column beside the signals; it is not in the "
            "table" + (f" for {unchecked[0]!r}." if unchecked else ".")
        )
    if (clock == clock.astype("M8[D]"))[~np.isnat(clock)].all():
        limit = limit + _DAY - np.timedelta64(1, "us")
    dates = [moments(df, name) for name in dict.fromkeys(bought.values())]
    undated = sum(int((np.isnat(limit) & ~np.isnat(when)).sum()) for when in dates)
    if undated and late != "keep":
        raise RiskInputError(
            f"{undated:,} rows hold an answer but no {as_of!r}, so nobody can say whether it came "
            "too late: fill the "
            "dates in, or leave those rows out, and say so."
        )
    late_ones = np.zeros(len(df), bool)
    for when in dates:
        late_ones |= when > limit  # an answer without a date is never later
    return late_ones
