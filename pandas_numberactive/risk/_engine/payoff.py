"""The worth of an answer: value of information (Raiffa and Schlaifer 1961), paid out on other rows.

With and without the answer the lender approves where (1 - p) margin - p loss is above 0. The rates
p are learned on all folds but one, and the decisions are paid out on the held-out fold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pandas_numberactive.risk._engine.stats.cells import (
    Cells,
    band_rates,
    both_rates,
    count,
    fitted,
)
from pandas_numberactive.risk._engine.stats.logistic import grid_design, rates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

DRAWS = 400


@dataclass(frozen=True)
class Table:
    """Rows with a band, a level and an outcome each, in folds.

    `load` are weights; `approved` is the decision in use, None where the bands decide.
    """

    band: Ints
    level: Ints
    bits: Floats
    load: Floats
    fold: Ints
    shape: tuple[int, int]
    approved: NDArray[np.bool_] | None = None

    def cells(self) -> Cells:
        """Return the counts of all rows."""
        return count(self.band, self.level, self.bits, self.load, self.shape)


@dataclass(frozen=True)
class Stakes:
    """The earnings of a good loan and the loss of a bad one, in one currency."""

    margin: float
    loss: float

    def profit(self, rate: Floats) -> Floats:
        """Return the expected profit of approving at a bad rate."""
        expected: Floats = (1 - rate) * self.margin - rate * self.loss
        return expected


def folds_of(cluster: Ints | None, size: int, folds: int, seed: int) -> Ints:
    """Return a fold a row, at random. Rows of one customer share theirs.

    The same rows have the same folds, from whatever larger table they were taken.
    """
    customer = np.arange(size) if cluster is None else pd.factorize(cluster)[0]
    groups = int(customer.max(initial=-1)) + 1
    order = np.random.default_rng(seed).permutation(groups) % folds
    return order[customer].astype(np.int64)


def training(table: Table) -> tuple[Floats, Floats]:
    """Return goods and bads outside each fold, (folds, bands, levels)."""
    folds = int(table.fold.max(initial=0)) + 1
    shape = (folds * table.shape[0], table.shape[1])
    held = count(
        table.fold * table.shape[0] + table.band, table.level, table.bits, table.load, shape
    )
    goods = held.goods.reshape(folds, *table.shape)
    bads = held.bads.reshape(folds, *table.shape)
    return goods.sum(axis=0) - goods, bads.sum(axis=0) - bads


@dataclass(frozen=True)
class Paid:
    """The gain from knowing the answer, of each row, and the rows where it was worth its price."""

    gain: Floats
    chosen: NDArray[np.bool_]


def paid_out(table: Table, stakes: Stakes, price: float) -> Paid:
    """Return each row's cross-fitted gain, and a look-up choice learned on the other folds."""
    goods, bads = training(table)
    base = band_rates(goods, bads)
    both = both_rates(goods, bads)
    at = (table.fold, table.band, table.level)
    now = (stakes.profit(base) > 0)[at] if table.approved is None else table.approved
    then = (stakes.profit(both) > 0)[at]
    outcome = np.where(table.bits > 0, -stakes.loss, stakes.margin)
    gain = outcome * (then.astype(float) - now.astype(float))
    chosen = (_expected(goods + bads, both, stakes) > price)[table.fold, table.band]
    return Paid(gain, chosen)


def _expected(n: Floats, both: Floats, stakes: Stakes) -> Floats:
    """Return each band's expected gain a look-up, (sets, bands)."""
    size = np.maximum(n.sum(axis=2), 1e-300)
    profit = stakes.profit(both)
    informed = (n * np.maximum(profit, 0)).sum(axis=2) / size
    blind = np.maximum((n * profit).sum(axis=2) / size, 0)
    gain: Floats = informed - blind
    return gain


def best_case(
    cells: Cells,
    stakes: Stakes,
    deff: float,
    seed: int,
    draws: int = DRAWS,
) -> Floats:
    """Return the 97.5% point of the worth of a look-up that these counts leave possible, by band.

    The last entry is the whole's. Rates are drawn around the fitted model. Without this, a handful
    of rows whose decisions never change would show a worth of exactly 0, and prove nothing.
    """
    model = fitted(cells)
    rng = np.random.default_rng(seed)
    values, vectors = np.linalg.eigh(model.cov * deff)
    root = vectors * np.sqrt(np.maximum(values, 0))
    beta = model.beta + rng.standard_normal((draws, len(model.beta))) @ root.T
    x = grid_design(*cells.n.shape)
    drawn = rates(x, np.clip(beta, -30, 30)).reshape(draws, *cells.n.shape)
    size = cells.n.sum(axis=1)
    gain = _expected(np.broadcast_to(cells.n, drawn.shape), drawn, stakes)
    whole = gain @ size / size.sum()
    points: Floats = np.quantile(np.column_stack([gain, whole]), 0.975, axis=0)
    return points
