"""A made-up loan book whose link between signal and default is known: for the risk notebook and the
tests.

People, phones, amounts and outcomes are all invented. Nothing that it shows says anything about
real borrowers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pandas_numberactive._phones.column import normalize_column
from pandas_numberactive.simulator.customers import customers
from pandas_numberactive.simulator.ledger import answer_for

BASE = -2.35  # log-odds of default with every signal in the middle: about 9%
ACTIVITY = {"low": 0.9, "medium": 0.0, "high": -0.6}  # what the activity level adds to the log-odds
FREQUENCY = {"low": 0.35, "medium": 0.0, "high": -0.25}
POSTPAID = -0.3
NO_DATA = 0.25
SHIFTED = 0.35


def loan_book(n: int = 20_000, seed: int = 0) -> pd.DataFrame:
    """Return `n` made-up loans.

    Columns: customer_id, name, city, product, amount_idr, phone (text, messy), application_date,
    defaulted (0 or 1).

    The log-odds of default are BASE plus ACTIVITY, FREQUENCY, POSTPAID or NO_DATA of what the
    simulator answers about the phone; a phone that nobody can read has BASE. Of the applicants with
    a low activity level, SHIFTED came in the last five of the 18 months, as if a new channel had
    brought them. Equal for equal arguments.

    >>> book = loan_book(100)
    >>> list(book["defaulted"].unique()) in ([0, 1], [1, 0])
    True
    """
    rng = np.random.default_rng(seed)
    book = customers(n, seed=seed)
    answers = _answers(book["phone"])
    odds = BASE + np.array([_added(data) for data in answers])
    book["defaulted"] = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    days = rng.integers(0, 18 * 30, n)
    low = np.array([data is not None and data["activeLevel"] == "low" for data in answers])
    moved = low & (rng.random(n) < SHIFTED)
    days[moved] = rng.integers(13 * 30, 18 * 30, int(moved.sum()))
    book["application_date"] = (np.datetime64("2025-01-01") + days.astype("m8[D]")).astype("M8[us]")
    return book


def seen_too_late(
    enriched: pd.DataFrame, *, prefix: str = "phone_", share: float = 0.5, seed: int = 0
) -> pd.DataFrame:
    """Return the enriched book as if `share` of its answers had been bought too late: the trap,
    made on purpose.

    Those were bought half a year after the application, the others on its day.

    Of the late ones' defaulters, half have stopped using the phone by then: their activity level
    became "low" because they defaulted. Nothing but `{prefix}active_level` and
    `{prefix}looked_up_at` changes.

    >>> import pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:", progress=False):
    ...     book = loan_book(50).numberactive.enrich("phone")
    >>> bool((seen_too_late(book)["phone_looked_up_at"].dt.year >= 2025).any())
    True
    """
    rng = np.random.default_rng([seed, 1])  # not the stream that drew the outcomes
    out = enriched.copy()
    late = rng.random(len(out)) < share
    gone = (
        late & (out["defaulted"] == 1).to_numpy() & out[prefix + "active_level"].notna().to_numpy()
    )
    gone &= rng.random(len(out)) < 0.5
    out.loc[gone, prefix + "active_level"] = "low"
    bought = out["application_date"] + pd.to_timedelta(np.where(late, 180, 0), unit="D")
    bought = bought.where(out[prefix + "looked_up_at"].notna())
    out[prefix + "looked_up_at"] = bought.dt.tz_localize("UTC").dt.as_unit("us")
    return out


def _answers(phones: pd.Series[Any]) -> list[dict[str, Any] | None]:
    """What the simulator says about each phone, None where nobody can read it."""
    numbers = normalize_column(phones).number.tolist()
    return [answer_for(str(number)) if number else None for number in numbers]


def _added(data: dict[str, Any] | None) -> float:
    """What a phone's answer adds to the log-odds."""
    if data is None:
        return 0.0
    if data["telcoType"] == 0 and data["activeLevel"] == "NA":
        return NO_DATA
    added = ACTIVITY.get(str(data["activeLevel"]), 0.0) + FREQUENCY.get(
        str(data["frequencyGrade"]), 0.0
    )
    return added + (POSTPAID if data["telcoType"] == 2 else 0.0)
