"""A signal's own contribution beside a score: tests within bands, odds ratios, and gain in Gini."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pandas_numberactive.risk._engine.stats import mantel
from pandas_numberactive.risk._engine.stats.cells import Cells, fitted, ginis
from pandas_numberactive.risk._engine.stats.logistic import Test, fit, likelihood_ratio
from pandas_numberactive.risk._engine.stats.tails import Z95

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

DRAWS = 400  # of the bootstrap: the interval's ends move by a tenth of its length


@dataclass(frozen=True)
class Gain:
    """The Gini of the score, of both, and their difference with a 95% interval."""

    score: float
    both: float
    value: float
    low: float
    high: float


def association(cells: Cells, method: str) -> Test:
    """Return the test of the levels within bands, for independent rows of equal weight."""
    if method == "lr":
        return _likelihood_ratio(cells)
    return mantel.general_association(cells.goods, cells.bads)


def _likelihood_ratio(cells: Cells) -> Test:
    used = cells.n.sum(axis=1) > 0
    kept = Cells(cells.goods[used], cells.bads[used])
    levels = int((kept.n.sum(axis=0) > 0).sum())
    if levels < 2:
        return Test(math.nan, 0, math.nan)
    bands = np.eye(len(kept.n))
    small = fit(bands, kept.bads.sum(axis=1), kept.n.sum(axis=1))
    large = fitted(kept)
    # The small model on cells has the same rates, so its log-likelihood is that of its bands.
    return likelihood_ratio(small, large, levels - 1)


def scaled(found: mantel.OddsRatio, deff: float) -> mantel.OddsRatio:
    """Return an odds ratio with its interval widened by a design effect."""
    if math.isnan(found.value) or deff == 1.0:
        return found
    half = (math.log(found.high) - math.log(found.value)) * math.sqrt(deff)
    middle = math.log(found.value)
    return mantel.OddsRatio(found.value, math.exp(middle - half), math.exp(middle + half))


def design_effect(cells: Cells, robust: Floats) -> float:
    """Return how many times the variance of independent rows the robust one is, on average."""
    plain = _hypergeometric(cells)
    top = float(np.trace(robust))
    bottom = float(np.trace(plain))
    return top / bottom if bottom > 0 else 1.0


def _hypergeometric(cells: Cells) -> Floats:
    return mantel.score_and_variance(cells.goods, cells.bads, full=True)[1]


def gain(
    cells: Cells, test: Test, deff: float, seed: int, scored: int = 0, draws: int = DRAWS
) -> Gain:
    """Return the gain in Gini from adding the levels to the bands, `scored` of them of a score.

    Both are refitted on each draw of the cells, as the gain of nested models is biased upwards in
    the rows that they are fitted on: the estimate is 2 t - mean(t*), the interval 1.96 standard
    deviations of t* to either side. Its lower end is 0 unless the test is significant, since the
    gain is never negative. DeLong's test is not valid for nested models (Demler, Pencina and
    D'Agostino 2012).
    """
    alone, both = ginis(cells.goods[None], cells.bads[None], scored)
    found = float(both[0] - alone[0])
    goods, bads = _resampled(cells, deff, seed, draws)
    again = np.subtract(*reversed(ginis(goods, bads, scored)))
    value = 2 * found - float(again.mean())
    half = Z95 * float(again.std(ddof=1))
    low = max(0.0, value - half) if test.p < 0.05 else 0.0
    return Gain(float(alone[0]), float(both[0]), value, low, max(value + half, low))


def _resampled(cells: Cells, deff: float, seed: int, draws: int) -> tuple[Floats, Floats]:
    """Draw sets of cells of the effective size."""
    flat = np.concatenate([cells.goods.ravel(), cells.bads.ravel()])
    size = max(2, round(flat.sum() / max(deff, 1e-9)))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(size, flat / flat.sum(), draws).astype(float)
    half = cells.goods.size
    shape = (draws, *cells.goods.shape)
    return drawn[:, :half].reshape(shape), drawn[:, half:].reshape(shape)
