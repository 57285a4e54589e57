"""trend: does the bad rate go one way from level to level?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.formulas import cochran_armitage
from pandas_numberactive.risk._engine.inputs import (
    column,
    outcomes,
    signal_columns,
    signals,
    weights,
)
from pandas_numberactive.risk._engine.late import Late, without_late
from pandas_numberactive.risk.tables import counts
from pandas_numberactive.risk.views import Summary

DIRECTIONS = pd.CategoricalDtype(["falling", "rising", "flat", "mixed"])


def trend(
    df: pd.DataFrame,
    by: str | Sequence[str],
    target: str,
    *,
    weight: str | None = None,
    bad: object = None,
    as_of: str | None = None,
    late: Late = "warn",
) -> Summary:
    """Return, for each ordered signal, whether the bad rate is monotone over its levels, with a
    test for a trend.

    Charges nothing. Rows without a level are left out. `by="all"` takes the ordered signals only.
    Columns: n, levels (with rows), one bad rate a level (missing where it has no rows), direction
    (falling, rising, flat, mixed; missing with fewer than two levels), z and p_value of the
    Cochran-Armitage test (Cochran 1954, Armitage 1955) with scores 0, 1, 2; tested is False where
    the test has nothing to compare (z and p_value are missing then). Small p says "a trend", not "a
    strong one"; look at the rates. The parameters and the errors are those of `risk_table`: without
    `as_of` nobody checks whether the answers saw the outcome.

    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "low", "high", "high"], dtype=pna.ACTIVE_LEVEL)
    >>> book = pd.DataFrame({"active_level": level, "defaulted": [1, 1, 1, 0]})
    >>> pna.risk.trend(book, "active_level", "defaulted").loc["active_level", "direction"]
    'falling'
    """
    names = signal_columns(df, by)
    ordered = [
        name for name in names if getattr(column(df, name).dtype, "ordered", True)
    ]  # no category: told below
    if by != "all" and len(ordered) < len(names):
        wrong = next(name for name in names if name not in ordered)
        raise RiskInputError(
            f"The levels of {wrong!r} have no order, so there is no trend; use risk_table."
        )
    if not ordered:
        raise RiskInputError(
            "No signal here has ordered levels, so there is no trend; use risk_table."
        )
    df = without_late(df, names, as_of, late)
    bits, load = outcomes(df, target, bad), weights(df, weight)
    rows = {}
    for signal in signals(df, ordered, "drop"):
        goods, bads = counts(signal, bits, load)
        n = goods + bads
        z, p = cochran_armitage(bads, n)
        rates = np.divide(bads, n, out=np.full(len(n), np.nan), where=n > 0)
        row: dict[str, object] = {"n": n.sum(), "levels": int((n > 0).sum())}
        row |= {f"bad_rate_{level}": rate for level, rate in zip(signal.levels, rates, strict=True)}
        rows[signal.name] = row | {
            "direction": _direction(rates),
            "z": z,
            "p_value": p,
            "tested": not math.isnan(z),
        }
    out = pd.DataFrame.from_dict(rows, orient="index").rename_axis("signal")
    return Summary(out.astype({"direction": DIRECTIONS} | ({"n": "int64"} if load is None else {})))


def _direction(rates: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str | None:
    steps = np.diff(rates[~np.isnan(rates)])
    if not len(steps):
        return None
    steps = np.where(np.abs(steps) < 1e-12, 0, steps)  # fractions of weights do not add up exactly
    if not steps.any():
        return "flat"
    return "rising" if (steps >= 0).all() else "falling" if (steps <= 0).all() else "mixed"
