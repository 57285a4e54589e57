"""Answers bought after the row's own date saw the outcome: they are counted, told, and can be left out."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from pandas_numberactive.errors import ColumnNotFoundError, LookAheadWarning, RiskInputError
from pandas_numberactive.risk.inputs import SIGNALS

if TYPE_CHECKING:
    from numpy.typing import NDArray

Late = Literal["warn", "drop", "keep"]
_DAY = np.timedelta64(1, "D")
_told: list[bool] = []


def without_late(df: pd.DataFrame, columns: list[str], as_of: str | None, late: Late) -> pd.DataFrame:
    """The frame, checked against `as_of`; with late="drop" without the rows whose answers came too late.

    A date without a time counts until its end; naive dates are taken as UTC.
    """
    if late not in ("warn", "drop", "keep"):
        raise RiskInputError('late must be "warn", "drop" or "keep".')
    bought = _bought_columns(df, columns)
    if as_of is None:
        if bought and not _told and late == "warn":
            _told.append(True)
            _warn(
                "No as_of was given: answers bought after a loan was granted may have seen its outcome. Name the date "
                'of the decision, as_of="application_date". (Said once; late="keep" silences it.)'
            )
        return df
    too_late = _too_late(df, bought, as_of)
    count = int(too_late.sum())
    if count and late == "warn":
        _warn(
            f"{count:,} of {len(df):,} rows ({count / len(df):.1%}) hold answers bought after {as_of!r}: such a signal "
            'saw the outcome and looks predictive. late="drop" leaves them out, late="keep" keeps them silently.'
        )
    if count == len(df) and late == "drop":
        raise RiskInputError(f"Every row's answer was bought after {as_of!r}: nothing is left.")
    return df[~too_late] if count and late == "drop" else df


def _warn(text: str) -> None:
    warnings.warn(text, LookAheadWarning, stacklevel=4)


def _bought_columns(df: pd.DataFrame, columns: list[str]) -> list[str]:
    ends = [name.removesuffix(end) + "looked_up_at" for name in columns for end in SIGNALS if name.endswith(end)]
    return [name for name in dict.fromkeys(ends) if name in df.columns]


def _too_late(df: pd.DataFrame, bought: list[str], as_of: str) -> NDArray[np.bool_]:
    if as_of not in df.columns:
        raise ColumnNotFoundError(as_of, df.columns)
    if not bought:
        raise RiskInputError("as_of needs enrich's ..._looked_up_at column beside the signals; it is not in the table.")
    limit = _moments(df[as_of], as_of)
    if (limit == limit.astype("M8[D]"))[~np.isnat(limit)].all():
        limit = limit + _DAY - np.timedelta64(1, "us")
    late = np.zeros(len(df), bool)
    for name in bought:
        late |= _moments(df[name], name) > limit  # a missing date is never later
    return late


def _moments(column: pd.Series[Any], name: str) -> NDArray[np.datetime64]:
    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        raise RiskInputError(
            f"Column {name!r} is {column.dtype}, not a date: pd.to_datetime(df[{name!r}]) makes it one."
        )
    if getattr(column.dt, "tz", None) is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    return column.to_numpy().astype("M8[us]")
