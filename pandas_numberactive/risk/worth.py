"""coverage and value: what the money bought, and whether it was worth it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pandas_numberactive.errors import RiskInputError
from pandas_numberactive.risk.inputs import outcomes, signal_columns, signals, status_column, weights
from pandas_numberactive.risk.late import Late, without_late
from pandas_numberactive.risk.tables import counts
from pandas_numberactive.settings import settings

ASKED = ("answered", "no_data", "failed", "uncertain", "quarantined", "pending")


def coverage(df: pd.DataFrame, *, unit_price: float | None = None) -> pd.DataFrame:
    """Return, for each enriched phone column, how often an answer came, and what it cost; charges nothing.

    One row a phone column (its prefix): rows, asked (valid and bought), answered, no_data, failed, not_asked; hit_rate,
    no_data_rate and failure_rate of those asked; charged, cost and cost_per_answered in the settings' currency.

    charged counts distinct requestIds that were charged where the frame has them (`enrich(..., details=True)`), else
    rows with an answer, which counts a number that stands twice twice (`exact` is False then). `unit_price` is the
    settings' by default; without one the costs are missing. Rates are missing where nobody was asked.

    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> status = pd.Categorical(["answered", "no_data", "missing"], dtype=pna.LOOKUP_STATUS)
    >>> pna.risk.coverage(pd.DataFrame({"phone_lookup_status": status}))["hit_rate"].item()
    0.5
    """
    found = [str(name) for name in df.columns if str(name).endswith("lookup_status")]
    if not found:
        raise RiskInputError("No column ends in lookup_status: call enrich first.")
    price = settings().unit_price if unit_price is None else unit_price
    rows = {name.removesuffix("lookup_status"): _covered(df, name, price) for name in found}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("prefix")


def _covered(df: pd.DataFrame, status: str, price: float | None) -> dict[str, object]:
    seen = df[status].astype(str).value_counts()
    count = {word: int(seen.get(word, 0)) for word in ASKED}
    asked, answered = sum(count.values()), count["answered"]
    failed = asked - answered - count["no_data"]
    charged, exact = _charged(df, status.removesuffix("lookup_status"), answered + count["no_data"])
    cost = float("nan") if price is None else charged * price

    def rate(part: float) -> float:
        return part / asked if asked else float("nan")

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
        "cost_per_answered": cost / answered if answered else float("nan"),
    }


def _charged(df: pd.DataFrame, prefix: str, answers: int) -> tuple[int, bool]:
    if {prefix + "charged", prefix + "request_id"} <= set(df.columns):
        paid = df[prefix + "charged"].fillna(False).astype(bool) & df[prefix + "request_id"].notna()
        return int(df.loc[paid, prefix + "request_id"].nunique()), True
    return answers, False


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
) -> pd.DataFrame:
    """Return what declining a signal's worst level would catch, lose and cost; charges nothing.

    One row a signal: declined (the level with the highest bad rate, or `decline`), n, bads_caught, goods_lost,
    goods_lost_per_bad, bads_by_chance (what declining as many at random would catch), extra_bads (caught beyond that),
    asked, cost (asked x `unit_price`, the settings' by default), cost_per_extra_bad. The last is missing, and
    beats_chance False, where the level catches no more than chance. The level is chosen on the same rows that it is
    judged by: try it on later loans before you decide.

    Raises RiskInputError without a price, for a level that does not exist, and for what `risk_table` refuses.

    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "low", "high", "high"], dtype=pna.ACTIVE_LEVEL)
    >>> book = pd.DataFrame({"active_level": level, "defaulted": [1, 1, 0, 0]})
    >>> pna.risk.value(book, "active_level", "defaulted", unit_price=500)["cost_per_extra_bad"].item()
    2000.0
    """
    price = settings().unit_price if unit_price is None else unit_price
    if price is None or not np.isfinite(price) or price < 0:
        raise RiskInputError("Say what an answer costs: unit_price=500, or pna.configure(unit_price=...).")
    names = signal_columns(df, by)
    df = without_late(df, names, as_of, late)
    bits, load = outcomes(df, target, bad), weights(df, weight)
    rows = {}
    for signal in signals(df, names, "own_levels"):
        goods, bads = counts(signal, bits, load)
        asked = _asked(df, signal.name, load)
        rows[signal.name] = _worth(signal.levels, signal.ordered, goods, bads, decline, price, asked)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("signal")


def _asked(df: pd.DataFrame, name: str, load: np.ndarray[tuple[int], np.dtype[np.float64]] | None) -> float:
    """How many customers were asked about: all, where no status tells."""
    status = status_column(df, name)
    asked = np.ones(len(df), bool) if status is None else df[status].isin(ASKED).to_numpy()
    return float(asked.sum() if load is None else load[asked].sum())


def _worth(
    levels: tuple[str, ...],
    own: int,
    goods: np.ndarray[tuple[int], np.dtype[np.float64]],
    bads: np.ndarray[tuple[int], np.dtype[np.float64]],
    decline: str | None,
    price: float,
    asked: float,
) -> dict[str, object]:
    n = goods + bads
    if decline is not None and decline not in levels:
        raise RiskInputError(f"There is no level {decline!r}; the levels are {', '.join(levels)}.")
    if decline is None and not n[:own].any():
        raise RiskInputError("No row has a level, so there is none to decline.")
    rate = np.divide(bads, n, out=np.full(len(n), -1.0), where=n > 0)
    at = int(np.argmax(rate[:own])) if decline is None else levels.index(decline)
    chance = n[at] * bads.sum() / n.sum()
    extra, cost = bads[at] - chance, asked * price
    return {
        "declined": levels[at],
        "n": n[at],
        "bads_caught": bads[at],
        "goods_lost": goods[at],
        "goods_lost_per_bad": goods[at] / bads[at] if bads[at] else float("nan"),
        "bads_by_chance": chance,
        "extra_bads": extra,
        "asked": asked,
        "cost": cost,
        "cost_per_extra_bad": cost / extra if extra > 0 else float("nan"),
        "beats_chance": bool(extra > 0),
    }
