"""The question of periods: the signal's effect from month to month."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
import pandas as pd

from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.book.dates import period_codes
from pandas_numberactive.risk._engine.book.population import Population, populations
from pandas_numberactive.risk._engine.book.terms import Common, takes_terms
from pandas_numberactive.risk._engine.stats.covariance import intervals, level_rates
from pandas_numberactive.risk._engine.strata import Effect, effects, feature, homogeneity, whole
from pandas_numberactive.risk._engine.views import TOTAL, Shown, note_left_out, note_tests


@takes_terms
def by_period(
    df: pd.DataFrame,
    by: str | Sequence[str],
    target: str,
    period: str,
    *,
    freq: str = "M",
    **common: Unpack[Common],
) -> Shown:
    """Return the bad rate of each level in each period, and if the effect holds. Charges nothing.

    Parameters
    ----------
    df
        The table, one row an application.
    period, freq
        A date column, and the length of a period: month "M", quarter "Q", week "W".
    by, target, as_of, late, within, tz, cluster, weight, counts, bad, mature
        As in `risk_table`. Rows without a level are left out.

    Returns
    -------
    pandas.DataFrame
        Indexed by signal, period and level, each period ending in the level "total". n; bads;
        bad_rate with its 95% interval bad_rate_low to bad_rate_high; on the lines "total" also
        odds_ratio with its 95% interval: of one level lower where levels are ordered, of the worst
        level against the others otherwise (missing with fewer than 5 bads or goods). `.tests` has
        one line a signal: the odds ratio over all periods, each with a bad rate of its own, and
        chi2, df and p_value of Cochran's test that it is the same in all of them (1954).

    Raises
    ------
    RiskInputError, ColumnNotFoundError
        Where rows lack the period, and where `risk_table` raises.

    Notes
    -----
    A p_value of 0.05 and more does not prove that the effect is constant: look at the intervals.

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "high"] * 20, dtype=pna.ACTIVE_LEVEL)
    >>> days = pd.to_datetime(["2026-01-05"] * 20 + ["2026-02-05"] * 20)
    >>> book = pd.DataFrame({"active_level": level, "day": days, "defaulted": [1, 0, 0, 1, 0] * 8})
    >>> table = pna.risk.by_period(book, "active_level", "defaulted", "day")
    >>> table.loc[("active_level", "2026-01", "low"), "n"].item()
    10
    """
    when, names = period_codes(df, period, freq, common.get("tz"))
    found = populations(df, by, target, missing="drop", **common)
    parts = []
    tests: dict[str, dict[str, float]] = {}
    for one in found:
        of = feature(one)
        mine = when[one.at]
        by_part = effects(one, mine, len(names), of)
        parts.append(_lines(one, mine, names, by_part))
        tests[one.signal] = _tested(by_part, whole(one, of, mine))
    out = Shown(pd.concat(parts))
    return note_tests(note_left_out(out, found), tests)


def _lines(
    found: Population, when: np.ndarray[Any, Any], names: tuple[Any, ...], by_part: list[Effect]
) -> pd.DataFrame:
    if TOTAL in found.levels:
        raise RiskInputError(
            f"{found.signal!r} has a level {TOTAL!r}, which is what the sum is called: rename it."
        )
    blocks = []
    for part, (name, effect) in enumerate(zip(names, by_part, strict=True)):
        here = found.restricted(when == part)
        if len(here):
            blocks.append(_block(here, name, effect))
    out = pd.concat(blocks)
    return out if found.weight is not None else out.astype({"n": "int64", "bads": "int64"})


def _block(here: Population, name: Any, effect: Effect) -> pd.DataFrame:
    goods, bads = here.cells()
    low, high = intervals(here)
    total = here.merged()
    low_all, high_all = intervals(total)
    odds, odds_low, odds_high = effect.odds_ratio
    blank = [np.nan] * len(bads)
    columns = {
        "n": [*(goods + bads), goods.sum() + bads.sum()],
        "bads": [*bads, bads.sum()],
        "bad_rate": [*level_rates(here), *level_rates(total)],
        "bad_rate_low": [*low, *low_all],
        "bad_rate_high": [*high, *high_all],
        "odds_ratio": [*blank, odds],
        "odds_ratio_low": [*blank, odds_low],
        "odds_ratio_high": [*blank, odds_high],
    }
    index = pd.MultiIndex.from_product(
        [[here.signal], [name], [*here.levels, TOTAL]], names=["signal", "period", "level"]
    )
    return pd.DataFrame(columns, index=index)


def _tested(parts: list[Effect], over_all: Effect) -> dict[str, float]:
    test = homogeneity(parts)
    odds, low, high = over_all.odds_ratio
    return {
        "odds_ratio": odds,
        "odds_ratio_low": low,
        "odds_ratio_high": high,
        "chi2": test.chi2,
        "df": test.df,
        "p_value": test.p,
    }
