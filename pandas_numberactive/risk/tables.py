"""risk_table and iv_table: the bad rate of each level, and the information value of each signal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from pandas_numberactive.risk._engine.book.inputs import Missing
from pandas_numberactive.risk._engine.book.population import (
    Population,
    Reading,
    populations,
    readings,
    refuse_one_class,
)
from pandas_numberactive.risk._engine.book.terms import Common, takes_terms
from pandas_numberactive.risk._engine.stats.covariance import Rows, intervals, level_rates
from pandas_numberactive.risk._engine.stats.formulas import evidence
from pandas_numberactive.risk._engine.stats.ranking import NONE, auc, gini, ks
from pandas_numberactive.risk._engine.stats.significance import (
    CHANCE,
    chance_part,
    holm,
    levels_test,
)
from pandas_numberactive.risk._engine.views import (
    LATE,
    RISK_COLUMNS,
    Shown,
    note_late,
    note_left_out,
    with_late,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOT_SIGNIFICANT = "not significant"
READING = pd.CategoricalDtype(
    [NOT_SIGNIFICANT, "not predictive", "weak", "medium", "strong"], ordered=True
)
WHOLE = {"n": "int64", "bads": "int64"}


@takes_terms
def risk_table(
    df: pd.DataFrame,
    by: str | Sequence[str],
    target: str,
    *,
    missing: Missing = "own_levels",
    **common: Unpack[Common],
) -> Shown:
    """Return the bad rate and the weight of evidence of each level. Charges nothing.

    Parameters
    ----------
    df
        The table, one row an application.
    by
        A column of `enrich`'s ("phone_active_level", or "active_level" where only one fits),
        several, "all", or a category of your own.
    target
        A column of 0 (good) and 1 (bad), of bools, or of two values with `bad=` naming the bad one.
    missing
        Rows without a level. "own_levels": "no data" is a level, as it was asked and paid for. "not
        asked" and "failed" are known for free: they stand apart and are never tested. "one_level":
        all of them stand apart as "missing". "drop": they are left out.
    as_of, late, within, tz
        The column with the date of the decision. Answers bought more than `within` after it ("1D")
        saw the outcome. `late` says to keep them and "warn" with their share, to "drop" them (they
        stand apart as "late") or to "keep" them without a warning. The table says how many there
        are. A date without a time counts until its end. A column without a
        time zone is on the clock of `tz`, by default the setting `timezone` (Asia/Jakarta). Without
        `as_of` the first result warns that lateness was not checked.
    cluster
        The column that names the customer. "auto" takes the phone number. Loans of one customer are
        not independent: intervals and tests account for it. None: every row is a customer.
    weight, counts
        `weight`: a column of sampling weights, the inverse of the share of its kind that was drawn.
        `counts`: a column of whole numbers, the identical rows that a row of a frequency table
        stands for.
    mature
        The age from which on an outcome is settled ("90D"). Younger rows are refused.

    Returns
    -------
    pandas.DataFrame
        Indexed by signal and level, empty levels included. n and bads (weighted); share of all
        rows; bad_rate, with its 95% interval bad_rate_low to bad_rate_high (Wilson 1927, on the
        effective number of rows); lift: bad rate over that of all asked rows; woe = ln(%good /
        %bad), below 0 where there are more bads; iv: the level's part of the information value;
        corrected: the level has no goods or no bads, so 0.5 was added to both counts for woe and
        iv, or it has no rows; late, only with `as_of`: rows whose answers are late, kept or not.
        lift, woe and iv are missing on lines apart. `.left_out` counts the rows that are not
        compared, `.late_kept` the late answers among those that are.

    Raises
    ------
    RiskInputError, ColumnNotFoundError
        Where the table cannot be analysed: the message says why.

    Notes
    -----
    WoE and IV as in Siddiqi, Credit Risk Scorecards (2006).

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "low", "high", "high"], dtype=pna.ACTIVE_LEVEL)
    >>> book = pd.DataFrame({"active_level": level, "defaulted": [1, 0, 0, 0]})
    >>> table = pna.risk.risk_table(book, "active_level", "defaulted")
    >>> table.loc[("active_level", "low"), "bad_rate"].item()
    0.5
    """
    return table_of(readings(df, by, target, missing=missing, **common))


def table_of(found: Sequence[Reading]) -> Shown:
    """Return the risk table of signals that were read already."""
    out = Shown(pd.concat([_lines(one) for one in found]))
    note_late(out, {one.signal.name: one.late_words() for one in found})
    return note_left_out(out, {one.signal.name: one.left_out() for one in found})


def _lines(found: Reading) -> pd.DataFrame:
    """Return the lines of one signal: tested levels, then lines apart."""
    name = found.signal.name
    tested = found.signal.tested
    rows = found.whole if found.whole.plain else found.counted()
    columns = _rates(rows)
    n = columns["n"]
    bads = columns["bads"]
    asked = float(n[:tested].sum())
    all_bads = float(bads[:tested].sum())
    refuse_one_class(name, asked - all_bads, all_bads)
    blank = np.full(len(n) - tested, np.nan)
    woe, iv, corrected = evidence(n[:tested] - bads[:tested], bads[:tested])
    lift = columns["bad_rate"][:tested] / (all_bads / asked)
    columns["share"] = n / n.sum()
    columns["lift"] = np.concatenate([lift, blank])
    columns["woe"] = np.concatenate([woe, blank])
    columns["iv"] = np.concatenate([iv, blank])
    columns["corrected"] = np.concatenate([corrected, np.zeros(len(blank), bool)])
    if rows.weight is None:
        columns["n"] = n.astype(np.int64)
        columns["bads"] = bads.astype(np.int64)
    index = pd.MultiIndex.from_product([[name], rows.levels], names=["signal", "level"])
    out = pd.DataFrame({column: columns[column] for column in RISK_COLUMNS}, index=index)
    late = found.late_by_level()
    return out if late is None else out.assign(**{LATE: late})


def _rates(rows: Rows) -> dict[str, NDArray[Any]]:
    goods, bads = rows.cells()
    low, high = intervals(rows)
    return {
        "n": goods + bads,
        "bads": bads,
        "bad_rate": level_rates(rows),
        "bad_rate_low": low,
        "bad_rate_high": high,
    }


@takes_terms
def iv_table(
    df: pd.DataFrame,
    by: str | Sequence[str],
    target: str,
    *,
    missing: Missing = "own_levels",
    **common: Unpack[Common],
) -> Shown:
    """Return the information value of each signal, the strongest first. Charges nothing.

    Parameters
    ----------
    df
        The table, one row an application.
    by, target, missing, as_of, late, within, tz, cluster, weight, counts, bad, mature
        As in `risk_table`. Only rows that were asked are compared.

    Returns
    -------
    pandas.DataFrame
        Indexed by signal. iv; iv_less_chance: iv less (k - 1) (1 / goods + 1 / bads), the part that
        chance alone makes on average, at least 0; auc, gini and ks with their 95% intervals
        (..._low, ..._high), on the rows with a level of the signal's own; n and bads; levels (with
        rows); corrected (0.5 was added somewhere); p_value of Pearson's chi-square test, with
        sampling weights or repeat customers of a robust score test (missing with one level), levels
        below 5 expected bads pooled; p_holm: corrected for the number of signals (Holm 1979);
        reading: "not significant" from p_holm 0.05 on, too few customers or no effect. Below,
        Siddiqi's rule of thumb on iv_less_chance: below 0.02 not predictive, to 0.1 weak, to 0.3
        medium, above strong. Where it rests on late answers it says so: "strong, but 12 of 340
        answers are late". late: rows that are late, kept or dropped.

    Raises
    ------
    RiskInputError, ColumnNotFoundError
        Where the table cannot be analysed: the message says why.

    Notes
    -----
    auc is the probability that a bad stands in an earlier level than a good, so gini = 2 auc - 1 is
    above 0 where the bad rate falls from level to level. Both are missing for three and more levels
    without an order. DeLong et al. (1988), with weights or repeat customers Obuchowski (1997), on
    the logit. ks is the largest distance of the two cumulative shares; its interval takes the place
    of the cut as given.

    A signal picked because it passed looks stronger than it is, even less chance: test it on other
    loans. A very strong one may have seen the outcome: see `as_of`.

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "low", "high", "high"], dtype=pna.ACTIVE_LEVEL)
    >>> book = pd.DataFrame({"active_level": level, "defaulted": [1, 0, 1, 0]})
    >>> pna.risk.iv_table(book, "active_level", "defaulted").loc["active_level", "iv"].item()
    0.0
    """
    found = populations(df, by, target, missing=missing, **common)
    out = pd.DataFrame([_information(one) for one in found]).set_index("signal")
    out["p_holm"] = holm(out["p_value"])
    out["reading"] = with_late(_reading(out["iv_less_chance"], out["p_holm"]), found)
    out["late"] = [one.late for one in found]
    if found[0].weight is None:
        out = out.astype(WHOLE)
    return note_left_out(
        Shown(
            out.sort_values(
                "iv",
                ascending=False,
                kind="stable",
            )
        ),
        found,
    )


def _information(found: Population) -> dict[str, object]:
    goods, bads = found.cells()
    filled = goods + bads > 0
    _, iv, corrected = evidence(goods, bads)
    in_order = found.ordered or found.own == 2
    area = auc(found.of_own()) if in_order else NONE
    figures = {"auc": area, "gini": gini(area), "ks": ks(found.of_own(), in_order)}
    return {
        "signal": found.signal,
        "iv": iv.sum(),
        "iv_less_chance": max(0.0, iv.sum() - chance_part(found)),
        **{
            name + end: getattr(one, part)
            for name, one in figures.items()
            for end, part in (("", "value"), ("_low", "low"), ("_high", "high"))
        },
        "n": (goods + bads).sum(),
        "bads": bads.sum(),
        "levels": int(filled.sum()),
        "corrected": bool(corrected[filled].any()),
        "p_value": levels_test(found).p,
    }


def _reading(iv: pd.Series[float], p: pd.Series[float]) -> pd.Categorical:
    codes = np.searchsorted([0.02, 0.1, 0.3], iv.to_numpy(), side="right") + 1
    significant = p.to_numpy() < CHANCE  # False where it is missing
    return pd.Categorical.from_codes(np.where(significant, codes, 0), dtype=READING)
