"""swap_set: the applicants whose approval changes when the signal joins the score."""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.banded import Banded, mean_interval
from pandas_numberactive.risk._engine.book.bands import bands_of, riskiness, scores_at
from pandas_numberactive.risk._engine.book.checks import checked_folds, checked_seed
from pandas_numberactive.risk._engine.book.population import LEAST, population
from pandas_numberactive.risk._engine.book.terms import Common, takes_terms
from pandas_numberactive.risk._engine.payoff import Table, training
from pandas_numberactive.risk._engine.stats.cells import band_rates, both_rates
from pandas_numberactive.risk._engine.stats.formulas import Z95, wilson
from pandas_numberactive.risk._engine.views import Shown, note_left_out

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

BOTH = "both"
SWAP_IN = "swap in"
SWAP_OUT = "swap out"
NEITHER = "neither"
AVOIDED = "avoided"


@takes_terms
def swap_set(
    df: pd.DataFrame,
    by: str,
    target: str,
    *,
    score: str,
    approve: float = 0.7,
    cut: int = 10,
    folds: int = 5,
    seed: int = 0,
    **common: Unpack[Common],
) -> Shown:
    """Return who would be approved with the signal and without. Charges nothing.

    The same share of applicants is approved twice: by the score alone, and by score and signal
    together. The second ranking is learned on other rows than those it ranks (cross-fitting), as
    it looks better than it is on the rows that it was learned on.

    Parameters
    ----------
    df
        The table, one row an application.
    by, target
        As in `risk_table`, one signal.
    score
        A numeric column; its direction is read off the rows.
    approve
        Share of the rows asked that is approved, above 0 and below 1.
    cut, folds, seed
        Bands of the score; parts of the cross-fitting, and their seed. A customer's loans are in
        one part.
    common
        The keywords that all questions share, see `risk_table`.

    Returns
    -------
    pandas.DataFrame
        Indexed by set: both (approved by both rankings), swap in (only with the signal), swap out
        (only without it), neither. n, share, bads, bad_rate with its 95% interval. The last line,
        avoided, is swap out less swap in: the bads that the swap avoids, and the difference of the
        bad rates with its interval.

    Raises
    ------
    RiskInputError
        With fewer than 30 bads or goods, and as `risk_table` does.

    Notes
    -----
    All rows are loans that were granted. The outcomes of applicants who were declined are unknown,
    so a swap in from among them is not seen here.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> from pandas_numberactive.simulator.loanbook import loan_book, with_answers
    >>> loans = with_answers(loan_book(2_000))
    >>> swaps = pna.risk.swap_set(
    ...     loans, "active_level", "defaulted", score="score", as_of="application_date"
    ... )
    >>> bool(swaps.loc["swap out", "bad_rate"] > swaps.loc["swap in", "bad_rate"])
    True
    """
    if isinstance(approve, bool) or not isinstance(approve, Real) or not 0 < approve < 1:
        raise RiskInputError(f"approve is a share, above 0 and below 1, not {approve!r}.")
    checked_seed(seed)
    rows = population(df, by, target, least=LEAST, **common)
    banded = Banded(rows, bands_of(df, rows, score, None, cut))
    scores = riskiness(scores_at(df, score, rows), banded.bits)
    old, new = _approvals(banded.table(checked_folds(folds), seed), scores, float(approve))
    sets = {BOTH: old & new, SWAP_IN: new & ~old, SWAP_OUT: old & ~new, NEITHER: ~old & ~new}
    lines = {name: _line(banded, chosen) for name, chosen in sets.items()}
    lines[AVOIDED] = _avoided(banded, sets[SWAP_OUT], sets[SWAP_IN])
    table = pd.DataFrame.from_dict(lines, orient="index").rename_axis("set")
    return note_left_out(Shown(table), [rows])


def _approvals(table: Table, scores: Floats, approve: float) -> tuple[Mask, Mask]:
    """Return the rows approved by the score's bands, and by bands and levels, fold by fold."""
    goods, bads = training(table)
    at = (table.fold, table.band, table.level)
    old = _best(band_rates(goods, bads)[at], scores, table, approve)
    new = _best(both_rates(goods, bads)[at], scores, table, approve)
    return old, new


def _best(rate: Floats, scores: Floats, table: Table, approve: float) -> Mask:
    """Return the share of each fold with the lowest fitted rates, ties broken by the score."""
    out = np.zeros(len(rate), bool)
    for fold in range(int(table.fold.max()) + 1):
        here = np.flatnonzero(table.fold == fold)
        order = here[np.lexsort((scores[here], rate[here]))]
        load = np.cumsum(table.load[order])
        out[order[load <= approve * load[-1] * (1 + 1e-12)]] = True
    return out


def _line(banded: Banded, chosen: Mask) -> dict[str, float]:
    load = banded.load * chosen
    rate, error = mean_interval(banded.bits, banded, chosen)
    low, high = rate_interval(rate, error, float(chosen.sum()))
    return {
        "n": float(load.sum()),
        "share": float(load.sum() / banded.load.sum()),
        "bads": float(load @ banded.bits),
        "bad_rate": rate,
        "bad_rate_low": low,
        "bad_rate_high": high,
    }


def rate_interval(rate: float, error: float, rows: float) -> tuple[float, float]:
    """Return Wilson's interval on the effective number of rows, at most the rows themselves."""
    if math.isnan(rate):
        return math.nan, math.nan
    spread = rate * (1 - rate)
    size = min(spread / error**2, rows) if error > 0 and spread > 0 else rows
    low, high = wilson(np.array([rate * size]), np.array([size]))
    return float(low[0]), float(high[0])


def _avoided(banded: Banded, out: Mask, into: Mask) -> dict[str, float]:
    removed = _line(banded, out)
    added = _line(banded, into)
    rate = removed["bad_rate"] - added["bad_rate"]
    errors = [mean_interval(banded.bits, banded, chosen)[1] for chosen in (out, into)]
    half = Z95 * math.hypot(*errors)
    return {
        "n": removed["n"],
        "share": removed["share"],
        "bads": removed["bads"] - added["bads"],
        "bad_rate": rate,
        "bad_rate_low": rate - half,
        "bad_rate_high": rate + half,
    }
