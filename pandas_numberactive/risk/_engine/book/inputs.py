"""Signals as small codes, outcomes as 0 and 1, weights as numbers. Bad input is refused here."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from pandas_numberactive._purchase.purchase import STATUSES
from pandas_numberactive.errors import (
    ColumnNotFoundError,
    RiskInputError,
    RiskWarning,
    warn_caller,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGNALS = ("active_level", "frequency_grade", "telco_type")
NO_DATA = "no data"
NOT_ASKED = "not asked"
FAILED = "failed"
MISSING = "missing"
EXTRA = (NO_DATA, NOT_ASKED, FAILED)
Missing = Literal["own_levels", "one_level", "drop"]
MOST_LOANS = 20_000_000  # of a frequency table that is put into folds, a gigabyte
REVERSED_FROM = 100  # rows: a smaller book may well hold more bads than goods

# The line of EXTRA for a row without a level, by its status. "no data" was paid for, so it is a
# level; "not asked" and "failed" were not answered and stand apart.
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
    """One signal: a code a row into `levels`, -1 where the row is left out.

    The first `own` levels are the signal's own, the first `tested` were answered by the vendor. The
    others are lines apart.
    """

    name: str
    levels: tuple[str, ...]
    own: int
    tested: int
    ordered: bool
    codes: NDArray[np.int8]


def signals(
    df: pd.DataFrame, by: str | Sequence[str], missing: Missing = "own_levels"
) -> list[Signal]:
    """Read one, several or all signals of a frame."""
    if missing not in ("own_levels", "one_level", "drop"):
        raise RiskInputError('missing must be "own_levels", "one_level" or "drop".')
    return [_signal(df, name, missing) for name in signal_columns(df, by)]


def signal_columns(df: pd.DataFrame, by: str | Sequence[str]) -> list[str]:
    """Return the columns that `by` names: full names, short names where only one fits, or "all"."""
    need_frame(df)
    if isinstance(by, str) and by == "all":
        found = [str(c) for end in SIGNALS for c in df.columns if str(c).endswith(end)]
        if not found:
            raise RiskInputError(
                f"No column ends in {', '.join(SIGNALS)}: call enrich first, or name the columns."
            )
        return list(dict.fromkeys(found))
    names = names_of(by)
    return list(
        dict.fromkeys(_full_name(df, name) for name in names)
    )  # twice would count its information twice


def names_of(by: object) -> list[str]:
    """Return the names that `by` gives. Raise RiskInputError for what is no name."""
    names: list[Any] = [by]
    if not isinstance(by, str):
        names = list(by) if isinstance(by, Iterable) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise RiskInputError('by is the name of a column, several names, or "all".')
    return names


def column(df: pd.DataFrame, name: str) -> pd.Series[Any]:
    """Return one column, or raise where the table has none of that name, or two."""
    if not isinstance(name, Hashable):
        raise RiskInputError(f"One column is named by its name, not by {name!r}.")
    if name not in df.columns:
        raise ColumnNotFoundError(name, df.columns)
    found = df[name]
    if isinstance(found, pd.DataFrame):
        raise RiskInputError(
            f"{found.shape[1]} columns are called {name!r}: rename or drop all but one."
        )
    return found


def _full_name(df: pd.DataFrame, name: str) -> str:
    if name in df.columns:
        return name
    fits = [str(c) for c in df.columns if name in SIGNALS and str(c).endswith(f"_{name}")]
    if len(fits) > 1:
        raise RiskInputError(f"{name!r} fits several columns: {', '.join(fits)}. Say which.")
    if not fits:
        raise ColumnNotFoundError(
            name, df.columns, first=_meant(name, df.columns), advice=_advice(name, df.columns)
        )
    return fits[0]


def _advice(name: str, columns: Iterable[object]) -> str:
    """Return the call that makes a signal, where the table has none of them."""
    if not name.endswith(SIGNALS) or any(str(column).endswith(SIGNALS) for column in columns):
        return ""
    return 'Run enrich first, which adds it: df.numberactive.enrich("phone").'


def _meant(name: str, columns: Iterable[object]) -> list[str]:
    """Return the signals that `name` may mean, the likeliest first: "activity" is no city."""
    ends = {str(column): end for column in columns for end in SIGNALS if str(column).endswith(end)}

    def alike(known: str) -> float:
        return difflib.SequenceMatcher(None, name.casefold().strip(), known).ratio()

    scores = {column: max(alike(end), alike(column)) for column, end in ends.items()}
    return sorted(
        (column for column in ends if scores[column] >= 0.5), key=lambda column: -scores[column]
    )


def _signal(df: pd.DataFrame, name: str, missing: Missing) -> Signal:
    found = column(df, name)
    if not isinstance(found.dtype, pd.CategoricalDtype):
        raise RiskInputError(
            f"Column {name!r} is {found.dtype}, not a category; pna.restore_dtypes(df) brings the "
            "dtypes back after a "
            "CSV, or use .astype('category')."
        )
    own = tuple(str(level) for level in found.cat.categories)
    if len(own) > 100:
        raise RiskInputError(f"Column {name!r} has {len(own)} levels; group them first.")
    status = status_column(df, name)
    extra = _extra(missing, status)
    _refuse_twice(name, own + extra)
    codes = found.cat.codes.to_numpy().astype(np.int8)
    if extra:
        kinds = _kinds(df, status) if extra == EXTRA else 0
        codes = np.where(codes < 0, len(own) + kinds, codes).astype(np.int8)
    tested = len(own) + (1 if extra == EXTRA else 0)
    return Signal(name, own + extra, len(own), tested, bool(found.cat.ordered), codes)


def _extra(missing: Missing, status: str | None) -> tuple[str, ...]:
    """Return the lines for rows without a level. Their reasons need a status column."""
    if missing == "drop":
        return ()
    return (MISSING,) if missing == "one_level" or status is None else EXTRA


def _refuse_twice(name: str, levels: tuple[str, ...]) -> None:
    twice = [level for level in levels if levels.count(level) > 1]
    if twice:
        raise RiskInputError(
            f"Two levels of {name!r} would read {twice[0]!r}: rename that category (missing='drop' "
            "needs no names for the rows without a level)."
        )


def _kinds(df: pd.DataFrame, status: str | None) -> Any:
    """Return, for each row, the place in EXTRA that its status stands for."""
    assert status is not None
    words = column(df, status).cat
    table = np.array([_BY_STATUS.get(str(word), 1) for word in words.categories] + [1], np.int8)
    return table[words.codes.to_numpy()]  # -1, a missing status, takes the last


def status_column(df: pd.DataFrame, name: str) -> str | None:
    """Return the status column that belongs to a signal's column."""
    for end in SIGNALS:
        status = name.removesuffix(end) + "lookup_status"
        if name.endswith(end) and status in df.columns:
            dtype = column(df, status).dtype
            if not isinstance(dtype, pd.CategoricalDtype) or not set(dtype.categories) <= set(
                STATUSES
            ):
                raise RiskInputError(
                    f"Column {status!r} is no status of enrich's; pna.restore_dtypes(df) may "
                    "mend it."
                )
            return status
    return None


def outcomes(df: pd.DataFrame, target: str, bad: object = None) -> NDArray[np.int8]:
    """Return the target as 0 and 1. Raise RiskInputError where it is no clean yes or no.

    Warns where most are bad.
    """
    need_frame(df)
    found = column(df, target)
    gaps = int(found.isna().sum())
    if gaps:
        raise RiskInputError(
            f"{gaps:,} of {len(df):,} rows have no {target!r}: leave them out, "
            f"df[df[{target!r}].notna()], and report that."
        )
    values = _as_bits(found, target, bad)
    bads = int(values.sum())
    if not 0 < bads < len(values):
        raise RiskInputError(
            f"All {len(values):,} rows are {'bad' if bads else 'good'} in {target!r}: nothing to "
            "compare."
        )
    _warn_reversed(values, target, bad)
    return values


def _warn_reversed(bits: NDArray[np.int8], target: str, bad: object) -> None:
    share = float(bits.mean())
    if bad is None and len(bits) >= REVERSED_FROM and share > 0.5:
        warn_caller(
            f"{share:.0%} of the rows are bad in {target!r}. If 1 means a good loan there, say "
            "bad=0 (bad=False for bools); if not, bad=1 says so.",
            RiskWarning,
        )


def _as_bits(values: pd.Series[Any], target: str, bad: object) -> NDArray[np.int8]:
    if bad is not None:
        if not pd.api.types.is_scalar(bad):
            raise RiskInputError(f"bad= is the one value of {target!r} that is bad.")
        hits = (values == bad).to_numpy(dtype=bool)
        if not hits.any():
            raise RiskInputError(f"No row of {target!r} is {bad!r}.")
        if values.nunique() > 2:
            raise RiskInputError(
                f"{target!r} has {values.nunique()} values; the outcome must have two."
            )
        return hits.astype(np.int8)
    if pd.api.types.is_bool_dtype(values.dtype):
        return values.to_numpy(dtype=bool).astype(np.int8)
    if not pd.api.types.is_numeric_dtype(values.dtype):
        raise RiskInputError(
            f"{target!r} holds {values.dtype} values: say which one is bad, bad=..."
        )
    numbers = values.to_numpy()
    ones = numbers == 1
    if not (ones | (numbers == 0)).all():
        raise RiskInputError(
            f"{target!r} must be 0 (good) and 1 (bad); it holds other values. Or say bad=..."
        )
    bits: NDArray[np.int8] = ones.astype(np.int8)
    return bits


def weights(
    df: pd.DataFrame, weight: str | None, kind: Literal["weight", "counts"] = "weight"
) -> NDArray[np.float64] | None:
    """Return the sampling weights, or the counts of a frequency table. None is one a row."""
    if weight is None:
        return None
    word = "Weights" if kind == "weight" else "Counts"
    found = column(df, weight)
    if not pd.api.types.is_numeric_dtype(found.dtype):
        raise RiskInputError(f"{word} must be numbers; {weight!r} is {found.dtype}.")
    values = found.to_numpy(dtype=float, na_value=np.nan)
    if not np.isfinite(values).all() or (values < 0).any() or not values.any():
        raise RiskInputError(
            f"{word} must be finite, not negative, and not all zero; look at {weight!r}."
        )
    if kind == "counts" and (values != np.floor(values)).any():
        raise RiskInputError(
            f"Counts must be whole numbers; look at {weight!r}. Sampling weights are weight=."
        )
    return values


def repeated(counts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the position of each row as often as it counts, one for each loan.

    A cell of a frequency table would be in one fold, so that nothing like it is left to learn from.
    """
    total = float(counts.sum())
    if total > MOST_LOANS:
        raise RiskInputError(
            f"The counts stand for {total:,.0f} loans; at most {MOST_LOANS:,} can be compared on "
            "other rows than those they are learned on: take a sample."
        )
    return np.repeat(np.arange(len(counts)), counts.astype(np.int64))


def need_frame(df: object) -> None:
    """Raise RiskInputError unless this is a pandas DataFrame with rows."""
    if not isinstance(df, pd.DataFrame):
        kind = type(df)
        hint = ": call .compute() first" if hasattr(df, "compute") else ""
        raise RiskInputError(
            f"A pandas DataFrame is needed, not {kind.__module__}.{kind.__qualname__}{hint}."
        )
    if not len(df):
        raise RiskInputError("The table has no rows.")
