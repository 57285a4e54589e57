"""One linearised covariance for sampling weights and repeat customers (Binder 1983).

Each row contributes its score, the derivative of the estimate with respect to its weight. Scores
are summed by customer, and the covariance is the sum of their outer products. Without weights and
repeat customers it equals the textbook one, times n / (n - 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pandas_numberactive.risk._engine.stats.formulas import wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DENSE = 16  # cells of a table of customers by level, for each row


@dataclass(frozen=True)
class Rows:
    """Rows of a table as arrays: one level, one outcome and one customer each.

    codes: position in `levels`, int8 for up to 127 levels. bad: 0 or 1. weight: sampling weights,
    None for 1. counts: identical rows that a row stands for, None for 1. cluster: customers 0 to
    G - 1, None where each row is a customer of its own.
    """

    levels: tuple[str, ...]
    codes: NDArray[Any]
    bad: NDArray[np.int8]
    weight: Floats | None = None
    counts: Floats | None = None
    cluster: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def plain(self) -> bool:
        """True where rows are independent and equal, so that textbook formulas hold."""
        return self.weight is None and self.cluster is None

    @property
    def load(self) -> Floats | None:
        """Customers that a row stands for: its weight or its count."""
        return self.counts if self.weight is None else self.weight

    def cells(self) -> tuple[Floats, Floats]:
        """Return goods and bads of each level, weighted."""
        return self._cells

    @cached_property
    def _cells(self) -> tuple[Floats, Floats]:
        return split(self.codes, self.bad, self.load, len(self.levels))

    def units(self) -> tuple[Floats, Floats]:
        """Return independent goods and bads of each level: counts, no weights, customers once.

        A customer counts as bad in a level where one of the loans is. Small cells are judged by
        these, as a weight of 10 makes no ten customers.
        """
        if self.cluster is None:
            return split(self.codes, self.bad, self.counts, len(self.levels))
        width = len(self.levels)
        pair = self.cluster * width + self.codes
        ever_bad = np.bincount(pair, self.bad, (int(self.cluster.max()) + 1) * width) > 0
        seen = np.bincount(pair, minlength=len(ever_bad)) > 0
        n = seen.reshape(-1, width).sum(axis=0).astype(float)
        bads = ever_bad.reshape(-1, width).sum(axis=0).astype(float)
        return n - bads, bads

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Rows:
        """Return some of the rows, customers numbered anew."""
        return Rows(
            self.levels,
            self.codes[chosen],
            self.bad[chosen],
            None if self.weight is None else self.weight[chosen],
            None if self.counts is None else self.counts[chosen],
            renumbered(None if self.cluster is None else self.cluster[chosen]),
        )


def renumbered(cluster: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    """Return customers as 0 to G - 1. None where each has one row, so that rows are independent."""
    if cluster is None or not len(cluster):
        return None
    top = int(cluster.max()) + 1
    sizes = np.bincount(cluster, minlength=top)
    if sizes.max() == 1:
        return None
    if (sizes > 0).all():
        return cluster
    places: NDArray[np.int64] = np.cumsum(sizes > 0) - 1
    return places[cluster]


def split(
    codes: NDArray[Any], bad: NDArray[np.int8], load: Floats | None, levels: int
) -> tuple[Floats, Floats]:
    """Return goods and bads of each level, weighted. Rows of code -1 are not counted."""
    if codes.itemsize == 1:  # a pair fits a byte, that of code -1 is 254 or 255
        pair: NDArray[Any] = codes.view(np.uint8) * np.uint8(2) + bad.view(np.uint8)
    else:
        pair = codes * 2 + bad
    both = np.bincount(pair, load, 2 * levels)[: 2 * levels].astype(float).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def scores_covariance(
    scores: Floats, cluster: NDArray[np.int64] | None = None, counts: Floats | None = None
) -> Floats:
    """Return the covariance of summed scores, with the factor G / (G - 1) for G customers.

    Parameters
    ----------
    scores
        (n, k): what each row adds to k estimates; sampling weights are part of it.
    cluster
        Customers 0 to G - 1, None for one a row.
    counts
        Identical rows that each row stands for. They are customers of their own without
        `cluster`, and loans of one customer with it.
    """
    if cluster is None:
        units = float(len(scores) if counts is None else counts.sum())
        loaded = scores if counts is None else scores * counts[:, None]
        out = loaded.T @ scores
    else:
        loaded = scores if counts is None else scores * counts[:, None]
        sums = cluster_sums(loaded, cluster)
        units = float(len(sums))
        out = sums.T @ sums
    covariance: Floats = out * bessel(units)
    return covariance


def cluster_sums(scores: Floats, cluster: NDArray[np.int64]) -> Floats:
    """Return the scores summed by customer, (G, k)."""
    top = int(cluster.max()) + 1
    return np.column_stack([np.bincount(cluster, column, top) for column in scores.T])


def level_sums(rows: Rows, values: Floats) -> Floats:
    """Return `values` summed by customer and level, (G, k). Rows are customers without `cluster`.

    `values` is one number a row. Identical rows that a row stands for are not multiplied in.
    """
    width = len(rows.levels)
    who = np.arange(len(rows)) if rows.cluster is None else rows.cluster
    top = int(who.max(initial=-1)) + 1
    cell = who * width + rows.codes
    return np.bincount(cell, values, top * width).astype(float).reshape(top, width)


def rates_covariance(rows: Rows) -> tuple[Floats, Floats]:
    """Return the bad rate of each level (NaN without rows) and their covariance (k, k)."""
    rates = level_rates(rows)
    residual = _residuals(rows, rates)
    width = len(rows.levels)
    if rows.cluster is not None:
        sums = level_sums(rows, residual if rows.counts is None else residual * rows.counts)
        return rates, scores_covariance(sums)
    loaded = residual**2 if rows.counts is None else residual**2 * rows.counts
    units = float(len(rows) if rows.counts is None else rows.counts.sum())
    variance = np.bincount(rows.codes, loaded, width) * bessel(units)
    return rates, np.diag(variance)


def _rates_variance(rows: Rows, rates: Floats) -> Floats:
    """Return the diagonal of `rates_covariance`, for many levels."""
    if rows.cluster is None:
        return np.diag(rates_covariance(rows)[1])
    residual = _residuals(rows, rates)
    loaded = residual if rows.counts is None else residual * rows.counts
    return level_squares(rows, loaded) * bessel(float(rows.cluster.max() + 1))


def level_rates(rows: Rows) -> Floats:
    """Return the weighted bad rate of each level, NaN without rows."""
    goods, bads = rows.cells()
    n = goods + bads
    rates: Floats = np.divide(bads, n, out=np.full(len(n), np.nan), where=n > 0)
    return rates


def _residuals(rows: Rows, rates: Floats) -> Floats:
    """Return what each row adds to its level's rate: w (y - rate) / sum of w."""
    n = sum(rows.cells())
    part = np.divide(1.0, n, out=np.zeros(len(rates)), where=n > 0)
    residual: Floats = (rows.bad - np.nan_to_num(rates)[rows.codes]) * part[rows.codes]
    return residual if rows.weight is None else residual * rows.weight


def level_squares(rows: Rows, values: Floats) -> Floats:
    """Return, for each level, the sum over customers of their squared sums of `values`, (k,).

    The table of `level_sums` is made only where it is no longer than a few times the rows.
    """
    width = len(rows.levels)
    if rows.cluster is None:
        return np.bincount(rows.codes, values**2, width).astype(float)
    if (int(rows.cluster.max(initial=-1)) + 1) * width <= DENSE * len(rows):
        dense: Floats = (level_sums(rows, values) ** 2).sum(axis=0)
        return dense
    pairs, place = np.unique(rows.cluster * width + rows.codes, return_inverse=True)
    return np.bincount(pairs % width, np.bincount(place, values) ** 2, width).astype(float)


def bessel(units: float) -> float:
    """Return G / (G - 1), 1 for a single customer."""
    return units / (units - 1) if units > 1 else 1.0


def intervals(rows: Rows) -> tuple[Floats, Floats]:
    """Return 95% intervals of each level's bad rate: Wilson's, on the effective number of rows.

    The effective number is that of independent rows with the same variance (Korn and Graubard
    1998), and Kish's where a level has no bads or no goods. Repeat customers never raise it above
    the number of rows; sampling weights may, where bads were drawn more often than goods.
    """
    goods, bads = rows.cells()
    n = goods + bads
    if rows.plain:
        return wilson(bads, n)
    rates = level_rates(rows)
    variance = _rates_variance(rows, rates)
    spread = rates * (1 - rates)
    effective = np.divide(
        spread,
        variance,
        out=_kish(rows),
        where=(variance > 0) & (spread > 0),
    )
    if rows.weight is None:
        effective = np.minimum(effective, n)
    return wilson(np.nan_to_num(rates) * effective, effective)


def _kish(rows: Rows) -> Floats:
    """Return Kish's effective number of rows of each level, customers summed."""
    load = np.ones(len(rows)) if rows.load is None else rows.load
    width = len(rows.levels)
    total = np.bincount(rows.codes, load, width).astype(float)
    dependent = rows.cluster is not None or rows.weight is not None
    square = level_squares(rows, load) if dependent else total
    effective: Floats = np.divide(total**2, square, out=np.zeros(width), where=square > 0)
    return effective
