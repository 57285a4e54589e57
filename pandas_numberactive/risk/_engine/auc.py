"""AUC and KS of an ordered signal, from its counts of goods and bads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pandas_numberactive.risk._engine.tails import Z95

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Separation:
    """The AUC with its 95% interval, and the KS distance."""

    auc: float
    low: float
    high: float
    ks: float


def separation(goods: Floats, bads: Floats, deff: float = 1.0) -> Separation:
    """Return how well levels separate, from the riskiest to the safest.

    The variance is that of DeLong, DeLong and Clarke-Pearson (1988), times a design effect; the
    interval is taken on the logit, so that it stays between 0 and 1.
    """
    good = goods.sum()
    bad = bads.sum()
    if min(good, bad) < 2:
        return Separation(math.nan, math.nan, math.nan, math.nan)
    safer = good - np.cumsum(goods) + goods / 2
    riskier = np.cumsum(bads) - bads / 2
    auc = float((bads * safer).sum() / (good * bad))
    variance = (_spread(safer / good, bads) + _spread(riskier / bad, goods)) * deff
    ks = float(np.abs(np.cumsum(bads) / bad - np.cumsum(goods) / good).max())
    low, high = _logit_interval(auc, variance)
    return Separation(auc, low, high, ks)


def _spread(placement: Floats, n: Floats) -> float:
    """Return the variance of a mean placement value."""
    total = n.sum()
    mean = (placement * n).sum() / total
    return float((n * (placement - mean) ** 2).sum() / (total - 1) / total)


def _logit_interval(auc: float, variance: float) -> tuple[float, float]:
    if not 0 < auc < 1:
        return auc, auc
    half = Z95 * math.sqrt(variance) / (auc * (1 - auc))
    middle = math.log(auc / (1 - auc))
    low, high = (1 / (1 + math.exp(-at)) for at in (middle - half, middle + half))
    return low, high
