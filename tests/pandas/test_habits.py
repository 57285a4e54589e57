"""Habits of a notebook: run a cell again, add rows, write a file and read it back."""

from __future__ import annotations

import io
import logging
import sys
import warnings

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._pandas import bar
from pandas_numberactive._run.report import (
    Progress,
    RunReport,
    progress_html,
    progress_line,
    verdict,
)
from pandas_numberactive.errors import (
    ConfigurationError,
    IncompleteRunWarning,
    NumberActiveError,
    PhoneColumnWarning,
)
from pandas_numberactive.simulator import Faults, Simulator


@pytest.fixture
def book() -> pd.DataFrame:
    """Three customers with made-up numbers; the last cell is none."""
    phones = ["0811 8899 532", "+62 812-3456-7890", "x"]
    return pd.DataFrame({"phone": phones, "name": ["a", "b", "c"]}, index=[5, 5, 9])


@pytest.fixture
def on_simulator() -> None:
    """Use the simulator with a store in memory."""
    pna.configure(environment="simulator", store=":memory:")


# --- the same cell again


@pytest.mark.usefixtures("on_simulator")
@pytest.mark.parametrize("details", [False, True])
def test_a_cell_that_runs_again_gives_the_same_frame(book, details):
    once = book.numberactive.enrich("phone", details=details)
    again = once.numberactive.enrich("phone", details=details)
    changing = ["phone_source"] if details else []  # new, then stored
    pd.testing.assert_frame_equal(again.drop(columns=changing), once.drop(columns=changing))


@pytest.mark.usefixtures("on_simulator")
def test_old_details_go_where_none_are_asked(book):
    out = book.numberactive.enrich("phone", details=True).numberactive.enrich("phone")
    assert [name for name in out if name.endswith(("request_id", "national"))] == []


@pytest.mark.usefixtures("on_simulator")
def test_new_rows_below_old_answers_are_enriched(book):
    out = book.numberactive.enrich("phone")
    more = pd.concat([out, pd.DataFrame({"phone": ["0813 1111 2222"], "name": ["d"]})])
    assert more.numberactive.enrich("phone")["phone_lookup_status"].iloc[-1] == "answered"


@pytest.mark.usefixtures("on_simulator")
@pytest.mark.parametrize("name", ["phone_active_level", "phone_lookup_status"])
def test_a_column_of_the_customers_own_is_kept(book, name):
    foreign = book.numberactive.enrich("phone").assign(**{name: "high"})
    with pytest.raises(ConfigurationError, match="restore_dtypes.*overwrite=True"):
        foreign.numberactive.enrich("phone")


@pytest.mark.usefixtures("on_simulator")
def test_attrs_of_the_frame_are_kept(book):
    book.attrs["source"] = "core banking"
    assert book.numberactive.enrich("phone").attrs == {"source": "core banking"}


# --- two columns


def test_a_cap_buys_two_columns_row_by_row(vendor, as_production):
    as_production()
    rows = range(6)
    df = pd.DataFrame(
        {"a": [f"081100000{i:02}" for i in rows], "b": [f"081300000{i:02}" for i in rows]}
    )
    out = df.numberactive.enrich(["a", "b"], max_charges=6)
    bought = out[["a_lookup_status", "b_lookup_status"]].ne("not_bought").sum()
    assert bought.tolist() == [3, 3]
    assert vendor.ledger.total == 6


# --- files


@pytest.mark.usefixtures("on_simulator")
@pytest.mark.parametrize("details", [False, True])
def test_excel_and_back_gives_equal_dtypes_and_values(book, details, tmp_path):
    out = book.reset_index(drop=True).numberactive.enrich("phone", details=details)
    pna.plain_dtypes(out).to_excel(tmp_path / "out.xlsx", index=False)
    back = pna.restore_dtypes(pd.read_excel(tmp_path / "out.xlsx", dtype={"phone": str}))
    moment = "phone_looked_up_at"  # Excel keeps milliseconds
    assert (back.pop(moment) - out.pop(moment)).abs().max() <= pd.Timedelta("1ms")
    pd.testing.assert_frame_equal(back, out)


@pytest.mark.usefixtures("on_simulator")
@pytest.mark.parametrize("plain", [False, True])
def test_csv_and_back_gives_equal_dtypes_and_values(book, plain):
    out = book.reset_index(drop=True).numberactive.enrich("phone", details=True)
    written = (pna.plain_dtypes(out) if plain else out).to_csv(index=False)
    back = pna.restore_dtypes(pd.read_csv(io.StringIO(written), dtype=str))
    pd.testing.assert_frame_equal(back, out)


@pytest.mark.parametrize("dtype", [object, "str"])
def test_an_empty_text_is_restored_as_missing(dtype):
    """A CSV that is read with keep_default_na=False has empty texts."""
    cells = {"a_lookup_status": "invalid", "a_active_level": "", "a_request_id": ""}
    back = pna.restore_dtypes(pd.DataFrame(cells, index=[0], dtype=dtype))
    assert back.isna().iloc[0].tolist() == [False, True, True]


@pytest.mark.usefixtures("on_simulator")
def test_plain_times_are_on_the_clock_of_the_timezone(book):
    out = book.numberactive.enrich("phone")["phone_looked_up_at"].iloc[0]
    plain = pna.plain_dtypes(book.numberactive.enrich("phone"))["phone_looked_up_at"].iloc[0]
    assert plain == out.tz_convert("Asia/Jakarta").tz_localize(None)
    with pna.override(timezone="UTC"):
        plain = pna.plain_dtypes(book.numberactive.enrich("phone"))["phone_looked_up_at"].iloc[0]
    assert plain == out.tz_localize(None)


@pytest.mark.parametrize("cell", ["05/06/2026", "46178.4", 46178.4, "2026-02-30", "2026", True])
def test_a_date_that_is_not_iso_or_not_real_is_refused(cell):
    frame = pd.DataFrame({"a_lookup_status": ["answered"], "a_looked_up_at": [cell]})
    with pytest.raises(ConfigurationError, match="a_looked_up_at.*no date such as 2026-01-31"):
        pna.restore_dtypes(frame)


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2026-01-31 07:00:00+00:00", "2026-01-31 07:00"),
        ("2026-01-31T14:00:00+07:00", "2026-01-31 07:00"),
        ("2026-01-31 14:00", "2026-01-31 07:00"),
        ("2026-01-31", "2026-01-30 17:00"),
        (pd.Timestamp("2026-01-31 14:00"), "2026-01-31 07:00"),
    ],
)
def test_a_time_without_a_zone_is_jakartas(cell, moment):
    frame = pd.DataFrame({"a_lookup_status": ["answered"], "a_looked_up_at": [cell]})
    back = pna.restore_dtypes(frame)["a_looked_up_at"].iloc[0]
    assert back == pd.Timestamp(moment, tz="UTC")


# --- other frames, small frames


class Polars:
    """A stand-in for a frame of another library."""

    __module__ = "polars.dataframe.frame"

    def to_pandas(self) -> None:
        """Be recognised."""


def test_a_frame_of_polars_is_answered_with_the_way_to_pandas():
    pna.configure(environment="simulator", store=":memory:")
    with pytest.raises(ConfigurationError, match=r"df\.to_pandas\(\).*polars"):
        pna.enrich(Polars(), "phone")


@pytest.mark.usefixtures("on_simulator")
def test_one_row_of_no_phone_warns_too():
    with pytest.warns(PhoneColumnWarning, match="1 of 1 filled cells"):
        pd.DataFrame({"phone": ["x"]}).numberactive.enrich("phone")


# --- one verdict


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({"bought": 5}, "Complete: 5 bought"),
        ({"distinct": 3, "stored": 3}, "Complete: nothing to buy"),
        (
            {"bought": 1, "not_bought": 4, "capped": True, "stopped_by": "the cap of 1 charges"},
            "Stopped at your cap: 1 of 5 bought; 4 left",
        ),
        (
            {"bought": 1, "not_bought": 4, "capped": True, "at_budget": True},
            "Stopped at your budget: 1 of 5 bought; 4 left",
        ),
        (
            {"bought": 2, "not_bought": 3, "stopped_by": "stop"},
            "Stopped by you: 2 of 5 bought; 3 left",
        ),
        ({"bought": 5, "stopped_by": "stop"}, "Complete: 5 bought"),
        (
            {"bought": 3, "stored": 2, "capped": True, "stopped_by": "the cap of 3 charges"},
            "Complete: 3 bought",
        ),
        ({"bought": 5, "stopped_by": "No disk."}, "Stopped by an error: 5 of 5 bought"),
        ({"not_bought": 5, "stopped_by": "No key."}, "Stopped by an error: 0 of 5 bought; 5 left"),
        ({"bought": 4, "pending": 1, "open": 1}, "Not finished: 4 of 5 bought; 1 pending"),
        ({"bought": 3, "failed": 2}, "Ended: 3 bought; 2 failed"),
        ({"bought": 3, "failed": 2, "open": 2}, "Not finished: 3 of 5 bought; 2 failed"),
        ({"bought": 4, "quarantined": 1}, "Ended: 4 bought; 1 held"),
        ({"bought": 4, "uncertain": 1, "open": 1}, "Not finished: 4 of 5 bought; 1 held"),
        (
            {"stored": 5, "open": 2, "behind": 2},
            "Not finished: 2 open behind an older answer",
        ),
        (
            {"bought": 1, "stored": 4, "open": 2, "behind": 2},
            "Not finished: 1 of 1 bought; 2 open behind an older answer",
        ),
    ],
)
def test_a_run_has_one_verdict(counts, text):
    report = RunReport(**{"distinct": 5, **counts})
    assert verdict(report) == text
    assert report.complete == text.startswith(("Complete", "Ended"))


def test_a_cap_that_was_meant_warns_of_nothing(as_production, caplog):
    as_production()
    df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(10)]})
    job = df.numberactive.start("phone", max_charges=4)
    with caplog.at_level(logging.INFO, logger="pandas_numberactive"):
        job.result()
    said = "Stopped at your cap: 4 of 10 bought; 6 left"
    assert said in repr(pna.last_run())
    assert said in pna.last_run()._repr_html_()
    assert said in job._repr_html_()
    assert any(said in record.message for record in caplog.records)


@pytest.mark.parametrize(
    ("limits", "text", "by"),
    [
        ({"budget": 2_000}, "your budget: 4 of", "the budget of IDR 2,000"),
        ({"budget": 2_400, "max_charges": 9}, "your budget: 4 of", "the budget of IDR 2,400"),
        ({"budget": 2_000, "max_charges": 3}, "your cap: 3 of", "the cap of 3 charges"),
        ({"max_charges": 4}, "your cap: 4 of", "the cap of 4 charges"),
    ],
)
def test_the_verdict_names_the_limit_that_was_given(as_production, limits, text, by):
    as_production()
    df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(10)]})
    df.numberactive.enrich("phone", **limits)
    assert f"Stopped at {text}" in verdict(pna.last_run())
    assert pna.last_run().stopped_by == by


# --- warnings


@pytest.fixture
def failing(tmp_path):
    """A sandbox whose handle fails for every number, free of charge."""
    with Simulator(
        stand_in=True, app_key="k", secret="s", faults=Faults(handle={"code_free": 1.0})
    ) as vendor:
        pna.configure(
            environment="sandbox",
            base_url=vendor.base_url,
            app_key="k",
            secret="s",
            store=str(tmp_path / "s.sqlite3"),
        )
        yield vendor


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("front", [pna.enrich, lambda *a: pna.start(*a).result()])
def test_a_warning_made_an_error_carries_the_frame(front):
    df = pd.DataFrame({"phone": ["0811 8899 532"]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(IncompleteRunWarning) as caught:
            front(df, "phone")
    assert caught.value.partial["phone_lookup_status"].tolist() == ["failed"]
    assert caught.value.report.failed == 1


@pytest.mark.usefixtures("failing")
def test_a_jobs_warning_points_at_the_line_of_start():
    df = pd.DataFrame({"phone": ["0811 8899 532"]})
    job = pna.start(df, "phone")
    here = sys._getframe().f_lineno - 1
    with pytest.warns(IncompleteRunWarning, match="1 failed") as caught:
        job.result()
    assert (caught[0].filename, caught[0].lineno) == (__file__, here)
    job.result()  # told once


# --- a short traceback


def test_a_typo_shows_the_users_line_and_the_message(book):
    pna.configure(environment="simulator", store=":memory:")
    with pytest.raises(NumberActiveError) as caught:
        book.numberactive.enrich("phon")
    line, message = caught.value._render_traceback_()
    assert 'book.numberactive.enrich("phon")' in line
    assert (
        message
        == "ColumnNotFoundError: There is no column 'phon'. Did you mean 'phone'? Nothing was sent."
    )


def test_the_frames_are_shown_on_demand(book, monkeypatch):
    pna.configure(environment="simulator", store=":memory:")
    monkeypatch.setattr(NumberActiveError, "short_traceback", False)
    with pytest.raises(NumberActiveError) as caught:
        book.numberactive.enrich("phon")
    assert "Traceback" in caught.value._render_traceback_()[0]


# --- progress


def test_the_progress_line_begins_with_the_cost():
    now = Progress(
        total=500, done=100, bought=60, stored=40, spent=30_000, rate=2.25, seconds_left=178
    )
    assert progress_line(now) == "IDR 30,000, 100 of 500, 2.2/s, 3 min left"
    assert len(progress_line(now)) < 60
    assert progress_line(Progress(total=5)) == "0 bought, 0 of 5"


def test_a_job_a_bar_and_a_bill_use_the_same_words(as_production, vendor):
    """A job had a sentence of its own, with other words than the bar's."""
    as_production(max_concurrency=1)
    vendor.latency = 0.02
    job = pna.start(pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(30)]}), "phone")
    now = job.progress
    assert progress_line(now).split(",")[0] in progress_html(now, progress_line(now))
    assert repr(job).startswith("Job (running): IDR ")
    job.result()
    assert repr(job) == f"Job (done): {verdict(job.report)}"
    assert verdict(job.report) in job._repr_html_()


@pytest.mark.parametrize(("rows", "most"), [(1, 2), (100, 3), (5_000, 10)])
def test_the_likely_time_on_the_simulator_is_seconds(rows, most):
    """It named two minutes for a run of three seconds."""
    pna.configure(environment="simulator", store=":memory:")
    plan = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(rows)]}).numberactive.plan("phone")
    assert 0 < plan.seconds <= most


def test_one_number_takes_two_calls_in_a_row(as_production):
    as_production()
    plan = pd.DataFrame({"phone": ["0811 8899 532"]}).numberactive.plan("phone")
    assert plan.seconds == 0.5


def test_what_another_run_buys_counts_as_stored(as_production, vendor):
    as_production(max_concurrency=2)
    vendor.latency = 0.005
    df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(60)]})
    jobs = [pna.start(df, "phone"), pna.start(df.iloc[::-1], "phone")]
    for job in jobs:
        job.result()
    assert vendor.ledger.total == 60
    assert {job.progress.stored + job.progress.bought for job in jobs} == {60}


def test_no_progress_goes_into_a_pipe(as_production, capsys):
    as_production(max_concurrency=1)
    df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(40)]})
    df.numberactive.enrich("phone", progress=True)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_the_verdict_at_the_end(as_production, monkeypatch, capsys):
    as_production(max_concurrency=1)
    monkeypatch.setattr(bar, "_in_terminal", lambda: True)
    monkeypatch.setattr(bar, "_sized", lambda: False)
    df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(300)]})
    df.numberactive.enrich("phone")
    last = capsys.readouterr().err.strip().split("\r")[-1]
    assert last.startswith("Complete: 300 bought |")


# --- the store alone


def test_stored_joins_and_buys_nothing(as_production, vendor):
    as_production()
    df = pd.DataFrame({"phone": ["0811 8899 532", "0811 8899 533"]})
    df.head(1).numberactive.enrich("phone")
    calls = len(vendor.calls)
    out = pna.stored(df, "phone")
    assert out["phone_lookup_status"].iloc[0] in ("answered", "no_data")
    assert out["phone_lookup_status"].iloc[1] == "not_bought"
    assert len(vendor.calls) == calls


def test_an_accessor_names_its_methods(book):
    assert repr(book.numberactive) == (
        "<numberactive of 3 rows: enrich, aenrich, start, plan, normalize>"
    )
