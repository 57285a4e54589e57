"""Tails and points of the normal, chi-square and noncentral chi-square distributions.

SciPy would cost every user its import, so the few that are needed stand here. Degrees of freedom
are whole numbers, for which the tails are finite sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NORMAL = NormalDist()
Z95 = _NORMAL.inv_cdf(0.975)
_FARTHEST = 12.0  # standard deviations of a Poisson count, beyond which nothing is added


def normal_tail(z: float) -> float:
    """Return the two-sided p-value of a normal statistic."""
    return math.erfc(abs(z) / math.sqrt(2))


def normal_point(p: float) -> float:
    """Return the quantile of the normal distribution."""
    return _NORMAL.inv_cdf(p)


def chi_square_tail(x: float, df: int) -> float:
    """Return the probability that a chi-square variable exceeds x."""
    if df < 1 or math.isnan(x):
        return math.nan
    if x <= 0:
        return 1.0
    return float(_tails(x / 2, df, 1)[0])


def chi_square_point(p: float, df: int) -> float:
    """Return the quantile of the chi-square distribution."""
    return _root(lambda x: chi_square_tail(x, df) <= 1 - p, float(df))


def noncentral_tail(x: float, df: int, noncentrality: float) -> float:
    """Return the probability that a noncentral chi-square variable exceeds x.

    The mixture of central tails, weighted by a Poisson count of mean noncentrality / 2.
    """
    if noncentrality <= 0 or x <= 0:
        return chi_square_tail(x, df)
    mean = noncentrality / 2
    reach = _FARTHEST * math.sqrt(mean) + 40
    first = max(0, int(mean - reach))
    count = int(mean + reach) - first + 1
    j = np.arange(first, first + count)
    logs = j * math.log(mean) - mean - _log_gammas(first + 1.0, count)
    return min(1.0, float((np.exp(logs) * _tails(x / 2, df + 2 * first, count)).sum()))


def noncentrality_for(power: float, df: int, alpha: float) -> float:
    """Return the noncentrality with which a chi-square test of level `alpha` has `power`."""
    critical = chi_square_point(1 - alpha, df)
    return _root(lambda value: noncentral_tail(critical, df, value) >= power, 10.0)


def _tails(half: float, df: int, count: int) -> NDArray[np.float64]:
    """Return the tails at 2 * half for df, df + 2, ... degrees of freedom.

    Each two more degrees add one term, so all are one cumulative sum.
    """
    start = (df % 2) / 2
    steps = (df - df % 2) // 2
    total = steps + count - 1
    base = math.erfc(math.sqrt(half)) if df % 2 else 0.0
    if not total:
        return np.array([base])
    powers = start + np.arange(total)
    terms = np.exp(powers * math.log(half) - half - _log_gammas(start + 1.0, total))
    sums = base + np.concatenate([[0.0], np.cumsum(terms)])
    return np.minimum(sums[steps:], 1.0)


def _log_gammas(first: float, count: int) -> NDArray[np.float64]:
    """Return the logarithms of the gamma function at first, first + 1, ..."""
    return np.array([math.lgamma(first + i) for i in range(count)])


def _root(reached: Callable[[float], bool], guess: float) -> float:
    """Return the smallest positive number at which an increasing condition holds, by bisection."""
    high = guess
    while not reached(high):
        high *= 2
    low = 0.0
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if reached(middle):
            high = middle
        else:
            low = middle
    return high
