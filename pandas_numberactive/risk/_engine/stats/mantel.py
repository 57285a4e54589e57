"""Association within strata: Mantel and Haenszel's odds ratio, and tests given the strata.

Counts are arrays: `goods` and `bads` of shape (strata, levels).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pandas_numberactive.risk._engine.stats.logistic import Test
from pandas_numberactive.risk._engine.stats.tails import Z95, chi_square_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OddsRatio:
    """A common odds ratio with its 95% interval."""

    value: float
    low: float
    high: float


def odds_ratio(a: Floats, b: Floats, c: Floats, d: Floats) -> OddsRatio:
    """Return the common odds ratio of 2 x 2 tables (Mantel and Haenszel 1959).

    a and b are bads and goods with the level, c and d those without it, one each a stratum. The
    interval takes the variance of Robins, Breslow and Greenland (1986).
    """
    n = np.maximum(a + b + c + d, 1e-300)
    r = a * d / n
    s = b * c / n
    top = r.sum()
    bottom = s.sum()
    if top <= 0 or bottom <= 0:
        return OddsRatio(math.nan, math.nan, math.nan)
    p = (a + d) / n
    q = (b + c) / n
    variance = (
        (p * r).sum() / (2 * top**2)
        + (p * s + q * r).sum() / (2 * top * bottom)
        + (q * s).sum() / (2 * bottom**2)
    )
    middle = math.log(top / bottom)
    half = Z95 * math.sqrt(variance)
    return OddsRatio(math.exp(middle), math.exp(middle - half), math.exp(middle + half))


def level_odds_ratio(goods: Floats, bads: Floats, level: int) -> OddsRatio:
    """Return the common odds ratio of one level against all others."""
    return odds_ratio(*_against_rest(goods, bads, level))


def _against_rest(
    goods: Floats,
    bads: Floats,
    level: int,
) -> tuple[Floats, Floats, Floats, Floats]:
    a = bads[:, level]
    b = goods[:, level]
    return a, b, bads.sum(axis=1) - a, goods.sum(axis=1) - b


def homogeneity(goods: Floats, bads: Floats, level: int) -> Test:
    """Return the test that a level's odds ratio is the same in all strata.

    Breslow and Day (1980) with Tarone's correction (1985). Strata with an empty margin say nothing
    and are left out.
    """
    a, b, c, d = _against_rest(goods, bads, level)
    useful = (a + b > 0) & (c + d > 0) & (a + c > 0) & (b + d > 0)
    common = odds_ratio(a, b, c, d).value
    df = int(useful.sum()) - 1
    if df < 1 or math.isnan(common):
        return Test(math.nan, 0, math.nan)
    a, b, c, d = (cells[useful] for cells in (a, b, c, d))
    expected = _expected(a + b, a + c, a + b + c + d, common)
    rest = np.stack([a + b - expected, a + c - expected, d - a + expected])
    variance = 1 / (1 / expected + (1 / rest).sum(axis=0))
    gap = a - expected
    chi2 = float((gap**2 / variance).sum() - gap.sum() ** 2 / variance.sum())
    return Test(chi2, df, chi_square_tail(chi2, df))


def _expected(row: Floats, bads: Floats, n: Floats, common: float) -> Floats:
    """Return the first cell that gives each table the common odds ratio and its own margins."""
    if math.isclose(common, 1.0, rel_tol=1e-12):
        return row * bads / n
    linear = n - row - bads + common * (row + bads)
    square = 1 - common
    root = np.sqrt(np.maximum(linear**2 + 4 * square * common * row * bads, 0.0))
    # The form that subtracts no nearly equal numbers.
    expected: Floats = 2 * common * row * bads / (linear + root)
    return expected


def general_association(goods: Floats, bads: Floats) -> Test:
    """Return the test that bad rates differ between levels within strata.

    The generalised Cochran-Mantel-Haenszel statistic (Landis, Heyman and Koch 1978).
    """
    used = (goods + bads).sum(axis=0) > 0
    return quadratic(*score_and_variance(goods[:, used], bads[:, used]))


def trend_within(goods: Floats, bads: Floats) -> tuple[float, float]:
    """Return the score of a trend over equally spaced levels within strata, and its variance.

    Their ratio score / sqrt(variance) is Mantel's extension test (1963); both add up over batches.
    """
    score, variance = score_and_variance(goods, bads, full=True)
    steps = np.arange(goods.shape[1], dtype=float)
    return float(steps @ score), float(steps @ variance @ steps)


def score_and_variance(
    goods: Floats,
    bads: Floats,
    *,
    full: bool = False,
) -> tuple[Floats, Floats]:
    """Return observed less expected bads a level, and their hypergeometric covariance."""
    n = goods + bads
    size = n.sum(axis=1)
    kept = size > 1
    n = n[kept]
    size = size[kept]
    bad = bads[kept].sum(axis=1)
    share = n / size[:, None]
    score = (bads[kept] - bad[:, None] * share).sum(axis=0)
    scale = bad * (size - bad) / (size - 1)
    variance = np.diag((scale[:, None] * share).sum(axis=0)) - (share * scale[:, None]).T @ share
    return (score, variance) if full else without_last(score, variance)


def without_last(score: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Return scores and covariance without the last level, which the others determine."""
    return score[:-1], variance[:-1, :-1]


def quadratic(score: Floats, variance: Floats) -> Test:
    """Return the chi-square test that a score vector is zero."""
    if not len(score):
        return Test(math.nan, 0, math.nan)
    df = int(np.linalg.matrix_rank(variance, hermitian=True))
    if not df:
        return Test(math.nan, 0, math.nan)
    chi2 = float(score @ np.linalg.pinv(variance, hermitian=True) @ score)
    return Test(chi2, df, chi_square_tail(chi2, df))


def corrected(test: Test, deff: float) -> Test:
    """Return a test of independent rows, divided by a design effect (Rao and Scott 1981)."""
    if deff == 1.0 or not test.df:
        return test
    chi2 = test.chi2 / deff
    return Test(chi2, test.df, chi_square_tail(chi2, test.df))


def dependent_association(
    level: NDArray[np.int64],
    stratum: NDArray[np.int64],
    bits: Floats,
    load: Floats,
    cluster: NDArray[np.int64],
) -> Test:
    """Return the test of general association with sampling weights and dependent rows.

    The score is that of `general_association`; its covariance is the sum over clusters of the
    squared sums of the rows' contributions, which is right under weights and repeat customers.
    """
    score, variance = dependent_score(level, stratum, bits, load, cluster)
    return quadratic(*without_last(score, variance))


def dependent_score(
    level: NDArray[np.int64],
    stratum: NDArray[np.int64],
    bits: Floats,
    load: Floats,
    cluster: NDArray[np.int64],
) -> tuple[Floats, Floats]:
    """Return observed less expected bads a level, and their covariance over clusters."""
    levels = int(level.max(initial=-1)) + 1
    strata = int(stratum.max(initial=-1)) + 1
    size = np.bincount(stratum, load, strata)
    size = np.where(size > 0, size, 1.0)
    rate = (np.bincount(stratum, load * bits, strata) / size)[stratum]
    cells = np.bincount(stratum * levels + level, load, strata * levels).reshape(strata, levels)
    share = (cells / size[:, None])[stratum]
    gap = load * (bits - rate)
    groups = int(cluster.max(initial=-1)) + 1
    parts = np.empty((groups, levels))
    for at in range(levels):
        parts[:, at] = np.bincount(cluster, gap * ((level == at) - share[:, at]), groups)
    return parts.sum(axis=0), parts.T @ parts
