"""A level's odds ratio in each part of the rows, such as a month or a segment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pandas_numberactive.risk._engine import added
from pandas_numberactive.risk._engine.banded import Banded
from pandas_numberactive.risk._engine.stats import mantel
from pandas_numberactive.risk._engine.stats.cells import Cells, count
from pandas_numberactive.risk._engine.stats.logistic import Test

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Counts of a part, and its odds ratio within bands."""

    name: str
    n: float
    bads: float
    ratio: mantel.OddsRatio
    test: Test


def parts(banded: Banded, codes: Ints, names: tuple[str, ...], level: int) -> list[Part]:
    """Return each part's odds ratio of a level against the others, within bands."""
    deff = banded.design_effect()
    return [_part(banded, codes == at, name, level, deff) for at, name in enumerate(names)]


def _part(
    banded: Banded,
    chosen: NDArray[np.bool_],
    name: str,
    level: int,
    deff: float,
) -> Part:
    cells = _cells(banded, chosen)
    ratio = added.scaled(mantel.level_odds_ratio(cells.goods, cells.bads, level), deff)
    test = mantel.corrected(mantel.general_association(cells.goods, cells.bads), deff)
    load = banded.load[chosen]
    bads = float(load @ banded.bits[chosen])
    return Part(name, float(load.sum()), bads, ratio, test)


def _cells(banded: Banded, chosen: NDArray[np.bool_]) -> Cells:
    level = banded.rows.codes.astype(np.int64)[chosen]
    shape = (len(banded.bands), len(banded.rows.levels))
    return count(
        banded.bands.codes[chosen], level, banded.bits[chosen], banded.scaled[chosen], shape
    )


def homogeneous(banded: Banded, codes: Ints, count_of: int, level: int) -> Test:
    """Return the test that the odds ratio is the same in all parts, bands aside."""
    of = banded.rows.codes.astype(np.int64)
    cells = count(codes, of, banded.bits, banded.scaled, (count_of, len(banded.rows.levels)))
    test = mantel.homogeneity(cells.goods, cells.bads, level)
    return mantel.corrected(test, banded.design_effect())
