"""The question of lateness: the signal's effect by the time between decision and look-up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
import pandas as pd

from pandas_numberactive.risk._engine import lag
from pandas_numberactive.risk._engine.book.dates import dated_late_rows, lag_days
from pandas_numberactive.risk._engine.book.population import Population, populations
from pandas_numberactive.risk._engine.book.terms import Common, Terms, takes_terms
from pandas_numberactive.risk._engine.lag import NAMES
from pandas_numberactive.risk._engine.stats.covariance import Rows, level_rates
from pandas_numberactive.risk._engine.strata import (
    Effect,
    against_others,
    effects,
    worst_level,
)
from pandas_numberactive.risk._engine.views import Shown, note_left_out, note_tests


@takes_terms
def lateness(
    df: pd.DataFrame, by: str | Sequence[str], target: str, **common: Unpack[Common]
) -> Shown:
    """Return the signal's effect by the lag between decision and look-up. Charges nothing.

    An answer bought after the loan was granted may have seen its outcome: people who default often
    stop using the phone. The effect then grows with the lag. The vendor's page has no date
    parameter, so a retro test on old loans is late by construction.

    Parameters
    ----------
    df
        The table, one row an application.
    as_of
        The column with the date of the decision; needed.
    by, target, within, tz, cluster, weight, counts, bad, mature
        As in `risk_table`. All rows asked are compared, whatever their lag. Those within `within`
        are fresh.

    Returns
    -------
    pandas.DataFrame
        Indexed by signal and lag: 0 to 7 days (and before the decision), 7 to 30, 30 to 60, 60 to
        90, 90 to 180, 180 and more. n; bads; bad_rate; odds_ratio of the worst level against the
        others, with its 95% interval (missing with fewer than 5 bads or goods). `.tests` has one
        line a signal: level, the worst one (highest lower Wilson bound, at least 30 rows); growth,
        the factor of its odds ratio from fresh answers to those of three months on, with its
        interval and p_value (logistic regression; levels count by their log-odds over all lags,
        and each lag has a bad rate of its own); verdict,
        by which `RetroTest` decides, too: "clean"; "grows with the lag: use the fresh rows", or
        "shrinks" likewise, with p_value below 0.05; "too few fresh rows: cannot tell" with fewer
        than 30 fresh bads or goods, or where these rows would not show a doubling with 80% power;
        "no fresh rows: cannot tell".

    Raises
    ------
    RiskInputError, ColumnNotFoundError
        Without as_of, and where `risk_table` raises.

    Notes
    -----
    "clean" means that no growth was found where a doubling would have been. Of made-up books of
    5,000 rows, half of them fresh, an odds ratio of 1.5 shown as 3.0 is found in nearly all
    (tests/risk/simulations.md).

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "high"] * 20, dtype=pna.ACTIVE_LEVEL)
    >>> book = pd.DataFrame({"active_level": level, "defaulted": [1, 0, 0, 1, 0] * 8})
    >>> book["looked_up_at"] = pd.Timestamp("2026-05-01", tz="UTC")
    >>> book["day"] = pd.Timestamp("2025-05-01")
    >>> table = pna.risk.lateness(book, "active_level", "defaulted", as_of="day")
    >>> table.tests["verdict"].item()
    'no fresh rows: cannot tell'
    """
    common["late"] = "keep"
    terms = Terms(**common)
    found = populations(df, by, target, **common)
    late = dated_late_rows(df, [one.signal for one in found], terms)
    parts = []
    tests: dict[str, dict[str, Any]] = {}
    for one in found:
        days = lag_days(df, one.signal, terms)[one.at]
        test = lag.lateness_of(one, days, late[one.signal][one.at])
        of = against_others(one)
        parts.append(_lines(one, test.groups, effects(one, test.groups, len(NAMES), of)))
        tests[one.signal] = _verdict(one, test)
    out = Shown(pd.concat(parts))
    return note_tests(note_left_out(out, found), tests)


def _lines(
    found: Population,
    groups: np.ndarray[Any, Any],
    by_part: list[Effect],
) -> pd.DataFrame:
    rows = Rows(NAMES, groups, found.bad, found.weight, found.counts, found.cluster)
    goods, bads = rows.cells()
    kind = np.float64 if found.weight is not None else np.int64
    ratios = np.array([effect.odds_ratio for effect in by_part])
    columns = {
        "n": (goods + bads).astype(kind),
        "bads": bads.astype(kind),
        "bad_rate": level_rates(rows),
        "odds_ratio": ratios[:, 0],
        "odds_ratio_low": ratios[:, 1],
        "odds_ratio_high": ratios[:, 2],
    }
    index = pd.MultiIndex.from_product([[found.signal], NAMES], names=["signal", "lag"])
    return pd.DataFrame(columns, index)


def _verdict(found: Population, test: lag.Lateness) -> dict[str, Any]:
    factor, low, high = test.growth.odds_ratio
    return {
        "level": found.levels[worst_level(found)],
        "growth": factor,
        "growth_low": low,
        "growth_high": high,
        "p_value": test.growth.p,
        "verdict": test.reading.value,
    }
