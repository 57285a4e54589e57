"""Tests of one signal against the outcome, adjusted for weights, repeat customers and small cells.

Independent rows of equal weight take the textbook tests. Otherwise the same scores are divided by
their linearised variance under the null hypothesis (Rao and Scott 1984; Boos 1992).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pandas_numberactive.risk._engine.stats.covariance import (
    Rows,
    bessel,
    level_sums,
    scores_covariance,
)
from pandas_numberactive.risk._engine.stats.formulas import caught_by_chance, cochran_armitage
from pandas_numberactive.risk._engine.stats.tails import chi_square_tail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SMALL = 5.0  # expected bads, and goods, below which a level is pooled before it is tested
CHANCE = 0.05  # the p-value from which on a table speaks of no effect


@dataclass(frozen=True)
class ChiSquare:
    """A chi-square test: its statistic, degrees of freedom and p-value, NaN where untestable."""

    chi2: float
    df: int
    p: float


UNTESTED = ChiSquare(math.nan, 0, math.nan)


def pool(goods: Floats, bads: Floats, least: float = SMALL) -> NDArray[np.int64]:
    """Return the group of each level, 0 to g - 1, after pooling small ones. -1 without rows.

    The one rule for small cells. Levels with fewer than `least` expected bads or goods are pooled
    into one group. Where that group is small itself, the smallest other level joins it.
    """
    n = goods + bads
    groups = np.full(len(n), -1, np.int64)
    if not n.any():
        return groups
    small = _small(n, n * min(bads.sum(), goods.sum()) / n.sum(), least)
    groups[n > 0] = np.flatnonzero(n > 0)
    groups[small] = min(small, default=-1)
    _, groups[n > 0] = np.unique(groups[n > 0], return_inverse=True)
    return groups


def _small(n: Floats, expected: Floats, least: float) -> list[int]:
    """Return the levels to pool, by size: the small ones, and who joins them."""
    by_size = [int(at) for at in np.argsort(n, kind="stable") if n[at] > 0]
    small = [at for at in by_size if expected[at] < least]
    large = [at for at in by_size if expected[at] >= least]
    while small and large and expected[small].sum() < least:
        small.append(large.pop(0))
    return small


def levels_test(rows: Rows) -> ChiSquare:
    """Return the test that all levels share one bad rate, small levels pooled."""
    groups = pool(*rows.units())
    width = int(groups.max(initial=-1)) + 1
    if width < 2:
        return UNTESTED
    names = tuple(str(group) for group in range(width))
    codes = groups.astype(np.int8)[rows.codes]
    merged = Rows(names, codes, rows.bad, rows.weight, rows.counts, rows.cluster)
    return _pearson(merged) if rows.plain else _score_test(merged)


def _pearson(rows: Rows) -> ChiSquare:
    goods, bads = rows.cells()
    observed = np.array([goods, bads])
    if not observed.sum(axis=1).all() or not observed.sum(axis=0).all():
        return UNTESTED
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / observed.sum()
    chi2 = float(((observed - expected) ** 2 / expected).sum())
    df = observed.shape[1] - 1
    return ChiSquare(chi2, df, chi_square_tail(chi2, df))


def _score_test(rows: Rows) -> ChiSquare:
    """Return the robust score test: bads of each level beyond its share, over their variance."""
    scores, covariance = level_scores(rows)
    last = len(scores) - 1
    chi2 = wald(scores[:last], covariance[:last, :last])
    if math.isnan(chi2):
        return UNTESTED
    return ChiSquare(chi2, last, chi_square_tail(chi2, last))


def level_scores(rows: Rows) -> tuple[Floats, Floats]:
    """Return the bads of each level beyond its share (k,), and their null covariance (k, k).

    The covariance is that of w (1[level] - share) (y - mean) summed by customer.
    """
    goods, bads = rows.cells()
    n = goods + bads
    share = n / n.sum()
    mean = bads.sum() / n.sum()
    residual = rows.bad - mean
    if rows.weight is not None:
        residual = residual * rows.weight
    scores = bads - n * mean
    if rows.cluster is not None:
        loaded = residual if rows.counts is None else residual * rows.counts
        sums = level_sums(rows, loaded)
        return scores, scores_covariance(sums - np.outer(sums.sum(axis=1), share))
    square = residual**2 if rows.counts is None else residual**2 * rows.counts
    by_level = np.bincount(rows.codes, square, len(n))
    units = float(len(rows) if rows.counts is None else rows.counts.sum())
    cross = np.outer(by_level, share)
    covariance = np.diag(by_level) - cross - cross.T + by_level.sum() * np.outer(share, share)
    return scores, covariance * bessel(units)


def chance_part(rows: Rows) -> float:
    """Return the information value that chance alone is expected to make.

    (k - 1) (1/G + 1/B) for independent rows; k - 1 is multiplied by the mean design effect
    otherwise (Rao and Scott 1981).
    """
    goods, bads = rows.cells()
    n = goods + bads
    total_good = goods.sum()
    total_bad = bads.sum()
    filled = n > 0
    df = float(filled.sum() - 1)
    if not rows.plain:
        _, covariance = level_scores(rows)
        spread = total_good * total_bad / n.sum() ** 2
        df = float((np.diag(covariance)[filled] / n[filled]).sum() / spread)
    return df * float(1 / total_good + 1 / total_bad)


def null_scores(rows: Rows, features: Floats) -> tuple[Floats, Floats]:
    """Return the scores (k,) of features (n, k) against the outcome, and their null covariance.

    Features and outcomes are centred at their weighted means, so that estimating the mean bad
    rate is accounted for.
    """
    load = np.ones(len(rows)) if rows.load is None else rows.load
    total = load.sum()
    residual = rows.bad - (load @ rows.bad) / total
    centred = features - (load @ features) / total
    each = centred * residual[:, None]
    if rows.weight is not None:
        each = each * rows.weight[:, None]
    covariance = scores_covariance(each, rows.cluster, rows.counts)
    counted = each if rows.counts is None else each * rows.counts[:, None]
    return counted.sum(axis=0), covariance


def wald(estimate: Floats, covariance: Floats) -> float:
    """Return estimate' covariance^-1 estimate. NaN where the covariance is singular."""
    scale = np.sqrt(np.diag(covariance))
    if not (scale > 0).all():
        return math.nan
    correlation = covariance / np.outer(scale, scale)
    if np.linalg.cond(correlation) > 1e12:
        return math.nan
    z = estimate / scale
    return float(z @ np.linalg.solve(correlation, z))


def trend_test(rows: Rows) -> tuple[float, float]:
    """Return z and the two-sided p of a trend over equally spaced levels. NaN where untestable."""
    goods, bads = rows.cells()
    if rows.plain:
        return cochran_armitage(bads, goods + bads)
    if ((goods + bads) > 0).sum() < 2 or not goods.sum() or not bads.sum():
        return math.nan, math.nan
    z = _z(rows, rows.codes.astype(float))
    return z, math.erfc(abs(z) / math.sqrt(2))


def set_test(rows: Rows, chosen: NDArray[np.bool_]) -> float:
    """Return the one-sided p that the chosen levels hold more bads than the others.

    Fisher's exact test for independent rows, the robust score test otherwise.
    """
    goods, bads = rows.cells()
    if rows.plain:
        mine = chosen
        rest = ~chosen
        return caught_by_chance(
            bads[mine].sum(), goods[mine].sum(), bads[rest].sum(), goods[rest].sum()
        )
    n = goods + bads
    if not n[chosen].sum() or not n[~chosen].sum() or not goods.sum() or not bads.sum():
        return 1.0
    z = _z(rows, chosen[rows.codes].astype(float))
    return 1.0 if math.isnan(z) else math.erfc(z / math.sqrt(2)) / 2


def _z(rows: Rows, feature: Floats) -> float:
    total, covariance = null_scores(rows, feature[:, None])
    variance = float(covariance[0, 0])
    return float(total[0]) / math.sqrt(variance) if variance > 0 else math.nan


def holm(p_values: Iterable[float]) -> Floats:
    """Return p-values corrected for their number (Holm 1979). NaN stays NaN and is not counted."""
    p = np.asarray(list(p_values), dtype=float)
    out = np.full(len(p), np.nan)
    given = np.flatnonzero(~np.isnan(p))
    order = given[np.argsort(p[given], kind="stable")]
    steps = p[order] * (len(order) - np.arange(len(order)))
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return out
