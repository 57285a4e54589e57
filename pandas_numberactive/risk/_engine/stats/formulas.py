"""The formulas, on plain arrays: Wilson's interval, weight of evidence, stability, and tests.

None needs scipy, which would cost every user its import.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Z95 = 1.959963984540054  # the 97.5% point of the normal distribution
# customers: above, the exact test's logarithms lose their digits, and the normal one is as good
MANY = 1e8
HALF = 0.5  # added to both counts of a level where one is zero (Haldane and Anscombe's correction)


def wilson(bads: Floats, n: Floats, z: float = Z95) -> tuple[Floats, Floats]:
    """Wilson's score interval of a rate (Wilson 1927). NaN where n is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = bads / n
        middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low = np.clip(middle - half, 0.0, 1.0)
    high = np.clip(middle + half, 0.0, 1.0)
    return np.where(bads == 0, np.where(n > 0, 0.0, low), low), np.where(
        bads == n, np.where(n > 0, 1.0, high), high
    )


def evidence(goods: Floats, bads: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return weight of evidence, its share of the information value, and the flags of zeros.

    It is ln(%good / %bad). Where a level lacks goods or bads, 0.5 is added to both of its counts,
    not to the totals. A level without rows has neither: 0, 0 and flagged.
    """
    zero = (goods == 0) | (bads == 0)
    empty = (goods == 0) & (bads == 0)
    good = (goods + HALF * zero) / goods.sum()
    bad = (bads + HALF * zero) / bads.sum()
    woe = np.where(empty, 0.0, np.log(good / bad))
    return woe, np.where(empty, 0.0, (good - bad) * woe), zero


def stability_index(expected: Floats, actual: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return each level's part of the population stability index, and the flags of zeros."""
    zero = (expected == 0) | (actual == 0)
    empty = (expected == 0) & (actual == 0)
    before = (expected + HALF * zero) / expected.sum()
    now = (actual + HALF * zero) / actual.sum()
    return np.where(empty, 0.0, (now - before) * np.log(now / before)), zero


def cochran_armitage(bads: Floats, n: Floats) -> tuple[float, float]:
    """Return z and its two-sided p-value of the Cochran-Armitage test for a trend.

    Levels are equally spaced. NaN, NaN where fewer than two levels have rows, or one class only. z
    above 0: the bad rate rises with the level.
    """
    scores = np.arange(len(n), dtype=float)
    total = n.sum()
    bad = bads.sum()
    if (n > 0).sum() < 2 or bad in (0.0, total):
        return math.nan, math.nan
    statistic = (scores * (bads - n * bad / total)).sum()
    spread = (scores * scores * n).sum() - (scores * n).sum() ** 2 / total
    z = float(statistic / math.sqrt(bad / total * (1 - bad / total) * spread))
    return z, math.erfc(abs(z) / math.sqrt(2))


def caught_by_chance(
    bads: float,
    goods: float,
    other_bads: float,
    other_goods: float,
) -> float:
    """Return the one-sided p-value of Fisher's exact test.

    It is the probability that so many customers drawn at random hold so many bads, or more. Counts
    are rounded to whole customers.
    """
    bads, goods, other_bads, other_goods = (
        float(round(count)) for count in (bads, goods, other_bads, other_goods)
    )
    n = bads + goods
    bad = bads + other_bads
    total = bads + goods + other_bads + other_goods
    if not 0 < n < total or not 0 < bad < total:
        return 1.0
    mean = n * bad / total
    spread = math.sqrt(mean * (1 - bad / total) * (total - n) / (total - 1))
    if total > MANY:
        return math.erfc((bads - 0.5 - mean) / spread / math.sqrt(2)) / 2
    first = max(bads, math.floor(mean - 12 * spread - 100))  # what lies farther out adds nothing
    last = min(n, bad, max(first, mean) + 12 * spread + 100)
    x = np.arange(first, last)
    steps = np.log((n - x) * (bad - x) / ((x + 1) * (total - n - bad + x + 1)))
    start = _log_choose(bad, first) + _log_choose(total - bad, n - first) - _log_choose(total, n)
    return min(1.0, float(np.exp(start + np.concatenate([[0.0], np.cumsum(steps)])).sum()))


def _log_choose(n: float, k: float) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
