"""coverage and value: what the money bought, and whether it was worth it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real

import numpy as np
import pandas as pd

from pandas_numberactive._config.settings import settings
from pandas_numberactive._display.text import said
from pandas_numberactive._purchase.purchase import STATUSES
from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk._engine.formulas import caught_by_chance
from pandas_numberactive.risk._engine.inputs import (
    SIGNALS,
    column,
    need_frame,
    outcomes,
    signal_columns,
    signals,
    status_column,
    weights,
)
from pandas_numberactive.risk._engine.late import Late, without_late
from pandas_numberactive.risk.tables import CHANCE, counts
from pandas_numberactive.risk.views import Summary

ASKED = ("answered", "no_data", "failed", "uncertain", "quarantined", "pending")


def coverage(
    df: pd.DataFrame,
    *,
    unit_price: float | None = None,
    as_of: str | None = None,
    late: Late = "warn",
) -> Summary:
    """Return, for each enriched phone column, how often an answer came, and what it cost; charges
    nothing.

    One row a phone column (its prefix): rows, asked (valid and bought), answered, no_data, failed,
    not_asked; hit_rate, no_data_rate and failure_rate of those asked; charged, cost and
    cost_per_answered in the settings' currency.

    With `enrich(..., details=True)` charged and cost_per_answered count each number once, however
    many rows it stands in; without, they count rows (`exact` is False then, and where the vendor
    did not say whether it charged: that is counted as a charge). `unit_price` is the settings' by
    default; without one the costs are missing. Rates are missing where nobody was asked. `as_of`
    and `late` are those of `risk_table`: with late="drop" only answers that came in time are
    counted, each phone column by its own dates.

    Raises RiskInputError without a status column, or with one that holds other words than enrich's.

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
    price = _price(unit_price)
    rows = {}
    for prefix in (name.removesuffix("lookup_status") for name in found):
        in_time = df if as_of is None else without_late(df, [prefix + SIGNALS[0]], as_of, late)
        rows[prefix] = _covered(in_time, prefix, price)
    return Summary(pd.DataFrame.from_dict(rows, orient="index").rename_axis("prefix"))


def _price(unit_price: float | None) -> float | None:
    price = settings().unit_price if unit_price is None else unit_price
    if price is None:
        return None
    if (
        isinstance(price, bool)
        or not isinstance(price, Real)
        or not (math.isfinite(price) and price >= 0)
    ):
        raise RiskInputError(
            f"unit_price is what an answer costs, a number of 0 or more, not {said(price)}."
        )
    return float(price)


def _covered(df: pd.DataFrame, prefix: str, price: float | None) -> dict[str, object]:
    status = column(df, prefix + "lookup_status")
    seen = status.value_counts()
    unknown = [str(word) for word, n in seen.items() if n and word not in STATUSES]
    if unknown:
        raise RiskInputError(
            f"Column {status.name!r} holds {unknown[0]!r}, which is no status of enrich's."
        )
    count = {word: int(seen.get(word, 0)) for word in ASKED}
    asked, answered = sum(count.values()), count["answered"]
    failed = asked - answered - count["no_data"]
    charged, numbers, exact = _charged(df, prefix)
    cost = math.nan if price is None else charged * price

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
        "charged": charged,
        "exact": exact,
        "cost": cost,
        "cost_per_answered": cost / numbers if numbers else math.nan,
    }


def _charged(df: pd.DataFrame, prefix: str) -> tuple[int, int, bool]:
    """How many look-ups were charged, how many numbers answered, and whether each number was
    counted once.
    """
    status = column(df, prefix + "lookup_status")
    answered, settled = status.isin(["answered"]), status.isin(["answered", "no_data"])
    key = next(
        (prefix + end for end in ("national", "request_id") if prefix + end in df.columns), None
    )
    if key is None or prefix + "charged" not in df.columns:
        return int(settled.sum()), int(answered.sum()), False
    told = column(df, prefix + "charged")
    untold = told.isna() & settled
    # A column with gaps, not one truth.
    paid = (told == True).fillna(False).astype(bool) | untold  # noqa: E712
    numbers = column(df, key)
    nameless = int(numbers[paid].isna().sum())  # one each: they cannot be told apart
    return (
        int(numbers[paid].nunique()) + nameless,
        int(numbers[answered].nunique()),
        not (untold.any() or nameless),
    )


def value(
    df: pd.DataFrame,
    by: str | Sequence[str],
    target: str,
    *,
    unit_price: float | None = None,
    decline: str | None = None,
    weight: str | None = None,
    bad: object = None,
    as_of: str | None = None,
    late: Late = "warn",
) -> Summary:
    """Return what declining a signal's worst level would catch, lose and cost; charges nothing.

    One row a signal: declined (the level with the highest bad rate, or `decline`), n, bads_caught,
    goods_lost, goods_lost_per_bad, bads_by_chance (what declining as many at random would catch),
    extra_bads (caught beyond that), charged and exact (as in `coverage`; with weights, the
    customers whose rows were answered or have no data), cost (charged x `unit_price`, the settings'
    by default), cost_per_extra_bad (missing where nothing is caught beyond chance), levels_tried,
    p_value_corrected, beats_chance.

    Even in noise some level is the worst, and catches more than chance. So p_value_corrected is
    that of Fisher's exact test, one-sided (how often as many customers drawn at random hold as many
    bads), times levels_tried: the levels among which the worst was chosen, 1 with `decline`
    (Bonferroni). beats_chance: it is below 0.05; where it is False the other numbers are not to be
    acted on. A row is taken as an independent customer, a weight as a count. Small p says "no
    accident", not "worth it", and a level named after a look at the same rows was chosen, too: try
    it on later loans before you decide.

    The other parameters are those of `risk_table`: without `as_of` nobody checks whether the
    answers saw the outcome. Raises RiskInputError without a price, for a level that does not exist,
    and for what `risk_table` refuses.

    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "low", "high", "high"], dtype=pna.ACTIVE_LEVEL)
    >>> book = pd.DataFrame({"active_level": level, "defaulted": [1, 1, 0, 0]})
    >>> table = pna.risk.value(book, "active_level", "defaulted", unit_price=500)
    >>> table["cost_per_extra_bad"].item()
    2000.0
    """
    price = _price(unit_price)
    if price is None:
        raise RiskInputError(
            "Say what an answer costs: unit_price=500, or pna.configure(unit_price=...)."
        )
    names = signal_columns(df, by)
    df = without_late(df, names, as_of, late)
    bits, load = outcomes(df, target, bad), weights(df, weight)
    rows = {}
    for signal in signals(df, names, "own_levels"):
        goods, bads = counts(signal, bits, load)
        bill = _bill(df, signal.name, load)
        rows[signal.name] = _worth(signal.levels, signal.own, goods, bads, decline, price, bill)
    out = Summary(pd.DataFrame.from_dict(rows, orient="index").rename_axis("signal"))
    whole = dict.fromkeys(["n", "bads_caught", "goods_lost", "charged"], "int64")
    return out if load is not None else Summary(out.astype(whole))


def _bill(
    df: pd.DataFrame, name: str, load: np.ndarray[tuple[int], np.dtype[np.float64]] | None
) -> tuple[float, bool]:
    """How many look-ups were charged for a signal, and whether that is exact; all rows, where no
    status tells.
    """
    status = status_column(df, name)
    if status is None:
        return float(len(df) if load is None else load.sum()), False
    if load is None:
        charged, _, exact = _charged(df, status.removesuffix("lookup_status"))
        return float(charged), exact
    return float(load[column(df, status).isin(["answered", "no_data"]).to_numpy()].sum()), False


def _worth(
    levels: tuple[str, ...],
    own: int,
    goods: np.ndarray[tuple[int], np.dtype[np.float64]],
    bads: np.ndarray[tuple[int], np.dtype[np.float64]],
    decline: str | None,
    price: float,
    bill: tuple[float, bool],
) -> dict[str, object]:
    n = goods + bads
    if decline is not None and decline not in levels:
        raise RiskInputError(f"There is no level {decline!r}; the levels are {', '.join(levels)}.")
    if decline is None and not n[:own].any():
        raise RiskInputError("No row has a level, so there is none to decline.")
    rate = np.divide(bads, n, out=np.full(len(n), -1.0), where=n > 0)
    at = int(np.argmax(rate[:own])) if decline is None else levels.index(decline)
    chance = n[at] * bads.sum() / n.sum()
    extra, cost = bads[at] - chance, bill[0] * price
    tried = int((n[:own] > 0).sum()) if decline is None else 1
    luck = caught_by_chance(bads[at], goods[at], bads.sum() - bads[at], goods.sum() - goods[at])
    return {
        "declined": levels[at],
        "n": n[at],
        "bads_caught": bads[at],
        "goods_lost": goods[at],
        "goods_lost_per_bad": goods[at] / bads[at] if bads[at] else math.nan,
        "bads_by_chance": chance,
        "extra_bads": extra,
        "charged": bill[0],
        "exact": bill[1],
        "cost": cost,
        "cost_per_extra_bad": cost / extra if extra > 0 else math.nan,
        "levels_tried": tried,
        "p_value_corrected": min(1.0, tried * luck),
        "beats_chance": tried * luck < CHANCE,
    }
