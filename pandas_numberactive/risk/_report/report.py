"""RetroReport: the decision of a retro test with its reasons and tables."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.banded import Banded
from pandas_numberactive.risk._engine.book.bands import bands_of
from pandas_numberactive.risk._engine.book.dates import moments
from pandas_numberactive.risk._engine.book.inputs import need_frame, repeated, weights
from pandas_numberactive.risk._report import tables, words
from pandas_numberactive.risk._report.contents import Contents
from pandas_numberactive.risk._report.evidence import Evidence, gather
from pandas_numberactive.risk._report.needs import needs_of
from pandas_numberactive.risk._report.page import page, short
from pandas_numberactive.risk._report.rule import Finding, decide

if TYPE_CHECKING:
    from pandas_numberactive.risk._engine.retro_terms import RetroTerms


class RetroReport(Contents):
    """The report of a retro test.

    Attributes
    ----------
    decision
        "BUY", "DO NOT BUY" or "NOT ENOUGH DATA".
    reasons, warnings, limits
        Sentences.
    signal
        The signal that the tables are about.
    tables
        Frames by name, with all cells. The page masks small ones.
    needs
        The study that would decide.
    terms, facts, made
        The terms, figures about the rows, and the time of the report.
    """

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the report to one self-contained HTML file and return its path.

        The file holds no phone number and no cell of fewer than 10 customers. It asks no other
        host, and has no script.

        Parameters
        ----------
        path
            The file to write.

        Returns
        -------
        pathlib.Path
            The path of the file.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        target = Path(path)
        target.write_text(page(self), encoding="utf-8")
        return target

    def __repr__(self) -> str:
        lines = [f"Retro test: {self.decision}", *(f"  {text}" for text in self.reasons)]
        return "\n".join([*lines, *(f"  Note: {text}" for text in self.warnings)])

    def _repr_html_(self) -> str:
        return short(self)


def report_of(terms: RetroTerms, df: pd.DataFrame) -> RetroReport:
    """Return the report of an enriched table under the terms."""
    need_frame(df)
    counts = weights(df, terms.counts, "counts")
    if counts is None:
        return _reported(terms, df)
    each_loan = df.iloc[repeated(counts)]
    report = _reported(replace(terms, counts=None), each_loan)
    return replace(report, terms=terms)


def _reported(terms: RetroTerms, df: pd.DataFrame) -> RetroReport:
    found = gather(terms, df)
    findings = [one.finding() for one in found]
    known = [one for one in findings if one is not None]
    decision = decide(known, terms.price, len(found))
    lead = _lead(terms, found, known)
    needs = needs_of(terms, df, lead)
    return RetroReport(
        terms,
        decision,
        tuple(words.reasons(terms, decision, lead, known, needs)),
        tuple(words.warnings_of(terms, found)),
        tuple(words.limits_of(terms, lead, needs, len(found))),
        lead.signal,
        needs,
        _tables(terms, df, found, known, lead),
        _facts(terms, df, lead),
    )


def _lead(terms: RetroTerms, found: list[Evidence], known: list[Finding]) -> Evidence:
    """Return the signal to report on: the best that pays, else the one with the smallest p."""
    if not known:
        return max(found, key=lambda one: len(one.rows))
    paying = [one for one in known if one.buys(terms.price)]
    if paying:
        best = max(paying, key=lambda one: one.low)
    else:
        best = min(known, key=lambda one: (one.p_holm, -one.worth))
    return next(one for one in found if one.signal == best.signal)


def _tables(
    terms: RetroTerms, df: pd.DataFrame, found: list[Evidence], known: list[Finding], lead: Evidence
) -> dict[str, pd.DataFrame]:
    out = {"coverage": tables.coverage(terms, df, lead)}
    if lead.banded is not None:
        out |= _deciding_tables(terms, df, found, known, lead)
    if lead.lateness.late:
        out["lateness"] = tables.by_lag(terms, df, lead, _whole(terms, df, lead))
    return {name: table for name, table in out.items() if len(table)}


def _deciding_tables(
    terms: RetroTerms, df: pd.DataFrame, found: list[Evidence], known: list[Finding], lead: Evidence
) -> dict[str, pd.DataFrame]:
    assert lead.worth is not None
    out = {
        "signals": tables.signals(found, {one.signal: one for one in known}),
        "levels": tables.levels(lead),
        "separation": tables.separated(found),
        "bands": tables.by_band(lead),
        "months": tables.by_month(terms, df, lead),
        "price": lead.worth.table,
        "watch": tables.watch(lead, _monthly(terms, df, lead)),
    }
    optional = {
        "segments": tables.by_segment(terms, df, lead),
        "swaps": tables.swaps(terms, df, lead),
    }
    return out | {name: table for name, table in optional.items() if table is not None}


def _whole(terms: RetroTerms, df: pd.DataFrame, lead: Evidence) -> Banded:
    bands = bands_of(df, lead.whole, terms.score, terms.bands, terms.cut)
    return Banded(lead.whole, bands)


def _monthly(terms: RetroTerms, df: pd.DataFrame, lead: Evidence) -> float:
    """Return the look-ups a month among the deciding rows."""
    local = moments(df, terms.as_of, terms.tz).local[lead.rows.at].astype("M8[M]")
    return len(local) / max(1, len(np.unique(local)))


def _facts(terms: RetroTerms, df: pd.DataFrame, lead: Evidence) -> dict[str, str]:
    decided = moments(df, terms.as_of, terms.tz).local
    known = decided[~np.isnat(decided)]
    if not len(known):
        raise RiskInputError(f"No row has a date in {terms.as_of!r}.")
    facts = {
        "applications": f"{len(df):,}",
        "decided": f"{str(known.min())[:10]} to {str(known.max())[:10]}",
        "asked": f"{len(lead.whole):,}",
        "deciding rows": f"{len(lead.rows):,}",
    }
    if lead.banded is not None:
        facts["same odds ratio in all bands"] = words.p_text(lead.line["p_homogeneous"])
        facts["same odds ratio in all months"] = words.p_text(tables.month_test(terms, df, lead))
        facts["compared"] = str(lead.line["level"])
    if lead.lateness.late:
        facts["lag"] = str(lead.lateness.reading)
    return facts
