"""The decision rule of the retro test: three-valued, and fixed before the data are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pandas_numberactive.risk._engine.stats.significance import CHANCE


class Decision(StrEnum):
    """The outcome of a retro test."""

    BUY = "BUY"
    DO_NOT_BUY = "DO NOT BUY"
    NOT_ENOUGH_DATA = "NOT ENOUGH DATA"


@dataclass(frozen=True)
class Finding:
    """One signal's figures that decide: the worth of a look-up, its interval, and the test."""

    signal: str
    worth: float
    low: float
    high: float
    p_holm: float

    def buys(self, price: float) -> bool:
        """Return True where a look-up is certainly worth its price, and the signal is no chance."""
        return self.low > price and self.p_holm < CHANCE

    def refutes(self, price: float) -> bool:
        """Return True where a look-up is certainly not worth its price."""
        return self.high < price


def decide(findings: Sequence[Finding], price: float, asked_for: int) -> Decision:
    """Return the decision over all signals of one look-up, of which `asked_for` were in the terms.

    One look-up brings all signals, so one that pays is enough, and all must be refuted to decline.
    """
    if any(one.buys(price) for one in findings):
        return Decision.BUY
    if len(findings) == asked_for and all(one.refutes(price) for one in findings):
        return Decision.DO_NOT_BUY
    return Decision.NOT_ENOUGH_DATA
