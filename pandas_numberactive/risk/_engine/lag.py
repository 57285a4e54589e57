"""Growth of a signal's effect with the lag between decision and purchase.

An answer bought long after a loan was granted may have seen its outcome: the effect then grows
with the lag. An effect that is real from the start does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from pandas_numberactive.risk._engine.logistic import fit, sandwich
from pandas_numberactive.risk._engine.tails import normal_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

EDGES = (7, 30, 60, 90, 180)  # days, of the groups of lags
FULL = 90.0  # days after which a default shows in the use of the phone
DOUBLING = math.log(2)  # growth of the log odds ratio that the fresh rows must be able to show
ENOUGH = 2.8  # standard errors of an effect that is seen with 80% power at 5%
CHANCE = 0.05


class Lag(StrEnum):
    """The reading of a lag test."""

    CLEAN = "clean"
    GROWS = "grows with the lag: use the fresh rows"
    FEW = "too few fresh rows: cannot tell"
    NONE = "no fresh rows: cannot tell"


@dataclass(frozen=True)
class Growth:
    """The growth of a log odds ratio from fresh to late rows, its standard error and p-value."""

    slope: float
    error: float
    p: float

    def reading(self, fresh: int) -> Lag:
        """Return the three-valued reading, for a number of fresh rows."""
        if not fresh:
            return Lag.NONE
        if math.isnan(self.p):
            return Lag.FEW
        if self.p < CHANCE:
            return Lag.GROWS
        return Lag.CLEAN if self.error * ENOUGH <= DOUBLING else Lag.FEW


def names() -> tuple[str, ...]:
    """Return the names of the groups of lags."""
    pairs = zip((0, *EDGES), EDGES, strict=False)
    return (*(f"{low} to {high} days" for low, high in pairs), f"over {EDGES[-1]} days")


def groups(days: Floats) -> Ints:
    """Return the group of each lag. Answers before the decision are in the first."""
    return np.searchsorted(np.asarray(EDGES, float), days, side="left").astype(np.int64)


def reach(days: Floats, late: NDArray[np.bool_]) -> Floats:
    """Return how far an answer may have seen the outcome: 0 if fresh, 1 from three months on."""
    grown: Floats = np.where(late, np.clip(days / FULL, 0.0, 1.0), 0.0)
    return grown


def growth(
    worst: Floats, lag: Ints, late: Floats, bits: Floats, load: Floats, cluster: Ints
) -> Growth:
    """Return the growth of the effect of being in the worst level, from fresh to late rows.

    The groups of lags have bad rates of their own, as old loans differ. `late` is 0 for fresh rows
    and grows with the lag, up to 1.
    """
    used = np.unique(lag)
    if len(used) < 2 or not 0 < worst.sum() < len(worst):
        return Growth(math.nan, math.nan, math.nan)
    columns = [(lag == at).astype(float) for at in used]
    x = np.column_stack([*columns, worst, worst * late])
    model = fit(x, bits * load, load)
    covariance = sandwich(x, bits, model, load, cluster)
    error = math.sqrt(max(float(covariance[-1, -1]), 0.0))
    slope = float(model.beta[-1])
    if not error > 0 or abs(slope) > 20:
        return Growth(math.nan, math.nan, math.nan)
    return Growth(slope, error, normal_tail(slope / error))
