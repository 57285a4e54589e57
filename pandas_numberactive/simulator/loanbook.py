"""A made-up loan book with a known link between signal and default.

People, phones, amounts and outcomes are all invented. Nothing that it shows says anything about
real borrowers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pandas_numberactive._phones.column import normalize_column
from pandas_numberactive.simulator.customers import customers
from pandas_numberactive.simulator.ledger import answer_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

STATUSES = (
    "answered no_data failed uncertain quarantined pending invalid missing not_bought".split()
)
LEVELS = ("low", "medium", "high")
TELCO_TYPES = {1: "prepaid", 2: "postpaid"}
BASE = -2.35  # log-odds of default with every signal in the middle: about 9%
ACTIVITY = {"low": 0.9, "medium": 0.0, "high": -0.6}  # what the activity level adds to the log-odds
FREQUENCY = {"low": 0.35, "medium": 0.0, "high": -0.25}
POSTPAID = -0.3
NO_DATA = 0.25
SHIFTED = 0.35
SCORE_GAP = 0.9  # standard deviations between the scores of good and bad loans: a Gini of 0.48
SCORE_MEAN = 620
SCORE_SPREAD = 50  # points a standard deviation
APPROVED = 0.7  # share of loans above the cut-off


def loan_book(
    n: int = 20_000, seed: int = 0, *, loans: int = 1, person: float = 0.0, months: int = 18
) -> pd.DataFrame:
    """Return `n` made-up loans, `loans` of each customer, in months of 30 days from 2025 on.

    Columns: customer_id, name, city, product, amount_idr, phone (text, messy), application_date,
    defaulted (0 or 1), score (points, higher is safer), approved (True for the best APPROVED of the
    scores). About 12 in 100 phones are those of an earlier loan.

    The log-odds of default are BASE plus ACTIVITY, FREQUENCY, POSTPAID or NO_DATA of what the
    simulator answers about the phone; a phone that cannot be read has BASE. Of the applicants with
    a low activity level, SHIFTED came in the last five months, as if a new channel had brought
    them. `person` is the spread of the log-odds that all loans of a number share, so that they
    default together. The scores of bad loans lie SCORE_GAP standard deviations below those of good
    ones. Given the outcome they do not depend on the phone, so what the phone adds to the log-odds
    is the same with the score and without. Equal for equal arguments.

    >>> book = loan_book(100)
    >>> list(book["defaulted"].unique()) in ([0, 1], [1, 0])
    True
    """
    rng = np.random.default_rng(seed)
    people = customers(-(-n // loans), seed=seed)
    book = people.loc[people.index.repeat(loans)].head(n).reset_index(drop=True)
    answers = _answers(book["phone"])
    odds = BASE + np.array([_added(data) for data in answers])
    if person:
        odds = odds + _shared(book["phone"], person, seed)
    book["defaulted"] = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    days = rng.integers(0, months * 30, n)
    low = np.array([data is not None and data["activeLevel"] == "low" for data in answers])
    moved = low & (rng.random(n) < SHIFTED)
    days[moved] = rng.integers(max(0, months - 5) * 30, months * 30, int(moved.sum()))
    book["application_date"] = (np.datetime64("2025-01-01") + days.astype("m8[D]")).astype("M8[us]")
    book["score"] = _scores(book["defaulted"].to_numpy(), seed)
    book["approved"] = book["score"] >= book["score"].quantile(1 - APPROVED)
    return book


def _shared(phones: pd.Series[Any], spread: float, seed: int) -> NDArray[np.float64]:
    """Draw what each number adds to the log-odds of its loans, from a stream of their own."""
    numbers = normalize_column(phones).number
    alone = np.where(numbers > 0, numbers, -1 - np.arange(len(numbers)))
    _, who = np.unique(alone, return_inverse=True)
    drawn = np.random.default_rng([seed, 4]).normal(0, spread, int(who.max()) + 1)
    out: NDArray[np.float64] = drawn[who]
    return out


def _scores(defaulted: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Draw a score for each loan, from a stream of their own."""
    rng = np.random.default_rng([seed, 2])
    gap = -SCORE_GAP * defaulted
    points: NDArray[np.float64] = np.round(
        SCORE_MEAN + SCORE_SPREAD * (gap + rng.standard_normal(len(defaulted)))
    )
    return points


def seen_too_late(
    enriched: pd.DataFrame,
    *,
    prefix: str = "phone_",
    share: float = 0.5,
    seed: int = 0,
    days: int | Sequence[int] = 180,
    gone: float = 0.5,
) -> pd.DataFrame:
    """Return the enriched book with `share` of its answers bought too late, on purpose.

    Those were bought `days` after the application (drawn from several, if there are), the others on
    its day. Of the late ones' defaulters the share `gone` has stopped using the phone by then:
    their activity level became "low" because they defaulted. Nothing but `{prefix}active_level` and
    `{prefix}looked_up_at` changes. With gone=0 the answers are late and have seen nothing.

    >>> import pandas_numberactive as pna
    >>> with pna.override(environment="simulator", store=":memory:", progress=False):
    ...     book = loan_book(50).numberactive.enrich("phone")
    >>> bool((seen_too_late(book)["phone_looked_up_at"].dt.year >= 2025).any())
    True
    """
    rng = np.random.default_rng([seed, 1])  # not the stream that drew the outcomes
    out = enriched.copy()
    late = rng.random(len(out)) < share
    defaulted = (out["defaulted"] == 1).to_numpy()
    silent = late & defaulted & out[prefix + "active_level"].notna().to_numpy()
    silent &= rng.random(len(out)) < gone
    out.loc[silent, prefix + "active_level"] = "low"
    lag = np.resize(days, len(out))
    if np.size(days) > 1:
        lag = np.random.default_rng([seed, 3]).choice(days, len(out))
    bought = out["application_date"] + pd.to_timedelta(np.where(late, lag, 0), unit="D")
    bought = bought.where(out[prefix + "looked_up_at"].notna())
    out[prefix + "looked_up_at"] = bought.dt.tz_localize("UTC").dt.as_unit("us")
    return out


def with_answers(book: pd.DataFrame, *, column: str = "phone") -> pd.DataFrame:
    """Return the loan book with the simulator's answers, as if bought on the application's day.

    Nothing is sent or charged. The columns are those of `enrich`.

    >>> loans = with_answers(loan_book(50))
    >>> loans["phone_active_level"].cat.categories.tolist()
    ['low', 'medium', 'high']
    """
    answers = _answers(book[column])
    status = [_status(data) for data in answers]
    kinds = [None if data is None else TELCO_TYPES.get(data["telcoType"]) for data in answers]
    levels = pd.CategoricalDtype(list(LEVELS), ordered=True)
    new: dict[str, Any] = {
        "telco_type": pd.Categorical(kinds, dtype=pd.CategoricalDtype(["prepaid", "postpaid"])),
        "active_level": pd.Categorical(_field(answers, "activeLevel"), dtype=levels),
        "frequency_grade": pd.Categorical(_field(answers, "frequencyGrade"), dtype=levels),
        "lookup_status": pd.Categorical(status, dtype=pd.CategoricalDtype(STATUSES)),
    }
    out = book.copy()
    for name, values in new.items():
        out[f"{column}_{name}"] = values
    asked = out[f"{column}_lookup_status"].isin(["answered", "no_data"])
    days = out["application_date"].dt.tz_localize("UTC").dt.as_unit("us")
    out[f"{column}_looked_up_at"] = days.where(asked)
    return out


def _status(data: dict[str, Any] | None) -> str:
    if data is None:
        return "invalid"
    known = data["telcoType"] or data["activeLevel"] != "NA" or data["frequencyGrade"] != "NA"
    return "answered" if known else "no_data"


def _field(answers: list[dict[str, Any] | None], name: str) -> list[str | None]:
    """Return one field of each answer, None where it is missing or "NA"."""
    return [None if data is None or data[name] not in LEVELS else data[name] for data in answers]


def _answers(phones: pd.Series[Any]) -> list[dict[str, Any] | None]:
    """Return the simulator's answer for each phone, None for an unreadable one."""
    numbers = normalize_column(phones).number.tolist()
    return [answer_for(str(number)) if number else None for number in numbers]


def _added(data: dict[str, Any] | None) -> float:
    """Return the log-odds that a phone's answer adds."""
    if data is None:
        return 0.0
    if data["telcoType"] == 0 and data["activeLevel"] == "NA":
        return NO_DATA
    added = ACTIVITY.get(str(data["activeLevel"]), 0.0) + FREQUENCY.get(
        str(data["frequencyGrade"]), 0.0
    )
    return added + (POSTPAID if data["telcoType"] == 2 else 0.0)
