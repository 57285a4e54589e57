"""cross_table: two signals at once."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.formulas import wilson
from pandas_numberactive.risk._engine.inputs import (
    Missing,
    outcomes,
    signal_columns,
    signals,
    weights,
)
from pandas_numberactive.risk._engine.late import Late, without_late
from pandas_numberactive.risk.views import cross_html

CROSS_COLUMNS = ["n", "bads", "bad_rate", "bad_rate_low", "bad_rate_high", "small"]


class CrossTable(pd.DataFrame):
    """A frame that a notebook shows as a heat map; everything else is a DataFrame's."""

    @property
    def _constructor(self) -> type[CrossTable]:
        return CrossTable

    def _repr_html_(self) -> str | None:
        if (
            list(self.columns) != CROSS_COLUMNS
            or self.index.nlevels != 2
            or not self.index.is_unique
        ):
            html: str | None = pd.DataFrame(self)._repr_html_()  # type: ignore[operator]
            return html
        return cross_html(self)


def cross_table(
    df: pd.DataFrame,
    a: str,
    b: str,
    target: str,
    *,
    weight: str | None = None,
    missing: Missing = "drop",
    small: int = 30,
    bad: object = None,
    as_of: str | None = None,
    late: Late = "warn",
) -> CrossTable:
    """Return the bad rate for every pair of levels of two signals; charges nothing.

    Indexed by the levels of `a` and `b`, empty pairs included: n, bads, bad_rate with Wilson's 95%
    interval (missing where n is 0), and small: fewer than `small` customers, hatched in the
    notebook, and not to be read as a rate. Rows without a level of either are left out unless
    `missing` says otherwise. The other parameters and the errors are those of `risk_table`: without
    `as_of` nobody checks whether the answers saw the outcome.

    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "low", "high", "high"], dtype=pna.ACTIVE_LEVEL)
    >>> kind = pd.Categorical(["prepaid"] * 4, dtype=pna.TELCO_TYPE)
    >>> book = pd.DataFrame({"active_level": level, "telco_type": kind, "defaulted": [1, 0, 0, 0]})
    >>> table = pna.risk.cross_table(book, "active_level", "telco_type", "defaulted")
    >>> table.loc[("low", "prepaid"), "n"].item()
    2
    """
    names = signal_columns(df, [a, b])
    if len(names) < 2:
        raise RiskInputError("A signal crossed with itself says nothing new: name two.")
    df = without_late(df, names, as_of, late)
    bits, load = outcomes(df, target, bad), weights(df, weight)
    one, two = signals(df, names, missing)
    width = len(two.levels)
    codes = np.where(
        (one.codes < 0) | (two.codes < 0), -1, one.codes.astype(np.int64) * width + two.codes
    )
    index = pd.MultiIndex.from_product([one.levels, two.levels], names=[one.name, two.name])
    goods, bads = _count(codes, bits, load, len(index))
    n = goods + bads
    low, high = wilson(bads, n)
    rate = np.divide(bads, n, out=np.full(len(n), np.nan), where=n > 0)
    frame = pd.DataFrame(
        dict(zip(CROSS_COLUMNS, (n, bads, rate, low, high, (n < small) | (n == 0)), strict=True)),
        index=index,
    )
    return CrossTable(frame if load is not None else frame.astype({"n": "int64", "bads": "int64"}))


def _count(
    codes: np.ndarray[tuple[int], np.dtype[np.int64]],
    bits: np.ndarray[tuple[int], np.dtype[np.int8]],
    load: np.ndarray[tuple[int], np.dtype[np.float64]] | None,
    cells: int,
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]
]:
    kept = codes >= 0
    chosen = None if load is None else load[kept]
    both = np.bincount(codes[kept] * 2 + bits[kept], chosen, 2 * cells).astype(float).reshape(-1, 2)
    return both[:, 0], both[:, 1]
