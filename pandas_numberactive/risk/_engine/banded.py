"""One signal with its score bands and folds, ready for the questions about money and the score."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pandas_numberactive.risk._engine import added
from pandas_numberactive.risk._engine.book.bands import Bands
from pandas_numberactive.risk._engine.book.population import Population
from pandas_numberactive.risk._engine.payoff import Table, folds_of
from pandas_numberactive.risk._engine.stats import mantel
from pandas_numberactive.risk._engine.stats.cells import Cells, count
from pandas_numberactive.risk._engine.stats.covariance import renumbered, scores_covariance
from pandas_numberactive.risk._engine.stats.logistic import Test
from pandas_numberactive.risk._engine.stats.significance import pool

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Banded:
    """The asked rows of a signal with their bands. Small levels are pooled in tests."""

    rows: Population
    bands: Bands
    groups: Ints = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", pool(*self.rows.units()))

    @property
    def load(self) -> Floats:
        """Customers that each row stands for."""
        return np.ones(len(self.rows)) if self.rows.load is None else self.rows.load

    @property
    def scaled(self) -> Floats:
        """Sampling weights of mean 1, so that their unit changes no test. Else the load."""
        return self.load if self.rows.weight is None else self.load / self.load.mean()

    @property
    def bits(self) -> Floats:
        """Outcomes as numbers."""
        return self.rows.bad.astype(float)

    def cells(self) -> Cells:
        """Return the counts by band and level, small levels apart."""
        level = self.rows.codes.astype(np.int64)
        shape = (len(self.bands), len(self.rows.levels))
        return count(self.bands.codes, level, self.bits, self.scaled, shape)

    def tested(self) -> Cells:
        """Return the counts by band and pooled level."""
        return self.cells().merged(self.groups)

    def robust(self) -> Floats | None:
        """Return the covariance of the levels' scores, or None where the textbook's holds."""
        return None if self.rows.plain else self._score()[1]

    def _score(self) -> tuple[Floats, Floats]:
        return self._dependent(self.groups[self.rows.codes])

    def _dependent(self, level: Ints) -> tuple[Floats, Floats]:
        return mantel.dependent_score(
            level, self.bands.codes, self.bits, self.scaled, self.customers
        )

    @property
    def customers(self) -> Ints:
        """A number for each row's customer."""
        return np.arange(len(self.rows)) if self.rows.cluster is None else self.rows.cluster

    def trend(self) -> tuple[float, float]:
        """Return the score of a trend over the levels within bands, and its variance."""
        if self.rows.plain:
            cells = self.cells()
            return mantel.trend_within(cells.goods, cells.bads)
        score, variance = self._dependent(self.rows.codes.astype(np.int64))
        steps = np.arange(len(score), dtype=float)
        return float(steps @ score), float(steps @ variance @ steps)

    def association(self, method: str = "cmh") -> Test:
        """Return the test that the signal adds to the bands."""
        cells = self.tested()
        if cells.n.shape[1] < 2:
            return Test(float("nan"), 0, float("nan"))
        if self.rows.plain:
            return added.association(cells, method)
        return mantel.quadratic(*mantel.without_last(*self._score()))

    def within(self, parts: Ints) -> Banded:
        """Return the rows in bands that are parted by another column, such as a month."""
        pair = self.bands.codes * (int(parts.max(initial=0)) + 1) + parts
        used, codes = np.unique(pair, return_inverse=True)
        names = tuple(str(one) for one in used)
        return Banded(self.rows, Bands(codes.astype(np.int64), names))

    def design_effect(self) -> float:
        """Return how many times the variance of independent rows that of these rows is."""
        robust = self.robust()
        return 1.0 if robust is None else added.design_effect(self.tested(), robust)

    def odds_ratio(self, level: int) -> mantel.OddsRatio:
        """Return a level's odds ratio against all others, within bands."""
        cells = self.cells()
        found = mantel.level_odds_ratio(cells.goods, cells.bads, level)
        return added.scaled(found, self.design_effect())

    def homogeneity(self, level: int) -> Test:
        """Return the test that a level's odds ratio is the same in all bands."""
        cells = self.cells()
        test = mantel.homogeneity(cells.goods, cells.bads, level)
        return mantel.corrected(test, self.design_effect())

    def table(
        self,
        folds: int,
        seed: int,
        approved: NDArray[np.bool_] | None = None,
    ) -> Table:
        """Return the rows in folds."""
        return Table(
            self.bands.codes,
            self.rows.codes.astype(np.int64),
            self.bits,
            self.load,
            folds_of(self.rows.cluster, len(self.rows), folds, seed),
            (len(self.bands), len(self.rows.levels)),
            approved,
        )


def mean_interval(
    values: Floats, banded: Banded, chosen: NDArray[np.bool_] | None = None
) -> tuple[float, float]:
    """Return the weighted mean of some rows, and its standard error over customers."""
    at = np.arange(len(values)) if chosen is None else np.flatnonzero(chosen)
    rows = banded.rows
    load = banded.load[at]
    total = load.sum()
    if total <= 0:
        return float("nan"), float("nan")
    some = values[at]
    mean = float(load @ some / total)
    weight = np.ones(len(at)) if rows.weight is None else rows.weight[at]
    scores = (weight * (some - mean) / total)[:, None]
    cluster = renumbered(None if rows.cluster is None else rows.cluster[at])
    counts = None if rows.counts is None else rows.counts[at]
    variance = scores_covariance(scores, cluster, counts)
    return mean, float(np.sqrt(variance[0, 0]))
