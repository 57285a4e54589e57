"""Power and sample size of a test, from the noncentral chi-square distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pandas_numberactive.risk._engine.stats.tails import (
    chi_square_point,
    noncentral_tail,
    noncentrality_for,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """Levels with their shares, and the test that compares their bad rates.

    `steps` are the levels' places on a line: a level one step up has `odds_ratio` times the odds.
    """

    base_rate: float
    shares: Floats
    trend: bool
    alpha: float

    @property
    def df(self) -> int:
        """The test's degrees of freedom."""
        return 1 if self.trend else len(self.shares) - 1

    def rates(self, odds_ratio: float) -> Floats:
        """Return each level's bad rate, so that the whole has the base rate."""
        steps = np.arange(len(self.shares), dtype=float) * math.log(odds_ratio)
        return _level_rates(steps, self.shares, self.base_rate)

    def effect(self, odds_ratio: float) -> float:
        """Return the noncentrality that one customer adds."""
        gap = self.rates(odds_ratio) - self.base_rate
        spread = self.base_rate * (1 - self.base_rate)
        if not self.trend:
            return float((self.shares * gap**2).sum() / spread)
        steps = np.arange(len(self.shares), dtype=float)
        steps = steps - (self.shares * steps).sum()
        covariance = (self.shares * steps * gap).sum()
        return float(covariance**2 / (spread * (self.shares * steps**2).sum()))

    def customers(self, odds_ratio: float, power: float) -> float:
        """Return how many customers show an odds ratio with a power."""
        return noncentrality_for(power, self.df, self.alpha) / self.effect(odds_ratio)

    def power(self, odds_ratio: float, customers: float) -> float:
        """Return the probability that the test finds an odds ratio."""
        critical = chi_square_point(1 - self.alpha, self.df)
        return noncentral_tail(critical, self.df, customers * self.effect(odds_ratio))

    def smallest(self, customers: float, power: float) -> float:
        """Return the smallest odds ratio that so many customers show with a power, to 1e-9."""
        need = noncentrality_for(power, self.df, self.alpha) / customers
        low = 0.0
        high = 1.0
        while self.effect(math.exp(high)) < need:
            high *= 2
            if high > 40:
                return math.inf
        for _ in range(60):
            middle = (low + high) / 2
            if self.effect(math.exp(middle)) < need:
                low = middle
            else:
                high = middle
        return math.exp(high)


def _level_rates(steps: NDArray[Any], shares: Floats, base_rate: float) -> Floats:
    """Return the levels' bad rates, whose log-odds differ by `steps` and whose mean is given."""
    centre = math.log(base_rate / (1 - base_rate))
    reach = float(np.abs(steps).max()) + 1
    low = centre - reach
    high = centre + reach
    for _ in range(100):
        middle = (low + high) / 2
        if float((shares / (1 + np.exp(-(middle + steps)))).sum()) < base_rate:
            low = middle
        else:
            high = middle
    rates: Floats = 1 / (1 + np.exp(-(high + steps)))
    return rates
