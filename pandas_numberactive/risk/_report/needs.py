"""The look-ups that are still needed, and the day on which their outcomes are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pandas_numberactive.risk._engine.book.dates import moments
from pandas_numberactive.risk._engine.book.terms import length
from pandas_numberactive.risk._engine.stats.power import Design
from pandas_numberactive.risk._engine.stats.tails import Z95, normal_point

if TYPE_CHECKING:
    from pandas_numberactive.risk._engine.book.population import Population
    from pandas_numberactive.risk._engine.retro_terms import RetroTerms
    from pandas_numberactive.risk._report.evidence import Evidence

RECENT = 90  # days, over which the intake of applications is measured


@dataclass(frozen=True)
class Needs:
    """The size of the study that would decide.

    `smallest` is the odds ratio that the present rows show with the power of the terms. `effect`
    and `money` are asked rows in total: to see the smallest odds ratio of the terms, and to settle
    the price. `lookups` are those still to be bought, `days` the time until as many applications
    have come in.
    """

    smallest: float
    effect: float
    money: float
    lookups: int
    cost: float
    days: float


def needs_of(terms: RetroTerms, df: pd.DataFrame, one: Evidence) -> Needs:
    """Return the needs, measured on the rows of a signal."""
    rows = one.rows if one.banded is not None else one.whole
    enough = one.banded is not None
    shares, base, own = _mix(rows)
    design = Design(base, shares, one.rows.ordered, 0.05)
    factor = _factor(one) / own
    effect = design.customers(terms.smallest_odds_ratio, terms.power) * factor
    smallest = design.smallest(max(len(rows), 1) / factor, terms.power) if enough else math.inf
    money = _money(terms, one)
    present = len(one.rows)
    lookups = max(0, math.ceil(max(effect, money) - present))
    return Needs(
        smallest, effect, money, lookups, lookups * terms.price, lookups / _intake(terms, df)
    )


def _mix(rows: Population) -> tuple[np.ndarray, float, float]:
    """Return the shares of the signal's own levels, the bad rate, and the share with a level."""
    n = np.bincount(rows.codes, minlength=len(rows.levels)).astype(float)[: rows.own]
    used = n[n > 0]
    if len(used) < 2:
        used = np.array([0.5, 0.5])
    base = float(np.clip(rows.bad.mean() if len(rows) else 0.05, 0.005, 0.5))
    own = float(n.sum() / len(rows)) if len(rows) and n.sum() else 1.0
    return used / used.sum(), base, own


def _factor(one: Evidence) -> float:
    """Return the inflation by repeat customers, and by the variance that the score explains."""
    if one.banded is None:
        return 1.0
    cells = one.banded.cells()
    n = cells.n[:, : one.rows.own]
    steps = np.arange(n.shape[1], dtype=float)
    size = n.sum()
    mean = (n * steps).sum() / max(size, 1.0)
    total = float((n * (steps - mean) ** 2).sum())
    band = n.sum(axis=1)
    between = (n @ steps) / np.maximum(band, 1e-300) - mean
    explained = float((band * between**2).sum()) / total if total > 0 else 0.0
    return one.banded.design_effect() / (1 - min(explained, 0.9))


def _money(terms: RetroTerms, one: Evidence) -> float:
    """Return the asked rows with which the interval of the worth would clear the price.

    A worth within a standard error of the price, or of a signal that does not add, is mostly
    chance: it says nothing of how many rows it takes.
    """
    if one.worth is None:
        return 0.0
    worth, low, _ = one.worth.total()
    gap = worth - terms.price
    error = (worth - low) / Z95
    if not one.line["adds"] or gap < error or error <= 0:
        return 0.0
    return len(one.rows) * ((Z95 + normal_point(terms.power)) * error / gap) ** 2


def _intake(terms: RetroTerms, df: pd.DataFrame) -> float:
    """Return the applications a day over the last days of the table, at least one in ten days."""
    decided = moments(df, terms.as_of, terms.tz).utc
    decided = decided[~np.isnat(decided)]
    if not len(decided):
        return 0.1
    since = decided.max() - np.timedelta64(RECENT, "D")
    span = min(RECENT, int((decided.max() - decided.min()).astype("m8[D]").astype(int)) + 1)
    return max(0.1, float((decided > since).sum()) / span)


def settled_on(terms: RetroTerms, needs: Needs) -> str:
    """Return the month in which the needed outcomes are settled, as people write it."""
    if terms.mature is None or not math.isfinite(needs.days) or needs.days > 3650:
        return ""
    ripe = length(terms.mature, "mature")
    day = pd.Timestamp.now() + pd.Timedelta(days=needs.days) + ripe
    return f"{day:%B %Y}"
