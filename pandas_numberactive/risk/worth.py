"""coverage and value: the answers that the money bought, and the bad loans they would catch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from pandas_numberactive._display.tracebacks import without_frames
from pandas_numberactive._purchase.purchase import STATUSES
from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.book.checks import price_of
from pandas_numberactive.risk._engine.book.dates import late_rows
from pandas_numberactive.risk._engine.book.inputs import (
    SIGNALS,
    column,
    need_frame,
    status_column,
    weights,
)
from pandas_numberactive.risk._engine.book.population import LEAST, Population, populations
from pandas_numberactive.risk._engine.book.terms import Common, Late, Terms, takes_terms
from pandas_numberactive.risk._engine.stats.covariance import intervals
from pandas_numberactive.risk._engine.stats.significance import CHANCE, holm, set_test
from pandas_numberactive.risk._engine.views import Shown, concluded, note_left_out

if TYPE_CHECKING:
    from numpy.typing import NDArray

ASKED = ("answered", "no_data", "failed", "uncertain", "quarantined", "pending")


@without_frames
def coverage(
    df: pd.DataFrame,
    *,
    unit_price: float | None = None,
    as_of: str | None = None,
    late: Late = "warn",
    within: str | pd.Timedelta = "1D",
    tz: str | None = None,
) -> Shown:
    """Return, for each enriched phone column, the share answered and its cost. Charges nothing.

    Parameters
    ----------
    df
        The table, one row an application.
    unit_price
        The price of an answer, in the settings' currency; the settings' by default. Without one the
        costs are missing.
    as_of, late, within, tz
        As in `risk_table`: with late="drop" only answers that came in time are counted, each phone
        column by its own dates.

    Returns
    -------
    pandas.DataFrame
        Indexed by the prefix of each phone column. rows; asked (valid and bought); answered;
        no_data; failed; not_asked; hit_rate, no_data_rate and failure_rate of those asked (missing
        where none was); charged; cost; cost_per_answered; late: late rows, kept or dropped. With
        `enrich(..., details=True)` charged and cost_per_answered count each number once, however
        many rows it stands in. Without, they count rows, and exact is False. It is False, too,
        where the vendor did not say if it charged, which counts as a charge.

    Raises
    ------
    RiskInputError
        Without a status column, or with one that holds other words than enrich's.

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> status = pd.Categorical(["answered", "no_data", "missing"], dtype=pna.LOOKUP_STATUS)
    >>> pna.risk.coverage(pd.DataFrame({"phone_lookup_status": status}))["hit_rate"].item()
    0.5
    """
    need_frame(df)
    found = [str(name) for name in dict.fromkeys(df.columns) if str(name).endswith("lookup_status")]
    if not found:
        raise RiskInputError("No column ends in lookup_status: call enrich first.")
    price = price_of(unit_price)
    terms = Terms(as_of=as_of, late=late, within=within, tz=tz)
    rows = {}
    for prefix in (name.removesuffix("lookup_status") for name in found):
        behind = _late(df, prefix, terms)
        in_time = df[~behind] if terms.late == "drop" else df
        rows[prefix] = _covered(in_time, prefix, price) | {"late": int(behind.sum())}
    return Shown(pd.DataFrame.from_dict(rows, orient="index").rename_axis("prefix"))


def _late(df: pd.DataFrame, prefix: str, terms: Terms) -> NDArray[np.bool_]:
    """Return the rows of a phone column that are late, none without a date to compare."""
    if terms.as_of is None:
        return np.zeros(len(df), bool)
    signal = prefix + SIGNALS[0]
    return late_rows(df, [signal], terms)[signal]


def _covered(df: pd.DataFrame, prefix: str, price: float | None) -> dict[str, object]:
    status = column(df, prefix + "lookup_status")
    seen = status.value_counts()
    unknown = [str(word) for word, n in seen.items() if n and word not in STATUSES]
    if unknown:
        raise RiskInputError(
            f"Column {status.name!r} holds {unknown[0]!r}, which is no status of enrich's."
        )
    count = {word: int(seen.get(word, 0)) for word in ASKED}
    asked = sum(count.values())
    answered = count["answered"]
    failed = asked - answered - count["no_data"]
    bill = _charged(df, prefix)
    cost = math.nan if price is None else bill.charged * price

    def rate(part: float) -> float:
        return part / asked if asked else math.nan

    return {
        "rows": len(df),
        "asked": asked,
        "answered": answered,
        "no_data": count["no_data"],
        "failed": failed,
        "not_asked": len(df) - asked,
        "hit_rate": rate(answered),
        "no_data_rate": rate(count["no_data"]),
        "failure_rate": rate(failed),
        "charged": int(bill.charged),
        "exact": bill.exact,
        "cost": cost,
        "cost_per_answered": cost / bill.answered if bill.answered else math.nan,
    }


@dataclass(frozen=True)
class Bill:
    """Charged look-ups, numbers answered, and `exact`: each number was counted once."""

    charged: float
    answered: int
    exact: bool


def _charged(df: pd.DataFrame, prefix: str) -> Bill:
    status = column(df, prefix + "lookup_status")
    answered = status.isin(["answered"])
    settled = status.isin(["answered", "no_data"])
    key = next(
        (prefix + end for end in ("national", "request_id") if prefix + end in df.columns), None
    )
    if key is None or prefix + "charged" not in df.columns:
        return Bill(int(settled.sum()), int(answered.sum()), False)
    stated = column(df, prefix + "charged")
    unstated = stated.isna() & settled
    # A column with gaps, not one truth.
    paid = (stated == True).fillna(False).astype(bool) | unstated  # noqa: E712
    numbers = column(df, key)
    nameless = int(numbers[paid].isna().sum())  # one each, as nothing tells them apart
    return Bill(
        int(numbers[paid].nunique()) + nameless,
        int(numbers[answered].nunique()),
        not (unstated.any() or nameless),
    )


@takes_terms
def value(
    df: pd.DataFrame,
    by: str | Sequence[str],
    target: str,
    *,
    unit_price: float | None = None,
    decline: str | Sequence[str] | None = None,
    **common: Unpack[Common],
) -> Shown:
    """Return what declining a signal's worst level catches, loses and costs. Charges nothing.

    Parameters
    ----------
    df
        The table, one row an application.
    unit_price
        The price of an answer; the settings' by default.
    decline
        The level, or levels, to decline. By default the worst: the level with the highest lower
        end of the 95% interval of its bad rate, among levels of at least 30 customers (of all,
        where none has 30). The raw rate of two rows is no reason to decline.
    by, target, as_of, late, within, tz, cluster, weight, counts, bad, mature
        As in `risk_table`. Only rows that were asked are compared.

    Returns
    -------
    pandas.DataFrame
        Indexed by signal. declined; n; bads_caught; goods_lost; goods_lost_per_bad; bads_by_chance:
        bads that declining as many at random would catch; extra_bads: caught beyond that; charged
        and exact as in `coverage` (with weights, the customers whose rows were answered or have no
        data); cost; cost_per_extra_bad (missing where nothing is caught beyond chance);
        levels_tried: levels among which the worst was chosen, 1 with `decline`; p_value_corrected:
        Fisher's exact test, one-sided (with sampling weights or repeat customers the robust score
        test), times levels_tried (Bonferroni), corrected for the number of signals (Holm);
        beats_chance: it is below 0.05, missing (pd.NA) where late answers are kept; late: late
        rows, kept or dropped. `.late_kept` says how many late answers the figures rest on.

    Raises
    ------
    RiskInputError, ColumnNotFoundError
        Without a price, for a level that does not exist, and where `risk_table` raises.

    Notes
    -----
    Where beats_chance is False the other figures are not to be acted on. Late answers may have seen
    the outcome, so nothing is concluded from them. A small p says "no accident", not "worth it". A
    level named after a look at the same rows was chosen, too: try it on later loans before you
    decide.

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "low", "high", "high"], dtype=pna.ACTIVE_LEVEL)
    >>> book = pd.DataFrame({"active_level": level, "defaulted": [1, 1, 0, 0]})
    >>> table = pna.risk.value(book, "active_level", "defaulted", unit_price=500)
    >>> table["cost_per_extra_bad"].item()
    2000.0
    """
    price = price_of(unit_price)
    if price is None:
        raise RiskInputError(
            "Say what an answer costs: unit_price=500, or pna.configure(unit_price=...)."
        )
    found = populations(df, by, target, **common)
    lines = [_worth(one, _bill(df, one, common), decline, price) for one in found]
    out = pd.DataFrame(lines).set_index("signal")
    out["p_value_corrected"] = holm(out["p_value_corrected"])
    out["beats_chance"] = concluded(out["p_value_corrected"] < CHANCE, found)
    out["late"] = [one.late for one in found]
    if found[0].weight is None:
        whole = ["n", "bads_caught", "goods_lost", "charged"]
        out = out.astype(dict.fromkeys(whole, "int64"))
    return note_left_out(Shown(out), found)


def _bill(df: pd.DataFrame, found: Population, common: Common) -> Bill:
    """Return the look-ups charged for a signal. All rows, where no status tells."""
    in_time = df if found.in_time is None else df[found.in_time]
    load = weights(in_time, common.get("weight") or common.get("counts"))
    status = status_column(in_time, found.signal)
    if status is None:
        return Bill(float(len(in_time) if load is None else load.sum()), 0, False)
    if load is None:
        return _charged(in_time, status.removesuffix("lookup_status"))
    settled = column(in_time, status).isin(["answered", "no_data"]).to_numpy()
    return Bill(float(load[settled].sum()), 0, False)


def _worth(
    found: Population, bill: Bill, decline: str | Sequence[str] | None, price: float
) -> dict[str, object]:
    goods, bads = found.cells()
    n = goods + bads
    chosen, tried = _declined(found, decline)
    names = [level for level, mine in zip(found.levels, chosen, strict=True) if mine]
    caught = bads[chosen].sum()
    lost = goods[chosen].sum()
    by_chance = n[chosen].sum() * bads.sum() / n.sum()
    extra = caught - by_chance
    cost = bill.charged * price
    return {
        "signal": found.signal,
        "declined": ", ".join(names),
        "n": n[chosen].sum(),
        "bads_caught": caught,
        "goods_lost": lost,
        "goods_lost_per_bad": lost / caught if caught else math.nan,
        "bads_by_chance": by_chance,
        "extra_bads": extra,
        "charged": bill.charged,
        "exact": bill.exact,
        "cost": cost,
        "cost_per_extra_bad": cost / extra if extra > 0 else math.nan,
        "levels_tried": tried,
        "p_value_corrected": min(1.0, tried * set_test(found, chosen)),
    }


def _declined(
    found: Population, decline: str | Sequence[str] | None
) -> tuple[NDArray[np.bool_], int]:
    """Return the declined levels as a mask, and among how many the choice was made."""
    if decline is not None:
        return _named(found.levels, decline), 1
    good_units, bad_units = found.units()
    units = (good_units + bad_units)[: found.own]
    if not units.any():
        raise RiskInputError("No row has a level, so there is none to decline.")
    enough = units >= LEAST
    if not enough.any():
        enough = units > 0
    low, _ = intervals(found)
    worst = int(np.argmax(np.where(enough, low[: found.own], -1.0)))
    return np.arange(len(found.levels)) == worst, int(enough.sum())


def _named(levels: tuple[str, ...], decline: str | Sequence[str]) -> NDArray[np.bool_]:
    several = isinstance(decline, Iterable) and not isinstance(decline, str)
    names = list(decline) if several else [str(decline)]
    wrong = [name for name in names if name not in levels]
    if wrong or not names:
        name = wrong[0] if wrong else ""
        raise RiskInputError(f"There is no level {name!r}; the levels are {', '.join(levels)}.")
    return np.isin(np.array(levels), names)
