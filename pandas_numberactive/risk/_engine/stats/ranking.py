"""AUC, Gini and KS of a signal's levels, with intervals, from the levels alone.

The variance of the AUC is DeLong's (DeLong, DeLong and Clarke-Pearson 1988); with sampling weights
or repeat customers the same placement values are summed by customer (Obuchowski 1997). Its interval
is taken on the logit, so that it stays between 0 and 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pandas_numberactive.risk._engine.stats.covariance import Rows, scores_covariance
from pandas_numberactive.risk._engine.stats.tails import Z95

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval, NaN where it cannot be estimated."""

    value: float
    low: float
    high: float


NONE = Estimate(math.nan, math.nan, math.nan)


def auc(rows: Rows) -> Estimate:
    """Return the probability that a bad stands in an earlier level than a good, ties half."""
    goods, bads = rows.cells()
    good = goods.sum()
    bad = bads.sum()
    if min(np.bincount(rows.bad, rows.counts, 2)) < 2:
        return NONE
    of_bads = (good - np.cumsum(goods) + goods / 2) / good
    of_goods = (np.cumsum(bads) - bads / 2) / bad
    value = float((bads * of_bads).sum() / bad)
    if rows.plain:
        variance = _mean_variance(of_bads, bads) + _mean_variance(of_goods, goods)
    else:
        variance = _dependent(rows, (of_bads - value) / bad, (of_goods - value) / good)
    return _on_logit(value, variance)


def gini(area: Estimate) -> Estimate:
    """Return 2 AUC - 1 with its interval: above 0 where bads stand in the earlier levels."""
    return Estimate(2 * area.value - 1, 2 * area.low - 1, 2 * area.high - 1)


def ks(rows: Rows, ordered: bool) -> Estimate:
    """Return the largest distance of the cumulative shares of bads and goods over the levels.

    Levels without an order are sorted by bad rate. The interval is that of the distance at the cut
    where it is largest, taken as given.
    """
    goods, bads = rows.cells()
    if min(np.bincount(rows.bad, rows.counts, 2)) < 2:
        return NONE
    order = np.arange(len(goods))
    if not ordered:
        n = goods + bads
        rate = np.divide(bads, n, out=np.zeros(len(n)), where=n > 0)
        order = np.argsort(-rate, kind="stable")
    good = goods.sum()
    bad = bads.sum()
    distance = np.cumsum(bads[order]) / bad - np.cumsum(goods[order]) / good
    at = int(np.argmax(np.abs(distance)))
    value = float(distance[at])
    before = np.zeros(len(goods))
    before[order[: at + 1]] = 1.0
    share_bad = float(bads @ before / bad)
    share_good = float(goods @ before / good)
    of_bads = (before - share_bad) / bad
    of_goods = (share_good - before) / good
    if rows.plain:
        binomial = share_bad * (1 - share_bad) / bad + share_good * (1 - share_good) / good
        variance = float(binomial)
    else:
        variance = _dependent(rows, of_bads, of_goods)
    half = Z95 * math.sqrt(variance)
    return Estimate(abs(value), max(0.0, abs(value) - half), min(1.0, abs(value) + half))


def _mean_variance(placement: Floats, n: Floats) -> float:
    """Return the variance of a mean of placement values, `n` of each."""
    total = n.sum()
    mean = (placement * n).sum() / total
    return float((n * (placement - mean) ** 2).sum() / (total - 1) / total)


def _dependent(rows: Rows, of_bads: Floats, of_goods: Floats) -> float:
    """Return the variance from the score of each row, bads and goods of each level."""
    scores = np.where(rows.bad == 1, of_bads[rows.codes], of_goods[rows.codes])
    if rows.weight is not None:
        scores = scores * rows.weight
    return float(scores_covariance(scores[:, None], rows.cluster, rows.counts)[0, 0])


def _on_logit(value: float, variance: float) -> Estimate:
    if not 0 < value < 1:
        return Estimate(value, math.nan, math.nan)
    half = Z95 * math.sqrt(variance) / (value * (1 - value))
    middle = math.log(value / (1 - value))
    low, high = (1 / (1 + math.exp(-at)) for at in (middle - half, middle + half))
    return Estimate(value, low, high)
