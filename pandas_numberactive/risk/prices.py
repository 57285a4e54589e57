"""break_even: the most that a look-up may cost, and the applicants to look up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.banded import Banded, mean_interval
from pandas_numberactive.risk._engine.book.bands import bands_of
from pandas_numberactive.risk._engine.book.checks import (
    amount,
    checked_folds,
    checked_seed,
    price_of,
)
from pandas_numberactive.risk._engine.book.population import LEAST, population, values_at
from pandas_numberactive.risk._engine.book.terms import Common, takes_terms
from pandas_numberactive.risk._engine.payoff import Paid, Stakes, best_case, paid_out
from pandas_numberactive.risk._engine.stats.formulas import Z95
from pandas_numberactive.risk._engine.views import Shown, note_left_out

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pandas_numberactive.risk._engine.book.population import Population

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

ALL = "all"
CHOSEN = "chosen"
PAYS = "look up"
NO_GAIN = "skip"
UNSURE = "not enough data"
ADVICE = pd.CategoricalDtype([NO_GAIN, UNSURE, PAYS], ordered=True)


@takes_terms
def break_even(
    df: pd.DataFrame,
    by: str,
    target: str,
    *,
    margin: float,
    loss: float,
    unit_price: float | None = None,
    score: str | None = None,
    bands: str | None = None,
    approved: str | None = None,
    cut: int = 10,
    folds: int = 5,
    seed: int = 0,
    **common: Unpack[Common],
) -> Shown:
    """Return the most that a look-up may cost, by score band and in total. Charges nothing.

    An answer is worth the better decisions that it leads to, the value of information (Raiffa and
    Schlaifer 1961). With and without it the lender approves where (1 - p) margin - p loss is above
    0. The rates p are learned on other rows than those that the decisions are paid out on.

    Parameters
    ----------
    df
        The table, one row an application.
    by, target
        As in `risk_table`, one signal.
    margin, loss
        The earnings of a good loan and the loss of a bad one, above 0, in the settings' currency.
    unit_price
        The price of a look-up; the settings' by default.
    score, bands, cut
        The score in use, as in `incremental`. Without either the rows are one band.
    approved
        A column of True and False: the decision in use, in place of the bands'.
    folds, seed
        Parts of the cross-fitting, and their seed. A customer's loans are in one part.
    common
        The keywords that all questions share, see `risk_table`.

    Returns
    -------
    pandas.DataFrame
        Indexed by band, then "all", then "chosen". n, share, bad_rate; worth: the break-even price
        of a look-up, with its 95% interval worth_low, worth_high; unit_price; gain: n times worth
        less price; advice: "look up" where worth_low is above the price, "skip" where worth_high is
        below it, else "not enough data". "chosen": the bands that pay, chosen on the other folds.

    Raises
    ------
    RiskInputError
        Without a price, with fewer than 30 bads or goods, and as `risk_table` does.

    Notes
    -----
    worth is that of decisions learned on a part of these rows, so more rows can only raise it.
    worth_high is at least the 97.5% point of the worth that the counts leave possible. Only granted
    loans have an outcome, so a decision to approve declined applicants is not valued.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> from pandas_numberactive.simulator.loanbook import loan_book, with_answers
    >>> loans = with_answers(loan_book(5_000))
    >>> table = pna.risk.break_even(
    ...     loans,
    ...     "active_level",
    ...     "defaulted",
    ...     margin=800_000,
    ...     loss=6_000_000,
    ...     unit_price=500,
    ...     score="score",
    ...     as_of="application_date",
    ... )
    >>> str(table.loc["all", "advice"])
    'look up'
    """
    price = _needed_price(unit_price)
    checked_seed(seed)
    stakes = Stakes(amount(margin, "margin"), amount(loss, "loss"))
    rows = population(df, by, target, least=LEAST, **common)
    banded = Banded(rows, bands_of(df, rows, score, bands, cut))
    table = banded.table(checked_folds(folds), seed, _decisions(df, approved, rows))
    worth = Worth(banded, paid_out(table, stakes, price), stakes, price, seed)
    return note_left_out(Shown(worth.table), [rows])


def _needed_price(unit_price: float | None) -> float:
    price = price_of(unit_price)
    if price is None:
        raise RiskInputError(
            "Say what a look-up costs: unit_price=500, or pna.configure(unit_price=...)."
        )
    return price


def _decisions(df: pd.DataFrame, approved: str | None, rows: Population) -> Mask | None:
    if approved is None:
        return None
    values = values_at(df, approved, rows)
    if not pd.api.types.is_bool_dtype(values.dtype) or values.isna().any():
        raise RiskInputError(
            f"approved={approved!r} must be True or False in every row; it is {values.dtype}. "
            f'For 0 and 1: df[{approved!r}].astype("bool").'
        )
    return values.to_numpy(dtype=bool)


@dataclass(frozen=True)
class Worth:
    """The gains of the asked rows, to be summed up by band."""

    banded: Banded
    paid: Paid
    stakes: Stakes
    price: float
    seed: int

    @cached_property
    def table(self) -> pd.DataFrame:
        """Return a line a band, and those of all rows and of the chosen ones."""
        best = self.best_case()
        codes = self.banded.bands.codes
        lines = {}
        if len(self.banded.bands) > 1:
            for at, name in enumerate(self.banded.bands.names):
                lines[name] = self._line(codes == at, float(best[at]))
        lines[ALL] = self._whole(float(best[-1]))
        lines[CHOSEN] = self._line(self.paid.chosen, -math.inf)
        table = pd.DataFrame.from_dict(lines, orient="index").rename_axis("band")
        table["advice"] = table["advice"].astype(ADVICE)
        return table

    def total(self) -> tuple[float, float, float]:
        """Return the worth of all rows with its interval."""
        line: Any = self._whole(float(self.best_case()[-1]))
        return float(line["worth"]), float(line["worth_low"]), float(line["worth_high"])

    def best_case(self) -> Floats:
        """Return the worth that the counts leave possible, by band and for all."""
        deff = self.banded.design_effect()
        return best_case(self.banded.cells(), self.stakes, deff, self.seed)

    def _whole(self, best: float) -> dict[str, object]:
        return self._line(np.ones(len(self.banded.rows), bool), best)

    def _line(self, chosen: Mask, best: float) -> dict[str, object]:
        mean, error = mean_interval(self.paid.gain, self.banded, chosen)
        rate, _ = mean_interval(self.banded.bits, self.banded, chosen)
        low = mean - Z95 * error
        high = max(mean + Z95 * error, best)
        load = float((self.banded.load * chosen).sum())
        return {
            "n": load,
            "share": load / float(self.banded.load.sum()),
            "bad_rate": rate,
            "worth": mean,
            "worth_low": low,
            "worth_high": high,
            "unit_price": self.price,
            "gain": load * (mean - self.price),
            "advice": advice(low, high, self.price),
        }


def advice(low: float, high: float, price: float) -> str:
    """Return the three-valued reading of a worth's interval against the price."""
    if low > price:
        return PAYS
    if high < price:
        return NO_GAIN
    return UNSURE
