"""cross_table: the bad rate for every pair of levels of two signals."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

import numpy as np
import pandas as pd

from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.book.inputs import Missing, signal_columns
from pandas_numberactive.risk._engine.book.population import Population, populations
from pandas_numberactive.risk._engine.book.terms import Common, takes_terms
from pandas_numberactive.risk._engine.stats.covariance import Rows, intervals, level_rates
from pandas_numberactive.risk._engine.views import CROSS_COLUMNS, Shown, note_left_out


@takes_terms
def cross_table(
    df: pd.DataFrame,
    a: str,
    b: str,
    target: str,
    *,
    missing: Missing = "drop",
    small: int = 30,
    **common: Unpack[Common],
) -> Shown:
    """Return the bad rate for every pair of levels of two signals. Charges nothing.

    Parameters
    ----------
    df
        The table, one row an application.
    a, b
        Two signals.
    missing
        Rows without a level of either are left out by default. With "own_levels" the level "no
        data" is compared, too.
    small
        Customers below which a pair is hatched in the notebook, and not to be read as a rate.
    target, as_of, late, within, tz, cluster, weight, counts, bad, mature
        As in `risk_table`.

    Returns
    -------
    pandas.DataFrame
        Indexed by the levels of `a` and `b`, empty pairs included: n, bads, bad_rate with its 95%
        interval bad_rate_low to bad_rate_high (missing where n is 0), and small. Loans of one
        customer count once for `small`.

    Raises
    ------
    RiskInputError, ColumnNotFoundError
        For a signal crossed with itself, and where `risk_table` raises.

    Examples
    --------
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
    one, two = populations(df, names, target, missing=missing, **common)
    pairs = _paired(one, two)
    index = pd.MultiIndex.from_product([one.levels, two.levels], names=[one.signal, two.signal])
    goods, bads = pairs.cells()
    n = goods + bads
    low, high = intervals(pairs)
    good_units, bad_units = pairs.units()
    few = good_units + bad_units < small
    values = [n, bads, level_rates(pairs), low, high, few | (n == 0)]
    frame = pd.DataFrame(dict(zip(CROSS_COLUMNS, values, strict=True)), index=index)
    if pairs.weight is None:
        frame = frame.astype({"n": "int64", "bads": "int64"})
    return note_left_out(Shown(frame), [one, two])


def _paired(one: Population, two: Population) -> Rows:
    """Return the rows that were asked for both signals, their levels paired."""
    _, mine, theirs = np.intersect1d(
        one.at,
        two.at,
        assume_unique=True,
        return_indices=True,
    )
    both = one.take(mine)
    width = len(two.levels)
    codes = both.codes.astype(np.int64) * width + two.codes[theirs]
    levels = tuple(f"{x} and {y}" for x in one.levels for y in two.levels)
    return replace(both, levels=levels, codes=codes)
