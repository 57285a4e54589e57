"""stability: has the mix of levels moved, against a baseline or from period to period?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.formulas import stability_index
from pandas_numberactive.risk._engine.inputs import (
    Missing,
    moments,
    need_frame,
    signal_columns,
    signals,
    status_column,
    weights,
)
from pandas_numberactive.risk._engine.late import Late, without_late

TOTAL = "total"
COLUMNS = ["n", "share_before", "share", "psi", "corrected"]


def stability(
    df: pd.DataFrame,
    baseline: pd.DataFrame | None,
    by: str | Sequence[str],
    *,
    period: str | None = None,
    freq: str = "M",
    weight: str | None = None,
    missing: Missing = "own_levels",
    as_of: str | None = None,
    late: Late = "warn",
) -> pd.DataFrame:
    """Return the population stability index of each signal, by level and in total; charges nothing.

    Parameters
    ----------
    baseline
        The table to compare with; None takes the first period of `df` (then `period` must be
        given).
    period, freq
        A date column, to compare each period (month "M", quarter "Q", week "W", on the column's own
        clock) on its own.
    by, weight, missing, as_of, late
        As in `risk_table`; the baseline needs the columns, too.

    Returns
    -------
    DataFrame indexed by (period,) signal and level, each signal ending in the level "total": n,
    share_before, share, psi = sum of (share - share_before) ln(share / share_before), and corrected
    (0.5 was added to a level's two counts, as one of them is zero). Rule of thumb: below 0.1
    stable, to 0.25 look, above it moved. Few rows a period move it by chance alone.

    Raises RiskInputError where the baseline lacks a signal or a level, or the period is no date.

    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> levels = pd.Categorical(["low", "high"], dtype=pna.ACTIVE_LEVEL)
    >>> book = pd.DataFrame({"active_level": levels})
    >>> pna.risk.stability(book, book, "active_level").loc[("active_level", "total"), "psi"].item()
    0.0
    """
    names = signal_columns(df, by)
    if baseline is None and period is None:
        raise RiskInputError(
            "Say with what to compare: baseline=another table, or period=a date column."
        )
    kept = without_late(df, names, as_of, late)
    if baseline is not None:
        _comparable(df, baseline, names, missing)
        baseline = kept if baseline is df else without_late(baseline, names, as_of, late)
    if period is None:
        assert baseline is not None
        return _compared(kept, baseline, names, weight, missing)
    slices = _slices(kept, period, freq)
    first = next(iter(slices.values())) if baseline is None else baseline
    parts = {when: _compared(part, first, names, weight, missing) for when, part in slices.items()}
    return pd.concat(parts, names=["period"])


def _slices(df: pd.DataFrame, period: str, freq: str) -> dict[pd.Period, pd.DataFrame]:
    dates = pd.DatetimeIndex(moments(df, period, local=True))
    if dates.hasnans:
        raise RiskInputError(
            f"{np.count_nonzero(dates.isna()):,} rows have no {period!r}: leave them out, and "
            "say so."
        )
    when = dates.to_period(freq)
    return {key: df[when == key] for key in when.unique().sort_values()}


def _comparable(
    df: pd.DataFrame, baseline: pd.DataFrame, names: list[str], missing: Missing
) -> None:
    need_frame(baseline)
    for name in names:
        if name not in baseline.columns:
            raise RiskInputError(f"The baseline has no column {name!r}.")
        has = [status_column(frame, name) is not None for frame in (df, baseline)]
        if missing == "own_levels" and has[0] != has[1]:
            raise RiskInputError(
                f"One of the two tables has no status column beside {name!r} to tell its rows "
                "without a level apart: "
                'bring the column along, or use missing="one_level".'
            )


def _compared(
    df: pd.DataFrame, baseline: pd.DataFrame, names: list[str], weight: str | None, missing: Missing
) -> pd.DataFrame:
    now, before = weights(df, weight), weights(baseline, weight)
    parts = []
    for mine, other in zip(
        signals(df, names, missing), signals(baseline, names, missing), strict=True
    ):
        if mine.levels != other.levels:
            raise RiskInputError(
                f"The levels of {mine.name!r} differ: {other.levels} before, {mine.levels} now."
            )
        if TOTAL in mine.levels:
            raise RiskInputError(
                f"{mine.name!r} has a level {TOTAL!r}, which is what the sum is called: rename it."
            )
        actual, expected = (
            _sizes(s.codes, load, len(s.levels)) for s, load in ((mine, now), (other, before))
        )
        if not actual.sum() or not expected.sum():
            raise RiskInputError(
                f"No row has a level of {mine.name!r}, so there are no shares to compare."
            )
        psi, corrected = stability_index(expected, actual)
        values = [actual, expected / expected.sum(), actual / actual.sum(), psi, corrected]
        ends = [
            actual.sum(),
            1.0,
            1.0,
            psi.sum(),
            bool((corrected & (actual + expected > 0)).any()),
        ]
        columns = {c: [*value, end] for c, value, end in zip(COLUMNS, values, ends, strict=True)}
        index = pd.MultiIndex.from_product(
            [[mine.name], [*mine.levels, TOTAL]], names=["signal", "level"]
        )
        parts.append(pd.DataFrame(columns, index=index))
    out = pd.concat(parts)
    return out if weight is not None else out.astype({"n": "int64"})


def _sizes(
    codes: np.ndarray[tuple[int], np.dtype[np.int8]],
    load: np.ndarray[tuple[int], np.dtype[np.float64]] | None,
    levels: int,
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    kept = codes >= 0
    return np.bincount(codes[kept], None if load is None else load[kept], levels).astype(float)
