"""trend: the direction of the bad rate from level to level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.book.inputs import column, signal_columns
from pandas_numberactive.risk._engine.book.population import Population, populations
from pandas_numberactive.risk._engine.book.terms import Common, takes_terms
from pandas_numberactive.risk._engine.stats.covariance import level_rates
from pandas_numberactive.risk._engine.stats.significance import holm, trend_test
from pandas_numberactive.risk._engine.views import Shown, note_left_out, with_late

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIRECTIONS = pd.CategoricalDtype(["falling", "rising", "flat", "mixed"])


@takes_terms
def trend(
    df: pd.DataFrame, by: str | Sequence[str], target: str, **common: Unpack[Common]
) -> Shown:
    """Return, for each ordered signal, the direction of its bad rate and a test for a trend.

    Charges nothing. Rows without a level are left out.

    Parameters
    ----------
    df
        The table, one row an application.
    by, target, as_of, late, within, tz, cluster, weight, counts, bad, mature
        As in `risk_table`. `by="all"` takes the ordered signals only.

    Returns
    -------
    pandas.DataFrame
        Indexed by signal. n; levels (with rows); `rate_at_...`, the bad rate of each level (missing
        where it has no rows); direction: falling, rising, flat or mixed (missing with fewer than
        two levels); z and p_value of the Cochran-Armitage test (Cochran 1954, Armitage 1955) with
        scores 0, 1, 2, with sampling weights or repeat customers of the robust score test; p_holm:
        corrected for the number of signals; tested: False where there is nothing to compare; late:
        rows that are late, kept or dropped. A direction that rests on late answers says so:
        "falling, but 12 of 340 answers are late". A small p says "a trend", not "a strong one":
        look at the rates.

    Raises
    ------
    RiskInputError, ColumnNotFoundError
        Where a signal has no order, and where `risk_table` raises.

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "low", "high", "high"], dtype=pna.ACTIVE_LEVEL)
    >>> book = pd.DataFrame({"active_level": level, "defaulted": [1, 1, 1, 0]})
    >>> pna.risk.trend(book, "active_level", "defaulted").loc["active_level", "direction"]
    'falling'
    """
    ordered = _ordered(df, by)
    found = populations(df, ordered, target, missing="drop", **common)
    out = pd.DataFrame([_line(one) for one in found]).set_index("signal")
    out["p_holm"] = holm(out["p_value"])
    out["tested"] = out["z"].notna()
    out["late"] = [one.late for one in found]
    out["direction"] = with_late(pd.Categorical(out["direction"], dtype=DIRECTIONS), found)
    if found[0].weight is None:
        out = out.astype({"n": "int64"})
    return note_left_out(Shown(out), found)


def _ordered(df: pd.DataFrame, by: str | Sequence[str]) -> list[str]:
    """Return the signals with ordered levels. Raise where one that was named has none."""
    names = signal_columns(df, by)
    # What is no category is refused with the other inputs.
    ordered = [name for name in names if getattr(column(df, name).dtype, "ordered", True)]
    if by != "all" and len(ordered) < len(names):
        wrong = next(name for name in names if name not in ordered)
        raise RiskInputError(
            f"The levels of {wrong!r} have no order, so there is no trend; use risk_table."
        )
    if not ordered:
        raise RiskInputError(
            "No signal here has ordered levels, so there is no trend; use risk_table."
        )
    return ordered


def _line(found: Population) -> dict[str, object]:
    goods, bads = found.cells()
    n = goods + bads
    rates = level_rates(found)
    z, p = trend_test(found)
    by_level = {f"rate_at_{name}": rate for name, rate in zip(found.levels, rates, strict=True)}
    return {
        "signal": found.signal,
        "n": n.sum(),
        "levels": int((n > 0).sum()),
        **by_level,
        "direction": _direction(rates),
        "z": z,
        "p_value": p,
    }


def _direction(rates: NDArray[np.float64]) -> str | float:
    steps = np.diff(rates[~np.isnan(rates)])
    if not len(steps):
        return math.nan
    steps = np.where(np.abs(steps) < 1e-12, 0, steps)  # fractions of weights do not add up exactly
    if not steps.any():
        return "flat"
    if (steps >= 0).all():
        return "rising"
    return "falling" if (steps <= 0).all() else "mixed"
