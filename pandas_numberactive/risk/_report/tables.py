"""The tables of the report, one a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pandas_numberactive.risk._engine import lag, ratios
from pandas_numberactive.risk._engine.book.inputs import outcomes, status_column
from pandas_numberactive.risk._engine.book.population import values_at
from pandas_numberactive.risk._engine.retro_terms import common_of
from pandas_numberactive.risk._engine.stats import ranking
from pandas_numberactive.risk._engine.stats.covariance import intervals
from pandas_numberactive.risk._engine.stats.formulas import stability_index, wilson
from pandas_numberactive.risk._engine.stats.significance import holm
from pandas_numberactive.risk._engine.stats.tails import chi_square_point
from pandas_numberactive.risk._engine.strata import worst_level
from pandas_numberactive.risk._report.evidence import month_codes
from pandas_numberactive.risk._report.masking import NO_CELL, PARTS, masked
from pandas_numberactive.risk._report.rule import Finding
from pandas_numberactive.risk.swaps import AVOIDED, SWAP_IN, SWAP_OUT, swap_set

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pandas_numberactive.risk._engine.banded import Banded
    from pandas_numberactive.risk._engine.retro_terms import RetroTerms
    from pandas_numberactive.risk._report.evidence import Evidence

    Ints = NDArray[np.int64]

MOST_PARTS = 36  # months or segments on the page
_GROUPS = {
    "answered": "answered",
    "no_data": "no data",
    "failed": "failed",
    "uncertain": "failed",
    "quarantined": "failed",
    "pending": "failed",
}
NO_LEVEL = "no level"  # asked and paid for; "no data" is the look-up that brought no signal at all
COVERED = ("answered", "no data", "failed", "not asked")
_WITHIN = {"failed": 1, "not asked": 1}  # apart from the rows asked, whose number is on the page


def coverage(terms: RetroTerms, df: pd.DataFrame, one: Evidence) -> pd.DataFrame:
    """Return rows and bad rate by the fate of the look-up: matched against unmatched."""
    bits = outcomes(df, terms.target, terms.bad).astype(float)
    status = status_column(df, one.signal)
    if status is None:
        known = df[one.signal].notna()
        group: Any = np.where(known, "answered", "not asked")
    else:
        group = df[status].astype("object").map(_GROUPS).fillna("not asked")
    codes = pd.Categorical(group, categories=list(COVERED)).codes
    n = np.bincount(codes, minlength=len(COVERED)).astype(float)
    bads = np.bincount(codes, bits, len(COVERED))
    table = _rates(n, bads, list(COVERED))
    table.insert(1, "share", table["n"] / len(df))
    table.attrs[PARTS] = _WITHIN
    return table.rename_axis("look-up")


def _rates(n: Any, bads: Any, names: list[str]) -> pd.DataFrame:
    low, high = wilson(bads, n)
    rate = np.divide(bads, n, out=np.full(len(n), np.nan), where=n > 0)
    columns = {"n": n, "bads": bads, "bad_rate": rate, "bad_rate_low": low, "bad_rate_high": high}
    return pd.DataFrame(columns, index=pd.Index(names))


def levels(one: Evidence) -> pd.DataFrame:
    """Return the bad rate of each level."""
    assert one.banded is not None
    goods, bads = one.rows.cells()
    own = one.rows.levels[: one.rows.own]
    rest = one.rows.levels[one.rows.own :]
    table = _rates(goods + bads, bads, [*own, *(NO_LEVEL for _ in rest)])
    table["bad_rate_low"], table["bad_rate_high"] = intervals(one.rows)
    return table.rename_axis("level")


def separated(found: list[Evidence]) -> pd.DataFrame:
    """Return AUC, Gini and KS of each ordered signal on the rows with a level."""
    lines = {}
    for one in found:
        if one.banded is not None and one.rows.ordered:
            own = one.rows.of_own()
            area = ranking.auc(own)
            lines[one.signal] = {
                "auc": area.value,
                "auc_low": area.low,
                "auc_high": area.high,
                "gini": ranking.gini(area).value,
                "ks": ranking.ks(own, ordered=True).value,
            }
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("signal")


def signals(found: list[Evidence], findings: dict[str, Finding]) -> pd.DataFrame:
    """Return the figures that decide, a line a signal."""
    lines = {}
    for one in found:
        if one.line:
            worth = findings[one.signal]
            lines[one.signal] = one.line | {
                "worth": worth.worth,
                "worth_low": worth.low,
                "worth_high": worth.high,
            }
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("signal")


def _parts(banded: Banded, codes: Ints, names: tuple[str, ...], what: str) -> pd.DataFrame:
    level = worst_level(banded.rows)
    lines = {}
    for part in ratios.parts(banded, codes, names, level):
        lines[part.name] = {
            "n": part.n,
            "bads": part.bads,
            "bad_rate": part.bads / part.n if part.n else np.nan,
            "odds_ratio": part.ratio.value,
            "odds_ratio_low": part.ratio.low,
            "odds_ratio_high": part.ratio.high,
            "p_value": part.test.p,
        }
    table = pd.DataFrame.from_dict(lines, orient="index").rename_axis(what)
    table["p_holm"] = holm(table["p_value"])
    return table


def by_band(one: Evidence) -> pd.DataFrame:
    """Return the worst level's odds ratio in each score band."""
    assert one.banded is not None
    return _parts(one.banded, one.banded.bands.codes, one.banded.bands.names, "band")


def by_month(terms: RetroTerms, df: pd.DataFrame, one: Evidence) -> pd.DataFrame:
    """Return the odds ratio, and the shift of the mix with its chance line, by month."""
    assert one.banded is not None
    months, codes = month_codes(terms, df, one.rows)
    table = _parts(one.banded, codes, months, "month")
    table["psi"], table["psi_limit"] = _shift(one, codes, len(months))
    return table.tail(MOST_PARTS)


def _shift(one: Evidence, codes: Ints, months: int) -> tuple[Any, Any]:
    """Return each month's PSI against the first, and the point that chance passes in 5 of 100."""
    width = len(one.rows.levels)
    place = codes * width + one.rows.codes
    n = np.bincount(place, minlength=months * width).reshape(months, width).astype(float)
    psi = [float(stability_index(n[0], row)[0].sum()) for row in n]
    size = n.sum(axis=1)
    df = max(1, int((n.sum(axis=0) > 0).sum()) - 1)
    limit = chi_square_point(0.95, df) * (1 / size + 1 / size[0])
    psi[0] = np.nan
    limit[0] = np.nan
    return psi, limit


def month_test(terms: RetroTerms, df: pd.DataFrame, one: Evidence) -> float:
    """Return the p-value of the test that the odds ratio is the same in all months."""
    assert one.banded is not None
    months, codes = month_codes(terms, df, one.rows)
    level = worst_level(one.rows)
    return ratios.homogeneous(one.banded, codes, len(months), level).p


def by_segment(terms: RetroTerms, df: pd.DataFrame, one: Evidence) -> pd.DataFrame | None:
    """Return the odds ratio in each segment, or None without one."""
    if terms.segment is None:
        return None
    assert one.banded is not None
    values = values_at(df, terms.segment, one.rows).astype("category")
    values = values.cat.remove_unused_categories()
    names = tuple(str(name) for name in values.cat.categories)
    codes = values.cat.codes.to_numpy().astype(np.int64)
    return _parts(one.banded, codes, names, "segment").head(MOST_PARTS)


def by_lag(
    terms: RetroTerms,
    df: pd.DataFrame,
    one: Evidence,
    whole: Banded,
) -> pd.DataFrame:
    """Return the odds ratio by the days between decision and purchase."""
    return _parts(whole, one.lateness.groups, lag.NAMES, "lag")


def swaps(terms: RetroTerms, df: pd.DataFrame, one: Evidence) -> pd.DataFrame | None:
    """Return the swap set of the deciding rows, or None without a score."""
    if terms.score is None or one.banded is None:
        return None
    rows = df.iloc[one.rows.at]
    table = pd.DataFrame(
        swap_set(
            rows,
            one.signal,
            terms.target,
            score=terms.score,
            cut=terms.cut,
            folds=terms.folds,
            seed=terms.seed,
            **common_of(terms),
        )
    )
    table.attrs[PARTS] = {AVOIDED: NO_CELL}
    shown = masked(table).loc[[SWAP_IN, SWAP_OUT], "bads"]
    if all(isinstance(bads, float) for bads in shown):
        return table
    return table.drop(index=AVOIDED)  # the difference of two sets gives one of them away


def watch(one: Evidence, monthly: float) -> pd.DataFrame:
    """Return the limits that a month of new look-ups should keep, three standard errors wide."""
    assert one.banded is not None
    goods, bads = one.rows.cells()
    n = goods + bads
    size = max(monthly, 1.0)
    at = worst_level(one.rows)
    level = one.rows.levels[at]
    share = float(n[at] / n.sum())
    known = float(n[: one.rows.own].sum() / n.sum())
    df = max(1, int((n > 0).sum()) - 1)
    mix = chi_square_point(0.997, df) * (1 / size + 1 / float(n.sum()))
    lines = {
        "share with a level": _limits(known, size),
        f"share of {level!r}": _limits(share, size),
        "mix of levels (PSI)": {"now": 0.0, "alarm_below": np.nan, "alarm_above": mix},
        f"bad rate of {level!r}": _limits(float(bads[at] / n[at]), size * share),
    }
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("figure")


def _limits(rate: float, n: float) -> dict[str, float]:
    low, high = wilson(np.array([rate * n]), np.array([n]), 3.0)
    return {"now": rate, "alarm_below": float(low[0]), "alarm_above": float(high[0])}
