"""The evidence of a retro test: the rows of each signal that may decide, and their figures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pandas_numberactive.risk import added
from pandas_numberactive.risk._engine import lag
from pandas_numberactive.risk._engine.banded import Banded
from pandas_numberactive.risk._engine.book.bands import bands_of
from pandas_numberactive.risk._engine.book.dates import dated_late_rows, lag_days, moments
from pandas_numberactive.risk._engine.book.inputs import signal_columns
from pandas_numberactive.risk._engine.book.population import LEAST, Population, population
from pandas_numberactive.risk._engine.book.terms import Terms
from pandas_numberactive.risk._engine.payoff import Stakes, paid_out
from pandas_numberactive.risk._engine.retro_terms import common_of
from pandas_numberactive.risk._engine.stats.significance import CHANCE, holm
from pandas_numberactive.risk._report.rule import Finding
from pandas_numberactive.risk.prices import Worth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pandas_numberactive.risk._engine.retro_terms import RetroTerms

    Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Evidence:
    """One signal's deciding rows with their figures.

    `banded` is None where rows are too few. `whole` holds late rows, too.
    """

    signal: str
    lateness: lag.Lateness
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

    @property
    def by_time_alone(self) -> bool:
        """True where the signal has an effect over all months, and none within them."""
        within = self.line.get("p_months", np.nan)
        return bool(self.line.get("p_value", np.nan) < CHANCE <= within)

    def finding(self) -> Finding | None:
        """Return the figures that decide, or None where there are none."""
        if self.worth is None:
            return None
        worth, low, high = self.worth.total()
        return Finding(self.signal, worth, low, high, float(self.line["p_holm"]))


def gather(terms: RetroTerms, df: pd.DataFrame) -> list[Evidence]:
    """Return the evidence of each signal, p-values corrected for their number."""
    names = signal_columns(df, terms.by)
    late = dated_late_rows(df, names, Terms(**common_of(terms)))
    found = [_evidence(terms, df, name, late[name]) for name in names]
    corrected = holm([_larger_p(one.line) for one in found])
    return [
        replace(one, line=one.line | {"p_holm": float(p), "adds": bool(p < CHANCE)})
        if one.line
        else one
        for one, p in zip(found, corrected, strict=True)
    ]


def _larger_p(line: dict[str, Any]) -> float:
    """Return the larger p-value of the tests within bands and within bands and months.

    Where bad rates and levels both move over time they go together without a cause, which the first
    test takes for an effect.
    """
    return float(np.fmax(line.get("p_value", np.nan), line.get("p_months", np.nan)))


def _evidence(terms: RetroTerms, df: pd.DataFrame, name: str, late: Mask) -> Evidence:
    whole = population(df, name, terms.target, **common_of(terms))
    lateness = _lateness(terms, df, whole, late)
    joined = lateness.late == 0 or lateness.reading is lag.Lag.CLEAN
    rows = whole if joined else whole.restricted(~late[whole.at])
    if _few(rows):
        return Evidence(name, lateness, joined, whole, rows, None, {}, None)
    banded = Banded(rows, bands_of(df, rows, terms.score, terms.bands, terms.cut))
    line = added.line(banded, added.in_ranks(df, banded, terms.score), "cmh", terms.seed)
    line["p_months"] = banded.within(month_codes(terms, df, rows)[1]).association().p
    return Evidence(name, lateness, joined, whole, rows, banded, line, _worth(terms, banded))


def month_codes(
    terms: RetroTerms, df: pd.DataFrame, rows: Population
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the months of decision, and the place of each row's among them."""
    local = moments(df, terms.as_of, terms.tz).local[rows.at]
    months, codes = np.unique(local.astype("M8[M]"), return_inverse=True)
    return tuple(str(month) for month in months), codes.astype(np.int64)


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
) -> lag.Lateness:
    days = lag_days(df, rows.signal, Terms(**common_of(terms)))[rows.at]
    return lag.lateness_of(rows, days, late[rows.at])
