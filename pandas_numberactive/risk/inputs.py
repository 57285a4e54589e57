"""What the tables are made of: signals as small codes, outcomes as 0 and 1, weights; bad input is told here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from pandas_numberactive._io.report import STATUSES
from pandas_numberactive.errors import ColumnNotFoundError, RiskInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGNALS = ("active_level", "frequency_grade", "telco_type")
NO_DATA, NOT_ASKED, FAILED, MISSING = "no data", "not asked", "failed", "missing"
EXTRA = (NO_DATA, NOT_ASKED, FAILED)
Missing = Literal["own_levels", "one_level", "drop"]

# What a row without a level means, by its status: "no data" was paid for, "not asked" and "failed" were not answered.
_BY_STATUS = {
    "answered": 0,
    "no_data": 0,
    "invalid": 1,
    "missing": 1,
    "not_bought": 1,
    "failed": 2,
    "uncertain": 2,
    "quarantined": 2,
    "pending": 2,
}


@dataclass(frozen=True)
class Signal:
    """One signal: a code a row into `levels`, -1 where the row is left out."""

    name: str
    levels: tuple[str, ...]
    ordered: int  # how many of the levels, from the first, are the signal's own
    codes: NDArray[np.int8]


def signals(df: pd.DataFrame, by: str | Sequence[str], missing: Missing = "own_levels") -> list[Signal]:
    """Read one, several or all signals of a frame."""
    if missing not in ("own_levels", "one_level", "drop"):
        raise RiskInputError('missing must be "own_levels", "one_level" or "drop".')
    return [_signal(df, name, missing) for name in signal_columns(df, by)]


def signal_columns(df: pd.DataFrame, by: str | Sequence[str]) -> list[str]:
    """The columns that `by` names: full names, short names where only one fits, or "all"."""
    _need_frame(df)
    if isinstance(by, str) and by == "all":
        found = [str(c) for end in SIGNALS for c in df.columns if str(c).endswith(end)]
        if not found:
            raise RiskInputError(f"No column ends in {', '.join(SIGNALS)}: call enrich first, or name the columns.")
        return found
    return [_full_name(df, name) for name in ([by] if isinstance(by, str) else by)]


def _full_name(df: pd.DataFrame, name: str) -> str:
    if name in df.columns:
        return name
    fits = [str(c) for c in df.columns if name in SIGNALS and str(c).endswith(f"_{name}")]
    if len(fits) > 1:
        raise RiskInputError(f"{name!r} fits several columns: {', '.join(fits)}. Say which.")
    if not fits:
        raise ColumnNotFoundError(name, df.columns)
    return fits[0]


def _signal(df: pd.DataFrame, name: str, missing: Missing) -> Signal:
    column = df[name]
    if not isinstance(column.dtype, pd.CategoricalDtype):
        raise RiskInputError(
            f"Column {name!r} is {column.dtype}, not a category; pna.restore_dtypes(df) brings the dtypes back after a "
            "CSV, or use .astype('category')."
        )
    own = tuple(str(level) for level in column.cat.categories)
    if len(own) > 100:
        raise RiskInputError(f"Column {name!r} has {len(own)} levels; group them first.")
    codes = column.cat.codes.to_numpy().astype(np.int8)
    blank = codes < 0
    if missing == "drop":
        return Signal(name, own, len(own), codes)
    if missing == "one_level":
        return Signal(name, (*own, MISSING), len(own), np.where(blank, len(own), codes).astype(np.int8))
    kinds = _kinds(df, name)
    return Signal(name, (*own, *EXTRA), len(own), np.where(blank, len(own) + kinds, codes).astype(np.int8))


def _kinds(df: pd.DataFrame, name: str) -> Any:
    """For each row, which of EXTRA a missing level is; "no data" where the frame has no status column."""
    status = status_column(df, name)
    if status is None:
        return 0
    table = np.array([_BY_STATUS.get(str(word), 1) for word in df[status].cat.categories] + [1], np.int8)
    return table[df[status].cat.codes.to_numpy()]  # -1, a missing status, takes the last


def status_column(df: pd.DataFrame, name: str) -> str | None:
    """The status column that belongs to a signal's column."""
    for end in SIGNALS:
        status = name.removesuffix(end) + "lookup_status"
        if name.endswith(end) and status in df.columns:
            if not isinstance(df[status].dtype, pd.CategoricalDtype) or not set(df[status].cat.categories) <= set(
                STATUSES
            ):
                raise RiskInputError(f"Column {status!r} is no status of enrich's; pna.restore_dtypes(df) may mend it.")
            return status
    return None


def outcomes(df: pd.DataFrame, target: str, bad: object = None) -> NDArray[np.int8]:
    """The target as 0 and 1; raises RiskInputError where it is no clean yes or no with both present."""
    _need_frame(df)
    if target not in df.columns:
        raise ColumnNotFoundError(target, df.columns)
    column = df[target]
    gaps = int(column.isna().sum())
    if gaps:
        raise RiskInputError(
            f"{gaps:,} of {len(df):,} rows have no {target!r}: leave them out, df[df[{target!r}].notna()], and say so."
        )
    values = _as_bits(column, target, bad)
    bads = int(values.sum())
    if not 0 < bads < len(values):
        raise RiskInputError(
            f"All {len(values):,} rows are {'bad' if bads else 'good'} in {target!r}: nothing to compare."
        )
    return values


def _as_bits(column: pd.Series[Any], target: str, bad: object) -> NDArray[np.int8]:
    if bad is not None:
        values = (column == bad).to_numpy(dtype=bool)
        if not values.any():
            raise RiskInputError(f"No row of {target!r} is {bad!r}.")
        if column.nunique() > 2:
            raise RiskInputError(f"{target!r} has {column.nunique()} values; the outcome must have two.")
        return values.astype(np.int8)
    if pd.api.types.is_bool_dtype(column.dtype):
        return column.to_numpy(dtype=bool).astype(np.int8)
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise RiskInputError(f"{target!r} holds {column.dtype} values: say which one is bad, bad=...")
    numbers = column.to_numpy()
    bits = numbers.astype(np.int8)
    if not ((bits == numbers) & ((bits == 0) | (bits == 1))).all():
        raise RiskInputError(f"{target!r} must be 0 (good) and 1 (bad); it holds other values. Or say bad=...")
    return bits


def weights(df: pd.DataFrame, weight: str | None) -> NDArray[np.float64] | None:
    """How many customers each row stands for; None is one each."""
    if weight is None:
        return None
    if weight not in df.columns:
        raise ColumnNotFoundError(weight, df.columns)
    if not pd.api.types.is_numeric_dtype(df[weight].dtype):
        raise RiskInputError(f"Weights must be numbers; {weight!r} is {df[weight].dtype}.")
    values = df[weight].to_numpy(dtype=float, na_value=np.nan)
    if not np.isfinite(values).all() or (values < 0).any() or not values.any():
        raise RiskInputError(f"Weights must be finite, not negative, and not all zero; look at {weight!r}.")
    return values


def _need_frame(df: object) -> None:
    if not isinstance(df, pd.DataFrame):
        raise RiskInputError(f"A DataFrame is needed, not {type(df).__name__}.")
    if not len(df):
        raise RiskInputError("The table has no rows.")
