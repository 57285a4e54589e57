"""The made-up loan book has the effects that it states, and the columns that enrich makes."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import pandas_numberactive as pna
from pandas_numberactive import risk
from pandas_numberactive.risk._engine.stats.logistic import fit
from pandas_numberactive.simulator.loanbook import (
    ACTIVITY,
    APPROVED,
    FREQUENCY,
    SCORE_GAP,
    SCORE_SPREAD,
    loan_book,
    seen_too_late,
    with_answers,
)


@pytest.fixture(scope="module")
def loans():
    return with_answers(loan_book(12_000, seed=3))


def test_the_columns_are_those_of_enrich(loans):
    """Without a purchase, so that tests and examples are fast."""
    phones = loans[["phone"]].head(40)
    with pna.override(environment="simulator", store=":memory:", progress=False):
        bought = phones.numberactive.enrich("phone")
    for name in ("telco_type", "active_level", "frequency_grade", "lookup_status"):
        column = f"phone_{name}"
        assert loans[column].dtype == bought[column].dtype
        made_up = loans[column].head(40).astype(object).fillna("")
        shown = bought[column].astype(object).fillna("")
        assert [one for one in shown if one not in ("missing", "invalid")] == [
            one
            for one, other in zip(made_up, shown, strict=True)
            if other not in ("missing", "invalid")
        ]
    assert loans["phone_looked_up_at"].dtype == bought["phone_looked_up_at"].dtype


def test_known_effects_are_found_again(loans):
    """A logistic regression finds what was put in, within its own error, beside the score."""
    known = loans[loans["phone_active_level"].notna() & loans["phone_frequency_grade"].notna()]
    level = known["phone_active_level"].cat.codes.to_numpy()
    grade = known["phone_frequency_grade"].cat.codes.to_numpy()
    columns = [np.ones(len(known)), level == 0, level == 2, grade == 0, grade == 2]
    columns += [known["phone_telco_type"] == "postpaid", known["phone_telco_type"].isna()]
    columns.append(known["score"].to_numpy() / SCORE_SPREAD)
    x = np.column_stack([np.asarray(one, float) for one in columns])
    found = fit(x, known["defaulted"].to_numpy(float))
    put_in = [ACTIVITY["low"], ACTIVITY["high"], FREQUENCY["low"], FREQUENCY["high"]]
    error = np.sqrt(np.diag(found.cov))
    assert (np.abs(found.beta[1:5] - put_in) < 3 * error[1:5]).all()
    assert abs(found.beta[-1] + SCORE_GAP) < 3 * error[-1]


def test_the_approved_are_the_best_scores(loans):
    """The share above the cut-off is the stated one."""
    assert loans["approved"].mean() == pytest.approx(APPROVED, abs=0.02)
    assert (
        loans.loc[loans["approved"], "score"].min() > loans.loc[~loans["approved"], "score"].max()
    )


def test_some_numbers_repeat(loans):
    """Repeat customers are what the questions have to allow for."""
    numbers = pna.normalize(loans["phone"])["national"].dropna()
    assert 0.05 < 1 - numbers.nunique() / len(numbers) < 0.2


def test_the_late_share_is_late(loans):
    """Half of the answers are of half a year after the application."""
    late = seen_too_late(loans, share=0.5)
    lag = late["phone_looked_up_at"].dt.tz_localize(None) - late["application_date"]
    assert (lag.dropna().dt.days >= 180).mean() == pytest.approx(0.5, abs=0.03)


LEVEL = "phone_active_level"


def test_the_keywords_leave_the_default_book_alone():
    """Equal to the last cell, as notebooks and tests are drawn from it."""
    book = loan_book(500, seed=3)
    assert zlib.crc32(book.to_csv(index=False).encode()) == 1629640884


def test_loans_of_one_person_default_together():
    """Two loans of a customer with a spread of the log-odds, and what the intervals say to it."""
    loans = with_answers(loan_book(6000, seed=1, loans=2, person=1.0))
    by_person = loans.groupby("customer_id")["defaulted"].agg(["size", "sum"])
    pairs = by_person[by_person["size"] == 2]["sum"]
    assert (pairs == 2).mean() > 1.3 * loans["defaulted"].mean() ** 2
    plain, honest = (
        risk.risk_table(loans, LEVEL, "defaulted", late="keep", cluster=cluster)
        for cluster in (None, "auto")
    )
    widths = [
        (table["bad_rate_high"] - table["bad_rate_low"]).iloc[:3] for table in (plain, honest)
    ]
    assert widths[1].sum() > widths[0].sum()


def test_late_answers_that_saw_nothing_are_clean(loans):
    """The lag test tells them from those that saw the outcome."""
    lags = [20, 45, 75, 120, 300]
    verdicts = []
    for gone in (0, 0.6):
        late = seen_too_late(loans, days=lags, gone=gone, seed=2)
        table = risk.lateness(late, LEVEL, "defaulted", as_of="application_date")
        verdicts.append(table.tests["verdict"].item())
    assert verdicts == ["clean", "grows with the lag: use the fresh rows"]


def test_months_are_as_many_as_asked():
    """Six months of 30 days end in June."""
    dates = loan_book(2000, months=6)["application_date"]
    assert (dates.min().year, dates.max().month) == (2025, 6)
