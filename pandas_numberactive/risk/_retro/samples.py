"""sample_size: the look-ups that it takes to see an effect, and their cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal

import numpy as np

from pandas_numberactive._display.html import html_table, text_table
from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.book.checks import price_of, within
from pandas_numberactive.risk._engine.stats.power import Design
from pandas_numberactive.risk._engine.stats.sequential import inflation

Test = Literal["trend", "levels"]


@dataclass(frozen=True)
class SampleSize:
    """The size of a study, as `sample_size` returns it.

    Attributes
    ----------
    answered : int
        Customers with a level.
    lookups : int
        Look-ups to buy for them.
    bads : int
        Bad loans expected among the answered.
    cost : float or None
        The cost of the look-ups, None without a price.
    odds_ratio : float
        The effect that is found, a step from one level to the next.
    power, alpha : float
        Probability to find it, and probability to find one where there is none.
    test : str
        "trend" or "levels".

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> pna.risk.sample_size(0.1, 0.3, 1.5).answered
    2259
    """

    answered: int
    lookups: int
    bads: int
    cost: float | None
    odds_ratio: float
    power: float
    alpha: float
    test: str

    def _lines(self) -> list[tuple[str, str]]:
        lines = [
            ("look-ups", f"{self.lookups:,}"),
            ("answered", f"{self.answered:,}"),
            ("bads among them", f"{self.bads:,}"),
            ("odds ratio a step", f"{self.odds_ratio:.3g}"),
            ("found with probability", f"{self.power:.0%}"),
        ]
        if self.cost is not None:
            lines.insert(1, ("cost", f"{self.cost:,.0f}"))
        return lines

    def __repr__(self) -> str:
        return text_table("Sample size", self._lines())

    def _repr_html_(self) -> str:
        return html_table("Sample size", self._lines())


def sample_size(
    base_rate: float,
    share: float | Sequence[float],
    odds_ratio: float = 1.3,
    *,
    lookups: int | None = None,
    test: Test = "trend",
    power: float = 0.8,
    alpha: float = 0.05,
    hit_rate: float = 1.0,
    r2: float = 0.0,
    deff: float = 1.0,
    looks: int = 1,
    unit_price: float | None = None,
) -> SampleSize:
    """Return how many look-ups it takes to see an effect. Charges nothing.

    Parameters
    ----------
    base_rate
        Bad rate of the whole portfolio, above 0 and below 1.
    share
        Share of customers in the risky level, or the shares of all levels in their order. They are
        scaled to sum to 1.
    odds_ratio
        The effect: how many times the odds of default rise from one level to the next.
    lookups
        Look-ups that can be bought. The smallest odds ratio that these show is returned, in place
        of the look-ups for `odds_ratio`.
    test
        "trend" (1 degree of freedom) for levels with an order, "levels" for any difference.
    power, alpha
        Probability to find the effect; probability to find one where there is none.
    hit_rate
        Share of look-ups that come back with a level.
    r2
        Share of the signal's variance that the score explains: the size grows by 1 / (1 - r2)
        (Hsieh, Bloch and Larsen 1998).
    deff
        Design effect of repeat customers or weights.
    looks
        Number of looks of a `Pilot` with O'Brien and Fleming's bounds.
    unit_price
        Price of a look-up.

    Returns
    -------
    SampleSize
        answered, lookups, bads, cost, odds_ratio, power, alpha, test.

    Raises
    ------
    RiskInputError
        For a number out of its range.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> plan = pna.risk.sample_size(0.03, [0.3, 0.4, 0.3], 1.3, unit_price=500)
    >>> plan.lookups, plan.cost
    (6646, 3323000.0)
    """
    design = _design(base_rate, share, test, alpha)
    within("power", power, 0.5, 1)
    within("hit_rate", hit_rate, 0, 1, closed=True)
    if not isinstance(r2, Real) or not 0 <= r2 < 1:
        raise RiskInputError(f"r2 is a share, 0 or above and below 1, not {r2!r}.")
    _refuse_below("deff", deff, 0.1)
    _refuse_below("looks", looks, 1)
    factor = deff / (1 - r2) * inflation(int(looks), power, alpha)
    if lookups is not None:
        _refuse_below("lookups", lookups, 1)
        odds_ratio = design.smallest(lookups * hit_rate / factor, power)
        answered = math.floor(lookups * hit_rate)
    else:
        _effect(odds_ratio)
        answered = math.ceil(design.customers(odds_ratio, power) * factor)
        lookups = math.ceil(answered / hit_rate)
    price = None if unit_price is None else price_of(unit_price)
    cost = None if price is None else float(lookups * price)
    bads = round(answered * base_rate)
    return SampleSize(answered, lookups, bads, cost, odds_ratio, power, alpha, test)


def _design(
    base_rate: float,
    share: float | Sequence[float],
    test: str,
    alpha: float,
) -> Design:
    within("base_rate", base_rate, 0, 1)
    within("alpha", alpha, 0, 0.5)
    if test not in ("trend", "levels"):
        raise RiskInputError('test must be "trend" or "levels".')
    try:
        shares = np.asarray(share, float)
    except (TypeError, ValueError):
        shares = np.zeros(1)
    if not shares.ndim:
        shares = np.array([1 - float(shares), float(shares)])
    usable = shares.ndim == 1 and len(shares) > 1
    if not usable or not (shares > 0).all() or not np.isfinite(shares).all():
        raise RiskInputError(
            "share is that of the risky level, above 0 and below 1, or those of two levels or more."
        )
    return Design(float(base_rate), shares / shares.sum(), test == "trend", float(alpha))


def _refuse_below(name: str, value: float, least: float) -> None:
    usable = isinstance(value, Real) and not isinstance(value, bool)
    if not usable or not (math.isfinite(value) and value >= least):
        raise RiskInputError(f"{name} is a number of {least} or more, not {value!r}.")


def _effect(odds_ratio: float) -> None:
    usable = isinstance(odds_ratio, Real) and math.isfinite(odds_ratio) and odds_ratio > 0
    if not usable or abs(math.log(odds_ratio)) < 1e-3:
        raise RiskInputError(f"odds_ratio is above 0, and not 1 (no effect), not {odds_ratio!r}.")
