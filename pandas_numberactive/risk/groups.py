"""The question of segments: for which customers the signal works, and whose approval it changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
import pandas as pd

from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.book.bands import bands_of
from pandas_numberactive.risk._engine.book.population import (
    LEAST,
    Population,
    populations,
    values_at,
)
from pandas_numberactive.risk._engine.book.terms import Common, takes_terms
from pandas_numberactive.risk._engine.stats.covariance import Rows, intervals, level_rates
from pandas_numberactive.risk._engine.stats.significance import holm
from pandas_numberactive.risk._engine.strata import Effect, effects, feature, homogeneity
from pandas_numberactive.risk._engine.views import Shown, note_left_out, note_tests

MOST = 50  # segments: beyond, most are too small to compare


@takes_terms
def segments(
    df: pd.DataFrame,
    by: str | Sequence[str],
    target: str,
    segment: str,
    *,
    score: str | None = None,
    cut: int = 10,
    **common: Unpack[Common],
) -> Shown:
    """Return the effect and the approvals of each segment of customers. Charges nothing.

    Parameters
    ----------
    df
        The table, one row an application.
    segment
        A column with a few values, such as a product, a city or an age group.
    score, cut
        The score in use, cut into `cut` bands, within which the effect is measured. Without it the
        effect includes what a score may know already.
    by, target, as_of, late, within, tz, cluster, weight, counts, bad, mature
        As in `risk_table`. Rows without a level are left out.

    Returns
    -------
    pandas.DataFrame
        Indexed by signal and segment. n; bads; bad_rate with its 95% interval; odds_ratio with its
        95% interval: of one level lower where levels are ordered, of the worst level against the
        others otherwise (missing with fewer than 5 bads or goods); p_value, and p_holm, corrected
        for all segments and signals; approved: the share that is left where the worst level of the
        whole book is declined; approved_ratio: over that of the largest segment (below 0.8 is often
        taken for a sign of disparate impact). `.tests` has one line a signal: chi2, df and p_value
        of Cochran's test that the effect is the same in all segments, and the level declined.

    Raises
    ------
    RiskInputError, ColumnNotFoundError
        For more than 50 segments, and where `risk_table` raises.

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "high"] * 20, dtype=pna.ACTIVE_LEVEL)
    >>> book = pd.DataFrame({"active_level": level, "city": ["A"] * 24 + ["B"] * 16,
    ...                      "defaulted": [1, 0, 0, 1, 0] * 8})
    >>> table = pna.risk.segments(book, "active_level", "defaulted", "city")
    >>> table.loc[("active_level", "B"), "approved_ratio"].item()
    1.0
    """
    found = populations(df, by, target, missing="drop", **common)
    parts = []
    tests: dict[str, dict[str, Any]] = {}
    for one in found:
        codes, names = _segments(df, segment, one)
        bands = None if score is None else bands_of(df, one, score, None, cut).codes
        of = feature(one)
        by_part = effects(one, codes, len(names), of, bands)
        worst = _worst(one)
        parts.append(_lines(one, codes, names, by_part, worst))
        test = homogeneity(by_part)
        tests[one.signal] = {
            "declined": one.levels[worst],
            "chi2": test.chi2,
            "df": test.df,
            "p_value": test.p,
        }
    out = pd.concat(parts)
    out.insert(list(out.columns).index("p_value") + 1, "p_holm", holm(out["p_value"]))
    out.index.names = ["signal", segment]
    return note_tests(note_left_out(Shown(out), found), tests)


def _segments(
    df: pd.DataFrame, segment: str, found: Population
) -> tuple[np.ndarray[Any, Any], list[str]]:
    """Return the segment of each asked row as a code, and the names. Missing ones are "missing"."""
    values = values_at(df, segment, found).astype("category").cat.remove_unused_categories()
    names = [str(name) for name in values.cat.categories]
    codes = values.cat.codes.to_numpy().astype(np.int64)
    if (codes < 0).any():
        codes = np.where(codes < 0, len(names), codes)
        names.append("missing")
    if len(names) > MOST:
        raise RiskInputError(
            f"{segment!r} has {len(names)} values; at most {MOST} segments can be compared. Group "
            "them first."
        )
    return codes, names


def _worst(found: Population) -> int:
    """Return the level with the highest lower end of its interval, of those with 30 customers."""
    goods, bads = found.units()
    enough = goods + bads >= LEAST
    if not enough.any():
        enough = goods + bads > 0
    low, _ = intervals(found)
    return int(np.argmax(np.where(enough, low, -1.0)))


def _lines(
    found: Population,
    codes: np.ndarray[Any, Any],
    names: list[str],
    by_part: list[Effect],
    worst: int,
) -> pd.DataFrame:
    rows = Rows(tuple(names), codes, found.bad, found.weight, found.counts, found.cluster)
    goods, bads = rows.cells()
    n = goods + bads
    low, high = intervals(rows)
    load = None if found.load is None else found.load[found.codes == worst]
    declined = np.bincount(codes[found.codes == worst], load, len(names))
    ratios = np.array([one.odds_ratio for one in by_part])
    approved = 1 - declined / n
    largest = approved[int(np.argmax(n))] or math.nan
    whole = found.weight is None
    columns = {
        "n": n.astype(np.int64) if whole else n,
        "bads": bads.astype(np.int64) if whole else bads,
        "bad_rate": level_rates(rows),
        "bad_rate_low": low,
        "bad_rate_high": high,
        "odds_ratio": ratios[:, 0],
        "odds_ratio_low": ratios[:, 1],
        "odds_ratio_high": ratios[:, 2],
        "p_value": [one.p for one in by_part],
        "approved": approved,
        "approved_ratio": approved / largest,
    }
    return pd.DataFrame(columns, pd.MultiIndex.from_product([[found.signal], names]))
