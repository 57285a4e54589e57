"""Answers bought after the decision: told with their share, dropped, kept; in every function that takes as_of."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive import risk
from pandas_numberactive.errors import ColumnNotFoundError, LookAheadWarning, RiskInputError
from pandas_numberactive.risk._engine import late as late_module
from tests.risk.books import LEVEL, book, dated


def test_answers_bought_after_the_decision_are_told_dropped_or_kept():
    frame = dated(["2026-05-01 23:59", "2026-05-02 00:00", "2026-04-01"], ["2026-05-01"] * 3)
    with pytest.warns(LookAheadWarning, match=r"1 of 3 rows \(33.3%\)"):
        assert risk.risk_table(frame, LEVEL, "bad", as_of="applied")["n"].sum() == 3
    assert risk.risk_table(frame, LEVEL, "bad", as_of="applied", late="drop")["n"].sum() == 2
    assert risk.risk_table(frame, LEVEL, "bad", as_of="applied", late="keep")["n"].sum() == 3
    with pytest.raises(RiskInputError, match="not a date"):
        risk.risk_table(frame.assign(applied="2026-05-01"), LEVEL, "bad", as_of="applied")
    with pytest.raises(RiskInputError, match="looked_up_at"):
        risk.risk_table(frame.drop(columns="phone_looked_up_at"), LEVEL, "bad", as_of="applied")
    with pytest.raises(RiskInputError, match="nothing is left"):
        risk.risk_table(
            frame.assign(applied=pd.Timestamp("2020-01-01")),
            LEVEL,
            "bad",
            as_of="applied",
            late="drop",
        )


def test_without_a_date_the_first_result_says_so_once(monkeypatch):
    monkeypatch.setattr(late_module, "_told", [])
    frame = dated(["2026-05-01"] * 3, ["2026-05-01"] * 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        risk.risk_table(frame, LEVEL, "bad", late="keep")  # who says so has thought about it
        risk.risk_table(frame.drop(columns="phone_looked_up_at"), LEVEL, "bad")
    with pytest.warns(LookAheadWarning, match="No as_of was given"):
        risk.risk_table(frame, LEVEL, "bad")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        risk.risk_table(frame, LEVEL, "bad")


def test_a_time_of_day_is_compared_to_the_moment():
    frame = dated(
        ["2026-05-01 12:00", "2026-05-01 12:00", "2026-05-01 11:00"], ["2026-05-01 11:00"] * 3
    )
    with pytest.warns(LookAheadWarning, match="2 of 3 rows"):
        risk.risk_table(frame, LEVEL, "bad", as_of="applied")


# Each function that takes as_of, and how many customers it still sees.
CALLS = {
    "risk_table": lambda df, **kw: risk.risk_table(df, LEVEL, "bad", **kw)["n"].sum(),
    "iv_table": lambda df, **kw: risk.iv_table(df, LEVEL, "bad", **kw)["n"].sum(),
    "trend": lambda df, **kw: risk.trend(df, LEVEL, "bad", **kw)["n"].sum(),
    "cross_table": lambda df, **kw: risk.cross_table(df, LEVEL, "frequency_grade", "bad", **kw)[
        "n"
    ].sum(),
    "stability": lambda df, **kw: risk.stability(df, df, LEVEL, **kw).loc[(LEVEL, "total"), "n"],
    "coverage": lambda df, **kw: risk.coverage(df, **kw)["rows"].sum(),
    "value": lambda df, **kw: risk.value(df, LEVEL, "bad", unit_price=1, **kw)["charged"].sum(),
}


def two_in_time():
    """Four answered rows, of which the last two came a day late."""
    grade = pd.Categorical(["low", "high", "low", "high"], dtype=pna.FREQUENCY_GRADE)
    days = pd.to_datetime(["2026-05-01"] * 2 + ["2026-05-02"] * 2, utc=True)
    return book(
        ["low", "high"] * 2, [1, 0] * 2, ["answered"] * 4, phone_frequency_grade=grade
    ).assign(phone_looked_up_at=days, applied=pd.Timestamp("2026-05-01"))


@pytest.mark.parametrize("name", CALLS)
def test_all_of_them_check_the_date(name):
    call, frame = CALLS[name], two_in_time()
    with pytest.warns(LookAheadWarning, match=r"2 of 4 rows \(50.0%\)") as caught:
        assert call(frame, as_of="applied") == 4
    assert {warning.filename for warning in caught} == {
        __file__
    }  # the line to look at, not one of ours
    assert call(frame, as_of="applied", late="drop") == 2
    assert call(frame, as_of="applied", late="keep") == 4
    with pytest.raises(ColumnNotFoundError):
        call(frame, as_of="apllied")
    with pytest.raises(RiskInputError, match="late must be"):
        call(frame, as_of="applied", late="dorp")


def test_a_day_on_its_own_clock_counts_until_its_end():
    """In Jakarta 1 May ends at 17:00 UTC."""
    frame = dated(["2026-05-01 16:59", "2026-05-01 17:00", "2026-04-30 18:00"], ["2026-05-01"] * 3)
    frame["applied"] = frame["applied"].dt.tz_localize("Asia/Jakarta")
    with pytest.warns(LookAheadWarning, match="1 of 3 rows"):
        risk.risk_table(frame, LEVEL, "bad", as_of="applied")


def test_an_answer_that_nobody_can_date_is_no_answer_in_time():
    frame = dated(["2026-05-01", "2026-05-01", None], ["2026-05-01", None, None])
    for late in ("warn", "drop"):
        with pytest.raises(RiskInputError, match="1 rows hold an answer but no 'applied'"):
            risk.risk_table(frame, LEVEL, "bad", as_of="applied", late=late)
    assert risk.risk_table(frame, LEVEL, "bad", as_of="applied", late="keep")["n"].sum() == 3
    both = two_in_time().assign(
        office_active_level=lambda f: f[LEVEL]
    )  # its dates were left behind
    with pytest.raises(RiskInputError, match="not in the table for 'office_active_level'"):
        risk.risk_table(both, "all", "bad", as_of="applied")


def test_the_baseline_of_stability_is_checked_as_well():
    frame = two_in_time().assign(
        **{LEVEL: pd.Categorical(["low", "low", "high", "high"], dtype=pna.ACTIVE_LEVEL)}
    )
    now = frame.iloc[:2]
    table = risk.stability(now, frame, LEVEL, as_of="applied", late="drop")
    assert table.loc[(LEVEL, "low"), "share_before"] == 1
    with pytest.warns(LookAheadWarning, match="2 of 4 rows"):
        risk.stability(now, frame, LEVEL, as_of="applied")


def test_coverage_looks_at_each_phone_by_its_own_dates():
    frame = two_in_time().assign(
        office_lookup_status=lambda f: f["phone_lookup_status"],
        office_looked_up_at=pd.Timestamp("2026-04-01", tz="UTC"),
    )
    rows = risk.coverage(frame, as_of="applied", late="drop")["rows"]
    assert rows.to_dict() == {"phone_": 2, "office_": 4}
