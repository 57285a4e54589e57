"""risk_table and iv_table: what each level of a signal says about the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.formulas import chi_square, evidence, wilson
from pandas_numberactive.risk._engine.inputs import (
    Missing,
    Signal,
    outcomes,
    signal_columns,
    signals,
    weights,
)
from pandas_numberactive.risk._engine.late import Late, without_late
from pandas_numberactive.risk.views import Summary, risk_html

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = [
    "n",
    "share",
    "bads",
    "bad_rate",
    "bad_rate_low",
    "bad_rate_high",
    "lift",
    "woe",
    "iv",
    "corrected",
]
UNTOLD = "not told from chance"
READING = pd.CategoricalDtype([UNTOLD, "not predictive", "weak", "medium", "strong"], ordered=True)
CHANCE = 0.05  # the p-value from which on a table does not speak of an effect


class RiskTable(pd.DataFrame):
    """A frame that a notebook shows with bars; everything else is a DataFrame's."""

    @property
    def _constructor(self) -> type[RiskTable]:
        return RiskTable

    def _repr_html_(self) -> str | None:
        if list(self.columns) != COLUMNS or self.index.nlevels != 2:
            html: str | None = pd.DataFrame(self)._repr_html_()  # type: ignore[operator]
            return html
        return risk_html(self)


def risk_table(
    df: pd.DataFrame,
    by: str | Sequence[str],
    target: str,
    *,
    weight: str | None = None,
    missing: Missing = "own_levels",
    bad: object = None,
    as_of: str | None = None,
    late: Late = "warn",
) -> RiskTable:
    """Return what each level of one or more signals says about the outcome, in the order of the
    levels.

    Charges nothing.

    Parameters
    ----------
    by
        A column of `enrich`'s ("phone_active_level", or "active_level" where only one fits),
        several, or "all".
    target
        A column of 0 (good) and 1 (bad), of bools, or of two values with `bad=` naming the bad one.
    weight
        A column that says how many customers a row stands for: intervals take weights as counts,
        not as shares.
    missing
        "own_levels": rows without a level are "no data" (paid, this signal not known, even where
        the answer holds others), "not asked" or "failed", by their status; "one_level": all of them
        together; "drop": left out.
    as_of, late
        The column with the date of the decision. Answers bought after it saw the outcome: they are
        warned about with their share, dropped, or kept. A date without a time counts until its end;
        without a time zone it is UTC. Without `as_of`, where the table says when its answers were
        bought, the first result warns that nobody checked.

    Returns
    -------
    DataFrame indexed by signal and level, empty levels included: n and bads (weighted counts),
    share, bad_rate with Wilson's 95% interval, lift (bad rate over the whole book's), woe =
    ln(%good / %bad), below 0 where there are more bads than in the whole book, iv (the level's
    part), and corrected: the level has no goods or no bads, so 0.5 was added to both counts for woe
    and iv, or it has no rows at all (its rates are missing then, woe and iv 0).

    Raises RiskInputError or ColumnNotFoundError where the table cannot be analysed. A level with
    few rows proves little: look at the interval. WoE and IV as in Siddiqi, Credit Risk Scorecards
    (2006).

    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "low", "high", "high"], dtype=pna.ACTIVE_LEVEL)
    >>> book = pd.DataFrame({"active_level": level, "defaulted": [1, 0, 0, 0]})
    >>> table = pna.risk.risk_table(book, "active_level", "defaulted")
    >>> table.loc[("active_level", "low"), "bad_rate"].item()
    0.5
    """
    names = signal_columns(df, by)
    df = without_late(df, names, as_of, late)
    bits, load = outcomes(df, target, bad), weights(df, weight)
    parts = [_one(signal, bits, load) for signal in signals(df, names, missing)]
    return RiskTable(pd.concat(parts))


def counts(
    signal: Signal, bits: NDArray[np.int8], load: NDArray[np.float64] | None
) -> tuple[Any, Any]:
    """Goods and bads of each level, weighted."""
    kept = signal.codes >= 0
    codes = signal.codes
    if not kept.all():
        codes, bits, load = codes[kept], bits[kept], None if load is None else load[kept]
    pair = codes.view(np.uint8) * np.uint8(2) + bits.view(np.uint8)  # 103 levels at most: below 256
    both = np.bincount(pair, load, 2 * len(signal.levels)).astype(float).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _one(signal: Signal, bits: NDArray[np.int8], load: NDArray[np.float64] | None) -> pd.DataFrame:
    goods, bads = counts(signal, bits, load)
    n = goods + bads
    if not goods.sum() or not bads.sum():
        raise RiskInputError(
            f"The rows with a level of {signal.name!r} are of one class only: nothing to compare."
        )
    woe, iv, corrected = evidence(goods, bads)
    low, high = wilson(bads, n)
    rate = np.divide(bads, n, out=np.full(len(n), np.nan), where=n > 0)
    index = pd.MultiIndex.from_product([[signal.name], signal.levels], names=["signal", "level"])
    values = [
        n,
        n / n.sum(),
        bads,
        rate,
        low,
        high,
        rate / (bads.sum() / n.sum()),
        woe,
        iv,
        corrected,
    ]
    frame = pd.DataFrame(dict(zip(COLUMNS, values, strict=True)), index=index)
    return frame if load is not None else frame.astype({"n": "int64", "bads": "int64"})


def iv_table(
    df: pd.DataFrame,
    by: str | Sequence[str],
    target: str,
    *,
    weight: str | None = None,
    missing: Missing = "own_levels",
    bad: object = None,
    as_of: str | None = None,
    late: Late = "warn",
) -> Summary:
    """Return each signal's total information value, the strongest first; charges nothing.

    Parameters and errors are those of `risk_table`. Columns: iv, n, levels (with rows), corrected
    (0.5 was added somewhere), p_value and reading. In a small book chance alone makes an
    information value of 0.1 and more, so p_value, of Pearson's chi-square test (missing with one
    level), says how often it makes levels as different as these; weights are taken as counts. From
    0.05 on the reading is "not told from chance": too few customers, or no effect. Below, it is
    Siddiqi's rule of thumb: iv below 0.02 not predictive, to 0.1 weak, to 0.3 medium, above strong.
    Of 20 signals that say nothing, one passes. A very strong one may have seen the outcome: see
    `as_of`.

    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "low", "high", "high"], dtype=pna.ACTIVE_LEVEL)
    >>> book = pd.DataFrame({"active_level": level, "defaulted": [1, 0, 1, 0]})
    >>> pna.risk.iv_table(book, "active_level", "defaulted").loc["active_level", "iv"].item()
    0.0
    """
    table = risk_table(
        df, by, target, weight=weight, missing=missing, bad=bad, as_of=as_of, late=late
    )
    groups = pd.DataFrame(table).reset_index().groupby("signal", sort=False)
    filled = pd.DataFrame(table)[table["n"] > 0].reset_index().groupby("signal", sort=False)
    out = pd.DataFrame({"iv": groups["iv"].sum(), "n": groups["n"].sum(), "levels": filled.size()})
    out["corrected"] = filled["corrected"].any()
    sizes = {
        name: (part["n"].to_numpy(float), part["bads"].to_numpy(float)) for name, part in groups
    }
    out["p_value"] = [chi_square(n - bads, bads) for n, bads in (sizes[name] for name in out.index)]
    codes = np.searchsorted([0.02, 0.1, 0.3], out["iv"].to_numpy(), side="right") + 1
    told = out["p_value"].to_numpy() < CHANCE  # False where it is missing
    out["reading"] = pd.Categorical.from_codes(np.where(told, codes, 0), dtype=READING)
    return Summary(out.sort_values("iv", ascending=False, kind="stable"))
