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

from pandas_numberactive.risk._engine.book.population import LEAST, Population
from pandas_numberactive.risk._engine.stats.significance import CHANCE
from pandas_numberactive.risk._engine.strata import (
    NO_EFFECT,
    Effect,
    by_bad_rate,
    last_effect,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

EDGES = (7, 30, 60, 90, 180)  # days, of the groups of lags
NAMES = ("0 to 7 days", "7 to 30", "30 to 60", "60 to 90", "90 to 180", "180 and more")
FULL = 90.0  # days after which a default shows in the use of the phone
DOUBLING = math.log(2)  # growth of the log odds ratio that the fresh rows must be able to show
ENOUGH = 2.8  # standard errors of an effect that is seen with 80% power at 5%


class Lag(StrEnum):
    """The reading of a lag test."""

    CLEAN = "clean"
    GROWS = "grows with the lag: use the fresh rows"
    SHRINKS = "shrinks with the lag: use the fresh rows"
    FEW = "too few fresh rows: cannot tell"
    NONE = "no fresh rows: cannot tell"


def groups(days: Floats) -> Ints:
    """Return the group of each lag. Answers before the decision are in the first."""
    return np.searchsorted(np.asarray(EDGES, float), days, side="left").astype(np.int64)


def reach(days: Floats, late: NDArray[np.bool_], group: Ints) -> Floats:
    """Return how far the answers of each group may have seen the outcome, on average.

    0 for a fresh answer, 1 for one of three months on.
    """
    grown = np.where(late, np.clip(days / FULL, 0.0, 1.0), 0.0)
    rows = np.bincount(group, minlength=len(NAMES))
    means: Floats = np.bincount(group, grown, len(NAMES)) / np.maximum(rows, 1)
    return means


@dataclass(frozen=True)
class Lateness:
    """Fresh and late answers of one signal, and the growth of its effect from one to the other."""

    fresh: int
    late: int
    growth: Effect
    reading: Lag
    groups: Ints


def lateness_of(found: Population, days: Floats, late: NDArray[np.bool_]) -> Lateness:
    """Return the one lag test: the growth of the levels' differences from fresh to late answers.

    `days` is the lag of each row, `late` the rows that came too late. Levels count by their bad
    rates over all lags. A trend over the levels has less power where people who default end in one
    of them, and none where they lose their level. The worst level alone has less where all move.
    """
    group = groups(days)
    change = _growth(found, group, days, late)
    behind = int(late.sum())
    reading = _reading(change, found.restricted(~late)) if behind else Lag.CLEAN
    return Lateness(len(found) - behind, behind, change, reading, group)


def _growth(
    found: Population,
    group: Ints,
    days: Floats,
    late: NDArray[np.bool_],
) -> Effect:
    """Return the change of the log odds ratio from fresh rows to those of three months on.

    Groups have bad rates of their own, as old loans differ from new ones.
    """
    used, own = np.unique(group, return_inverse=True)
    if len(used) < 2 or not late.any() or late.all():
        return NO_EFFECT
    of = by_bad_rate(found)
    far = reach(days, late, group)[used]
    return last_effect(found, own, [of, np.outer(far, of)])


def _reading(change: Effect, fresh: Population) -> Lag:
    """Return the reading of a growth from fresh to late rows.

    Without a growth it is clean where these rows would have shown a doubling.
    """
    if not len(fresh):
        return Lag.NONE
    if math.isnan(change.p) or min(np.bincount(fresh.bad, fresh.counts, 2)) < LEAST:
        return Lag.FEW
    if change.p < CHANCE:
        return Lag.GROWS if change.log_odds > 0 else Lag.SHRINKS
    return Lag.CLEAN if math.sqrt(change.variance) * ENOUGH <= DOUBLING else Lag.FEW
