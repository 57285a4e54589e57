"""Answers bought after the decision: told with their share, dropped, kept; in every function that takes as_of."""

from __future__ import annotations

import datetime
import re
import warnings

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive import risk
from pandas_numberactive.errors import ColumnNotFoundError, LookAheadWarning, RiskInputError
from pandas_numberactive.risk._engine.book import dates
from tests.risk.books import LEVEL, book, dated


def counted(table):
    """Rows that are compared: those dropped as late stand apart."""
    return table["n"].drop("late", level="level", errors="ignore").sum()


def test_answers_bought_after_the_decision_are_told_dropped_or_kept():
    frame = dated(["2026-05-01 23:59", "2026-05-02 00:00", "2026-04-01"], ["2026-05-01"] * 3)
    options = {"as_of": "applied", "tz": "UTC"}
    with pytest.warns(LookAheadWarning, match=r"1 of 3 rows \(33.3%\)"):
        assert counted(risk.risk_table(frame, LEVEL, "bad", **options)) == 3
    kept = frame.assign(bad=[1, 0, 0])
    assert counted(risk.risk_table(kept, LEVEL, "bad", **options, late="drop")) == 2
    assert counted(risk.risk_table(frame, LEVEL, "bad", **options, late="keep")) == 3
    with pytest.raises(RiskInputError, match="not a date"):
        risk.risk_table(frame.assign(applied="2026-05-01"), LEVEL, "bad", **options)
    with pytest.raises(RiskInputError, match="looked_up_at"):
        risk.risk_table(frame.drop(columns="phone_looked_up_at"), LEVEL, "bad", **options)
    early = frame.assign(applied=pd.Timestamp("2020-01-01"))
    with pytest.raises(RiskInputError, match="All 3 answers .* no answered row is left"):
        risk.risk_table(early, LEVEL, "bad", **options, late="drop")


def test_a_book_bought_today_leaves_no_answer_to_test():
    """Only rows never asked would be left: they are no population."""
    days = pd.to_datetime(["2026-05-01"] * 3 + [None] * 2, utc=True)
    statuses = ["answered"] * 3 + ["invalid"] * 2
    frame = book(["low", "high", "low", None, None], [1, 0, 0, 1, 0], statuses).assign(
        phone_looked_up_at=days, applied=pd.Timestamp("2025-01-01")
    )
    for call in (risk.iv_table, risk.risk_table, risk.trend):
        with pytest.raises(RiskInputError, match="no answered row is left"):
            call(frame, LEVEL, "bad", as_of="applied", late="drop")


def test_dropped_rows_are_counted_in_the_frame_and_its_picture():
    frame = two_in_time()
    options = {"as_of": "applied", "late": "drop"}
    table = risk.risk_table(frame, LEVEL, "bad", **options)
    assert table.loc[(LEVEL, "late"), "n"] == 2
    assert table.left_out == {LEVEL: {"late": 2}}
    for shown in (table, risk.cross_table(frame, LEVEL, "frequency_grade", "bad", **options)):
        assert "Rows not compared: 2 late." in shown._repr_html_()
    priced = {"unit_price": 1}
    for call, more in ((risk.iv_table, {}), (risk.trend, {}), (risk.value, priced)):
        found = call(frame, LEVEL, "bad", **options, **more)
        assert found["late"].item() == 2
        assert "2 late" in found._repr_html_()


@pytest.mark.parametrize("late", ["warn", "keep"])
@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.LookAheadWarning")
def test_late_rows_that_are_kept_are_counted(late):
    """The frame says it: a warning is gone when the table is read again."""
    frame = two_in_time()
    options = {"as_of": "applied", "late": late}
    priced = {"unit_price": 1}
    for call, more in ((risk.iv_table, {}), (risk.trend, {}), (risk.value, priced)):
        found = call(frame, LEVEL, "bad", **options, **more)
        assert found["late"].item() == 2
        assert "2 of 4 answers are late" in found._repr_html_()
        assert found.late_kept == {LEVEL: "2 of 4 answers are late"}
    assert risk.coverage(frame, **options)["late"].item() == 2
    crossed = risk.cross_table(frame, LEVEL, "frequency_grade", "bad", **options)
    assert "2 of 4 answers are late" in crossed._repr_html_()


@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.LookAheadWarning")
def test_a_risk_table_counts_the_late_rows_of_each_level():
    """Only with a date: without one nobody knows."""
    frame = two_in_time()
    kept = risk.risk_table(frame, LEVEL, "bad", as_of="applied")
    assert kept["late"].xs(LEVEL)[["low", "high", "no data"]].tolist() == [1, 1, 0]
    assert "2 of 4 answers are late" in kept._repr_html_()
    dropped = risk.risk_table(frame, LEVEL, "bad", as_of="applied", late="drop")
    assert dropped["late"].xs(LEVEL)[["low", "high", "late"]].tolist() == [0, 0, 2]
    assert "answers are late" not in dropped._repr_html_()
    assert "late" not in risk.risk_table(frame, LEVEL, "bad", late="keep").columns


def telling(late):
    """A signal that separates good from bad. The last `late` of 400 rows came two days later."""
    days = ["2026-05-01"] * (400 - late) + ["2026-05-03"] * late
    frame = book(["low", "high"] * 200, [1, 0] * 150 + [0, 1] * 50, ["answered"] * 400)
    looked = pd.to_datetime(days, utc=True)
    return frame.assign(phone_looked_up_at=looked, applied=pd.Timestamp("2026-05-01"))


@pytest.mark.parametrize(
    ("late", "said"),
    [
        (0, ""),
        (1, ", but 1 of 400 answers is late"),
        (12, ", but 12 of 400 answers are late"),
        (400, ", but all 400 answers are late"),
    ],
)
def test_a_conclusion_names_the_late_answers_below_it(late, said):
    """ "strong" alone invites a purchase on answers that saw the outcome."""
    frame = telling(late)
    options = {"as_of": "applied", "late": "keep"}
    reading = risk.iv_table(frame, LEVEL, "bad", **options)["reading"]
    assert reading.item() == f"strong{said}"
    assert reading.cat.ordered
    assert (reading >= "strong").all()
    assert risk.trend(frame, LEVEL, "bad", **options)["direction"].item() == f"falling{said}"


CONCLUDED = {
    "beats_chance": lambda df, **more: risk.value(df, LEVEL, "bad", unit_price=500, **more),
    "adds": lambda df, **more: risk.incremental(df, LEVEL, "bad", bands="grade", **more),
}


@pytest.mark.parametrize("name", CONCLUDED)
def test_nothing_is_concluded_from_late_answers(name):
    """A yes on late answers must not look like one on answers in time."""
    frame = telling(12).assign(grade="A")
    kept = CONCLUDED[name](frame, as_of="applied", late="keep")
    assert kept[name].tolist() == [pd.NA]
    assert f"{name.replace('_', ' ')} is blank where late answers are kept" in kept._repr_html_()
    with pytest.raises(TypeError, match="ambiguous"):
        bool(kept[name].item())


@pytest.mark.parametrize("name", CONCLUDED)
def test_answers_in_time_are_concluded_from(name):
    """Also where late ones were left out."""
    frame = telling(12).assign(grade="A")
    dropped = CONCLUDED[name](frame, as_of="applied", late="drop")
    assert dropped[name].tolist() == [True]
    assert "is blank" not in dropped._repr_html_()


def test_late_rows_show_their_bad_ones():
    """A line of 0 bads would look like late answers of the best customers."""
    frame = two_in_time().assign(bad=[1, 0, 1, 1])
    table = risk.risk_table(frame, LEVEL, "bad", as_of="applied", late="drop")
    assert table.loc[(LEVEL, "late"), ["n", "bads"]].tolist() == [2, 2]


def test_late_rows_without_outcome_are_refused():
    """They would count as good on their line."""
    frame = two_in_time().assign(bad=[1, 0, 1, None])
    with pytest.raises(RiskInputError, match="1 of 4 rows have no 'bad'"):
        risk.risk_table(frame, LEVEL, "bad", as_of="applied", late="drop")


def test_an_answer_without_its_day_is_refused():
    frame = two_in_time()
    frame.loc[0, "phone_looked_up_at"] = pd.NaT
    with pytest.raises(RiskInputError, match="1 rows hold an answer but no 'phone_looked_up_at'"):
        risk.iv_table(frame, LEVEL, "bad", as_of="applied", late="drop")


def test_without_a_date_the_first_result_says_so_once(monkeypatch):
    monkeypatch.setattr(dates, "_warned", [])
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


def test_a_grace_after_the_decision_is_allowed():
    """A look-up seconds after the application is in time; `within` says how long that holds."""
    frame = dated(
        ["2026-05-01 11:00:03", "2026-05-02 10:59", "2026-05-02 11:01"], ["2026-05-01 11:00"] * 3
    )
    options = {"as_of": "applied", "tz": "UTC"}
    with pytest.warns(LookAheadWarning, match="1 of 3 rows"):
        risk.risk_table(frame, LEVEL, "bad", **options)
    with pytest.warns(LookAheadWarning, match="3 of 3 rows"):
        risk.risk_table(frame, LEVEL, "bad", **options, within="0s")
    with pytest.raises(RiskInputError, match="within is a length of time"):
        risk.risk_table(frame, LEVEL, "bad", **options, within="soon")


def test_one_row_with_a_time_leaves_the_others_days():
    frame = dated(["2026-05-01 23:00"] * 3, ["2026-05-01", "2026-05-01", "2026-05-01 09:30"])
    with pytest.warns(LookAheadWarning, match="1 of 3 rows"):
        risk.risk_table(frame, LEVEL, "bad", as_of="applied", tz="UTC", within="0s")


def test_dates_without_a_zone_are_on_the_clock_of_jakarta():
    """1 May ends in Jakarta at 17:00 UTC; `tz` and the setting say otherwise."""
    frame = dated(["2026-05-01 16:59", "2026-05-01 17:00", "2026-04-30 18:00"], ["2026-05-01"] * 3)
    with pytest.warns(LookAheadWarning, match="1 of 3 rows"):
        risk.risk_table(frame, LEVEL, "bad", as_of="applied")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        risk.risk_table(frame, LEVEL, "bad", as_of="applied", tz="UTC")
        with pna.override(timezone="UTC"):
            risk.risk_table(frame, LEVEL, "bad", as_of="applied")
    with pytest.raises(RiskInputError, match="name of a time zone"):
        risk.risk_table(frame, LEVEL, "bad", as_of="applied", tz="Mars")


DATES = {
    "arrow dates": pd.array(["2026-05-01"] * 3, "date32[pyarrow]"),
    "arrow stamps": pd.array([pd.Timestamp("2026-05-01")] * 3, "timestamp[us][pyarrow]"),
    "arrow stamps with a zone": pd.array(
        [pd.Timestamp("2026-05-01", tz="UTC")] * 3, "timestamp[us, tz=UTC][pyarrow]"
    ),
    "periods of a day": pd.PeriodIndex(["2026-05-01"] * 3, freq="D"),
    "Python's dates": [datetime.date(2026, 5, 1)] * 3,
    "nanoseconds": pd.to_datetime(["2026-05-01"] * 3).astype("datetime64[ns]"),
}


@pytest.mark.parametrize("kind", DATES)
def test_dates_of_every_kind_are_read(kind):
    frame = dated(["2026-05-01 12:00", "2026-05-03", "2026-04-30 18:00"], ["2026-05-01"] * 3)
    with pytest.warns(LookAheadWarning, match="1 of 3 rows"):
        risk.risk_table(frame.assign(applied=DATES[kind]), LEVEL, "bad", as_of="applied")


@pytest.mark.parametrize(
    "cells",
    [
        ["03/05/2026"] * 3,
        ["2026-05-03"] * 3,
        [20260503] * 3,
        [20260503.0, None, 20260503.0],
        pd.array([20260503] * 3, "Int64"),
        ["03-05-2026"] * 3,
        pd.PeriodIndex(["2026-05"] * 3, freq="M"),
    ],
    ids=str,
)
def test_the_advice_for_what_is_no_date_works(cells):
    """The line in the message is run: it makes 3 May 2026, not 5 March, nor 1970."""
    df = pd.DataFrame({"applied": cells})
    with pytest.raises(RiskInputError) as caught:
        dates.moments(df, "applied", "UTC")
    line = re.search(
        r"(pd\.to_datetime\(.*?\)|df\[.applied.\]\.dt\.end_time)(?= )", str(caught.value)
    )
    made = eval(line[1], {"pd": pd, "df": df})
    found = dates.moments(pd.DataFrame({"applied": made}), "applied", "UTC").utc[0]
    assert str(found)[:10] in ("2026-05-03", "2026-05-31")


# Each function that takes as_of, and how many customers it still sees.
CALLS = {
    "risk_table": lambda df, **kw: counted(risk.risk_table(df, LEVEL, "bad", **kw)),
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
    frame = dated(["2026-05-01", "2026-05-01", "2026-05-01"], ["2026-05-01", None, "2026-05-01"])
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
