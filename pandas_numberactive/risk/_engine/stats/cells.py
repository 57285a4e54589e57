"""Counts of goods and bads by score band and level, and what a score and a signal make of them.

Arrays of cells have the shape (bands, levels); a leading axis, where there is one, counts sets of
cells, such as the folds or the draws of a bootstrap.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from pandas_numberactive.risk._engine.stats.logistic import Fit, fit, fit_many, grid_design, rates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


DEGREE = 3  # of the curve over a score's bands: an S, or one end that turns
RANKED = 20  # bands in which a score ranks: in fewer, levels take over a part of its own effect
ROUGHLY = 1e-8  # relative change of the deviance that is close enough for ranks and decisions


@dataclass(frozen=True)
class Cells:
    """Goods and bads, weighted, of each band and level."""

    goods: Floats
    bads: Floats

    @property
    def n(self) -> Floats:
        """Customers of each cell."""
        return self.goods + self.bads

    def merged(self, groups: Ints) -> Cells:
        """Return the cells with levels merged into groups 0 to g - 1, where -1 drops a level."""
        width = int(groups.max(initial=-1)) + 1
        into = np.zeros((len(groups), width))
        kept = groups >= 0
        into[np.flatnonzero(kept), groups[kept]] = 1.0
        return Cells(self.goods @ into, self.bads @ into)


def count(
    band: Ints,
    level: Ints,
    bits: Floats,
    load: Floats,
    shape: tuple[int, int],
) -> Cells:
    """Return the weighted cells of rows with a band, a level and an outcome each."""
    place = (band * shape[1] + level) * 2 + bits.astype(np.int64)
    both = np.bincount(place, load, 2 * shape[0] * shape[1]).astype(float).reshape(*shape, 2)
    return Cells(both[..., 0], both[..., 1])


def band_rates(goods: Floats, bads: Floats) -> Floats:
    """Return the bad rate of each band, the whole's where a band is empty, as cells."""
    bad = bads.sum(axis=-1, keepdims=True)
    n = bad + goods.sum(axis=-1, keepdims=True)
    whole = bad.sum(axis=-2, keepdims=True) / np.maximum(n.sum(axis=-2, keepdims=True), 1e-300)
    rate = np.where(n > 0, bad / np.maximum(n, 1e-300), whole)
    return np.broadcast_to(rate, goods.shape)


def both_rates(goods: Floats, bads: Floats) -> Floats:
    """Return the fitted bad rate of each cell: main effects of band and level, on the log-odds.

    goods and bads are (sets, bands, levels). Bands without rows have the whole's bad rate.
    """
    sets, bands, levels = goods.shape
    x = grid_design(bands, levels)
    flat = bads.reshape(sets, -1)
    beta = fit_many(x, flat, flat + goods.reshape(sets, -1), ROUGHLY)
    fitted = rates(x, beta).reshape(goods.shape)
    empty = (goods + bads).sum(axis=2, keepdims=True) == 0
    return np.where(empty, band_rates(goods, bads), fitted)


def fitted(cells: Cells) -> Fit:
    """Return the model of band and level on one set of cells."""
    x = grid_design(*cells.n.shape)
    return fit(x, cells.bads.ravel(), cells.n.ravel())


def gini(rate: Floats, goods: Floats, bads: Floats) -> Floats:
    """Return the Gini coefficient, 2 AUC - 1, of rates that rank the cells.

    All are (sets, cells). Equal rates count half (Hanley and McNeil 1982).
    """
    shown = np.round(rate, 12)
    # Equal rates come in both orders, and cancel out.
    pairs = _pairs(shown, goods, bads) + _pairs(shown[:, ::-1], goods[:, ::-1], bads[:, ::-1])
    total: Floats = bads.sum(axis=1) * goods.sum(axis=1)
    found: Floats = pairs / np.maximum(2 * total, 1e-300)
    return found


def _pairs(rate: Floats, goods: Floats, bads: Floats) -> Floats:
    """Return the pairs of a bad and a good in the right order less those in the wrong one."""
    order = np.argsort(rate, axis=1, kind="stable")
    good = np.take_along_axis(goods, order, axis=1)
    bad = np.take_along_axis(bads, order, axis=1)
    upto = np.cumsum(good, axis=1)
    better = upto - good
    worse = upto[:, -1:] - upto
    found: Floats = (bad * (better - worse)).sum(axis=1)
    return found


def ginis(goods: Floats, bads: Floats, scored: int = 0) -> tuple[Floats, Floats]:
    """Return the Gini of the bands, and of bands and levels together, refitted on each set.

    The first `scored` bands are in the order of a score: see `curve`.
    """
    bands = curve(goods.shape[1], scored)
    alone = _ranked(bands, goods.sum(axis=2), bads.sum(axis=2))
    both = _ranked(with_levels(bands, goods.shape[2]), goods, bads)
    return alone, both


def _ranked(x: Floats, goods: Floats, bads: Floats) -> Floats:
    """Return the Gini of the model `x`, fitted on each set."""
    good = goods.reshape(len(goods), -1)
    bad = bads.reshape(len(bads), -1)
    beta = fit_many(x, bad, bad + good, ROUGHLY)
    return gini(rates(x, beta), good, bad)


def curve(bands: int, scored: int) -> Floats:
    """Return the design of bands: a cubic over those of a score, an effect each of the others.

    The cubic is one of the bands' normal scores (van der Waerden 1952), in which most scores have
    log-odds near a line. A score that orders its bands by free effects looks better on the rows
    that they are fitted on, by more than a bootstrap can tell where neighbouring bands differ
    little.
    """
    free = np.eye(bands)
    if scored <= DEGREE:
        return free
    place = np.zeros(bands)
    normal = [NormalDist().inv_cdf((at + 0.5) / scored) for at in range(scored)]
    place[:scored] = np.array(normal) / normal[-1]
    smooth = place[:, None] ** np.arange(DEGREE + 1)
    smooth[scored:] = 0.0
    return np.column_stack([smooth, free[:, scored:]])


def with_levels(bands: Floats, levels: int) -> Floats:
    """Return the design of cells: that of their band, and an effect of each level but the first."""
    of_level = np.tile(np.eye(levels)[:, 1:], (len(bands), 1))
    return np.column_stack([np.repeat(bands, levels, axis=0), of_level])
