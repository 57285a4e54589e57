"""One signal's effect in each part of a book: a month, a segment, a lag.

The effect is a log odds ratio by logistic regression, of one level lower for ordered levels, of the
worst level against the others otherwise. Score bands may have intercepts of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pandas_numberactive.risk._engine.book.population import LEAST, Population
from pandas_numberactive.risk._engine.stats.covariance import Rows, level_squares
from pandas_numberactive.risk._engine.stats.formulas import wilson
from pandas_numberactive.risk._engine.stats.logistic import Fit, fit, fit_many, rates
from pandas_numberactive.risk._engine.stats.significance import SMALL, ChiSquare
from pandas_numberactive.risk._engine.stats.tails import Z95, chi_square_tail, normal_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

MOST_LOG = 709.0
FARTHEST = 12.0  # log odds ratio beyond which a part is separated, so that it has no estimate


@dataclass(frozen=True)
class Effect:
    """A log odds ratio and its variance, NaN where it cannot be estimated."""

    log_odds: float
    variance: float

    @property
    def odds_ratio(self) -> tuple[float, float, float]:
        """Return the odds ratio with its 95% interval."""
        if math.isnan(self.log_odds):
            return math.nan, math.nan, math.nan
        half = Z95 * math.sqrt(self.variance)
        return math.exp(self.log_odds), math.exp(self.log_odds - half), exp(self.log_odds + half)

    @property
    def p(self) -> float:
        """Return the two-sided p-value that there is no effect."""
        if math.isnan(self.log_odds) or not self.variance > 0:
            return math.nan
        return normal_tail(self.log_odds / math.sqrt(self.variance))


def exp(x: float) -> float:
    """Return e to the power x, infinite where a double holds no such number."""
    return math.exp(x) if x < MOST_LOG else math.inf


NO_EFFECT = Effect(math.nan, math.nan)


def feature(found: Population) -> Floats:
    """Return the number of each level that the effect is of: steps down, or the worst level."""
    if found.ordered or found.own == 2:
        steps: Floats = -np.arange(len(found.levels), dtype=float)
        return steps
    return against_others(found)


def against_others(found: Population) -> Floats:
    """Return 1 for the worst level and 0 for the others."""
    is_worst: Floats = (np.arange(len(found.levels)) == worst_level(found)).astype(float)
    return is_worst


def by_bad_rate(found: Population) -> Floats:
    """Return the log-odds of each level, with the highest 1 above the mean of the others.

    Levels of fewer than 30 rows take those of all rows, as their own are mostly chance.
    """
    goods, bads = found.units()
    n = goods + bads
    large = n >= LEAST if (n >= LEAST).any() else n > 0
    whole = math.log((bads.sum() + 0.5) / (goods.sum() + 0.5))
    odds: Floats = np.where(large, np.log((bads + 0.5) / (goods + 0.5)), whole)
    highest = int(np.argmax(np.where(large, odds, -np.inf)))
    rest = np.where(np.arange(len(n)) == highest, 0.0, n)
    gap = odds[highest] - float(rest @ odds) / max(float(rest.sum()), 1.0)
    return 1.0 + (odds - odds[highest]) / gap if gap > 0 else np.zeros(len(n))


def worst_level(found: Population) -> int:
    """Return the level with the highest lower Wilson bound among those of at least 30 rows."""
    goods, bads = found.units()
    n = goods + bads
    low, _ = wilson(bads, n)
    large = n >= LEAST if (n >= LEAST).any() else n > 0
    return int(np.argmax(np.where(large, low, -1.0)))


def effects(
    found: Population, parts: Ints, count: int, of: Floats, bands: Ints | None = None
) -> list[Effect]:
    """Return the effect in each of `count` parts, within score bands where they are given."""
    if bands is None:
        return _effects_without_bands(found, parts, count, of)
    return [_effect(found, parts == part, of, bands) for part in range(count)]


def _effects_without_bands(found: Population, parts: Ints, count: int, of: Floats) -> list[Effect]:
    """Return the effect in each part: all parts are fitted at once."""
    width = len(found.levels)
    cell = parts * width + found.codes
    load = np.ones(len(found)) if found.load is None else found.load
    n = np.bincount(cell, load, count * width).astype(float)
    bads = np.bincount(cell, load * found.bad, count * width).astype(float)
    x = np.column_stack([np.ones(width), of])
    beta = fit_many(x, bads.reshape(count, width), n.reshape(count, width))
    rate = rates(x, beta).ravel()
    information = n * rate * (1 - rate)
    centred = _centred(of, information.reshape(count, width)).ravel()
    total = (information * centred**2).reshape(count, width).sum(axis=1)
    scores = centred[cell] * (found.bad - rate[cell]) * load
    variance = _variances(found, parts, total, scores)
    known = _estimable(found, parts, of, (n > 0).reshape(count, width))
    known &= (np.abs(beta[:, 1]) <= FARTHEST) & (variance > 0)
    return [
        Effect(float(beta[part, 1]), float(variance[part])) if known[part] else NO_EFFECT
        for part in range(count)
    ]


def _centred(of: Floats, information: Floats) -> Floats:
    """Return the feature less its mean in each part, (parts, levels)."""
    total = np.maximum(information.sum(axis=1), 1e-300)
    centred: Floats = of - ((information @ of) / total)[:, None]
    return centred


def _estimable(found: Population, parts: Ints, of: Floats, filled: Mask) -> Mask:
    """Return True for each part with enough bads and goods, and more than one level."""
    units = np.bincount(parts * 2 + found.bad, found.counts, 2 * len(filled))
    low = np.where(filled, of, np.inf).min(axis=1)
    high = np.where(filled, of, -np.inf).max(axis=1)
    known: Mask = (units.reshape(-1, 2).min(axis=1) >= SMALL) & (low < high)
    return known


def _variances(found: Population, parts: Ints, total: Floats, scores: Floats) -> Floats:
    """Return the variance of each part's coefficient: the model's, or the sandwich.

    A part in which no customer returns has independent rows, so the model's holds.
    """
    of_model = np.divide(1.0, total, out=np.zeros(len(total)), where=total > 0)
    if found.plain:
        return of_model
    rows = Rows(tuple(map(str, range(len(total)))), parts, found.bad, cluster=found.cluster)
    robust: Floats = level_squares(rows, scores) * of_model**2
    if found.weight is not None:
        return robust
    loans = level_squares(rows, np.ones(len(found)))
    alone = loans <= np.bincount(parts, minlength=len(total))
    variance: Floats = np.where(alone, of_model, robust)
    return variance


def whole(found: Population, of: Floats, bands: Ints) -> Effect:
    """Return the effect over all rows, each band with an intercept of its own."""
    return _effect(found, np.ones(len(found), bool), of, bands)


def _effect(
    found: Population,
    chosen: NDArray[np.bool_],
    of: Floats,
    bands: Ints | None,
) -> Effect:
    here = found.restricted(chosen)
    units = np.bincount(here.bad, here.counts, 2)
    values = of[here.codes]
    if min(units) < SMALL or not len(values) or values.min() == values.max():
        return NO_EFFECT
    band = np.zeros(len(here), np.int64) if bands is None else bands[chosen]
    _, band = np.unique(band, return_inverse=True)
    return last_effect(here, band, [of])


def last_effect(rows: Population, band: Ints, features: list[Floats]) -> Effect:
    """Return the effect of the last feature beside band intercepts and the other features."""
    model, x, cell = fitted(rows, band, features)
    estimate = float(model.beta[-1])
    variance = _variance(rows, model, x, cell)
    if abs(estimate) > FARTHEST or not variance > 0:
        return NO_EFFECT
    return Effect(estimate, variance)


def fitted(
    rows: Population,
    band: Ints,
    features: list[Floats],
) -> tuple[Fit, Floats, Ints]:
    """Return the logistic model of band intercepts and features, its design, and rows' cells.

    The design has one row for each cell of band and level. A feature is (levels,) or (bands,
    levels).
    """
    width = len(rows.levels)
    count = int(band.max()) + 1
    cell = band * width + rows.codes
    load = np.ones(len(rows)) if rows.load is None else rows.load
    n = np.bincount(cell, load, count * width).astype(float)
    bads = np.bincount(cell, load * rows.bad, count * width).astype(float)
    columns = [np.repeat(np.arange(count) == at, width).astype(float) for at in range(count)]
    columns += [np.broadcast_to(one, (count, width)).ravel().astype(float) for one in features]
    x = np.column_stack(columns)
    filled = n > 0
    return fit(x[filled], bads[filled], n[filled]), x, cell


def _variance(rows: Population, model: Fit, x: Floats, cell: Ints) -> float:
    """Return the variance of the last coefficient: the model's, or the sandwich for dependent rows.

    The sandwich of one coefficient needs its efficient score only, one number a row (Liang and
    Zeger 1986).
    """
    if rows.plain:
        return float(model.cov[-1, -1])
    load = np.ones(len(rows)) if rows.load is None else rows.load
    rate = rates(x, model.beta[None])[0]
    information = np.bincount(cell, load, len(x)) * rate * (1 - rate)
    root = np.sqrt(information)
    others = np.linalg.lstsq(x[:, :-1] * root[:, None], x[:, -1] * root, rcond=None)[0]
    alone = x[:, -1] - x[:, :-1] @ others
    scores = alone[cell] * (rows.bad - rate[cell]) * load
    if rows.cluster is not None:
        scores = np.bincount(rows.cluster, scores)
    total = float((information * alone**2).sum())
    return float((scores**2).sum()) / total**2 if total > 0 else math.nan


def homogeneity(found: list[Effect]) -> ChiSquare:
    """Return Cochran's test (1954) that the effect is the same in all parts."""
    estimates = np.array([one.log_odds for one in found])
    variance = np.array([one.variance for one in found])
    known = ~np.isnan(estimates)
    if known.sum() < 2:
        return ChiSquare(math.nan, 0, math.nan)
    weight = 1 / variance[known]
    mean = (weight * estimates[known]).sum() / weight.sum()
    chi2 = float((weight * (estimates[known] - mean) ** 2).sum())
    df = int(known.sum()) - 1
    return ChiSquare(chi2, df, chi_square_tail(chi2, df))
