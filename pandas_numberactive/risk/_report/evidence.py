"""The evidence of a retro test: the rows of each signal that may decide, and their figures."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pandas_numberactive.errors import LookAheadWarning
from pandas_numberactive.risk import added
from pandas_numberactive.risk._engine import lag
from pandas_numberactive.risk._engine.banded import Banded
from pandas_numberactive.risk._engine.book.bands import bands_of
from pandas_numberactive.risk._engine.book.dates import lag_days, late_rows
from pandas_numberactive.risk._engine.book.inputs import signal_columns
from pandas_numberactive.risk._engine.book.population import LEAST, Population, population
from pandas_numberactive.risk._engine.book.terms import Terms
from pandas_numberactive.risk._engine.payoff import Stakes, paid_out
from pandas_numberactive.risk._engine.retro_terms import common_of
from pandas_numberactive.risk._engine.stats.significance import holm
from pandas_numberactive.risk._engine.strata import NO_EFFECT, Effect
from pandas_numberactive.risk._report.rule import Finding
from pandas_numberactive.risk.prices import Worth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pandas_numberactive.risk._engine.retro_terms import RetroTerms

    Mask = NDArray[np.bool_]
    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lateness:
    """Fresh and late answers of one signal, and the growth of its effect with the lag."""

    fresh: int
    late: int
    growth: Effect
    reading: lag.Lag
    groups: NDArray[np.int64]


@dataclass(frozen=True)
class Evidence:
    """One signal's deciding rows with their figures.

    `banded` is None where rows are too few. `whole` holds late rows, too.
    """

    signal: str
    lateness: Lateness
    joined: bool
    whole: Population
    rows: Population
    banded: Banded | None
    line: dict[str, Any]
    worth: Worth | None

    @property
    def late(self) -> bool:
        """True where late rows are among those that decide."""
        return self.joined and self.lateness.late > 0

    def finding(self) -> Finding | None:
        """Return the figures that decide, or None where there are none."""
        if self.worth is None:
            return None
        worth, low, high = self.worth.total()
        return Finding(self.signal, worth, low, high, float(self.line["p_holm"]))


def gather(terms: RetroTerms, df: pd.DataFrame) -> list[Evidence]:
    """Return the evidence of each signal, p-values corrected for their number."""
    names = signal_columns(df, terms.by)
    late = _late_masks(terms, df, names)
    found = [_evidence(terms, df, name, late[name]) for name in names]
    corrected = holm([one.line.get("p_value", np.nan) for one in found])
    return [
        replace(one, line=one.line | {"p_holm": float(p), "adds": bool(p < 0.05)})
        if one.line
        else one
        for one, p in zip(found, corrected, strict=True)
    ]


def _late_masks(terms: RetroTerms, df: pd.DataFrame, names: list[str]) -> dict[str, Mask]:
    """Return the late rows of each signal, and refuse rows without a date."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookAheadWarning)  # the report itself says it
        return late_rows(df, names, Terms(**(common_of(terms) | {"late": "warn"})))


def _evidence(terms: RetroTerms, df: pd.DataFrame, name: str, late: Mask) -> Evidence:
    whole = population(df, name, terms.target, **common_of(terms))
    lateness = _lateness(terms, df, whole, late)
    joined = lateness.late == 0 or lateness.reading is lag.Lag.CLEAN
    rows = whole if joined else whole.restricted(~late[whole.at])
    if _few(rows):
        return Evidence(name, lateness, joined, whole, rows, None, {}, None)
    banded = Banded(rows, bands_of(df, rows, terms.score, terms.bands, terms.cut))
    line = added.line(banded, "cmh", terms.seed)
    return Evidence(name, lateness, joined, whole, rows, banded, line, _worth(terms, banded))


def _few(rows: Population) -> bool:
    bads = int(rows.bad.sum())
    return min(bads, len(rows) - bads) < LEAST


def _worth(terms: RetroTerms, banded: Banded) -> Worth:
    stakes = Stakes(terms.margin, terms.loss)
    table = banded.table(terms.folds, terms.seed)
    return Worth(banded, paid_out(table, stakes, terms.price), stakes, terms.price, terms.seed)


def _lateness(
    terms: RetroTerms,
    df: pd.DataFrame,
    rows: Population,
    late: Mask,
) -> Lateness:
    days = np.nan_to_num(lag_days(df, rows.signal, Terms(**common_of(terms)))[rows.at])
    groups = lag.groups(days)
    behind = late[rows.at]
    fresh = int((~behind).sum())
    growth = _growth(rows, groups, behind, days)
    return Lateness(fresh, int(behind.sum()), growth, lag.reading(growth, fresh), groups)


def _growth(
    rows: Population,
    groups: NDArray[np.int64],
    late: Mask,
    days: Floats,
) -> Effect:
    """Return the growth of the worst level's effect, from fresh rows to three months on."""
    if not late.any() or late.all():
        return NO_EFFECT
    worst = (np.arange(len(rows.levels)) == added.worst_level(rows)).astype(float)
    return lag.growth(rows, groups, worst, lag.reach(days, late, groups))
