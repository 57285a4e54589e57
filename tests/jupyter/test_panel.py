"""Every state of the panel and of a job's view, without a browser."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive import _bridge as bridge
from pandas_numberactive._jupyter.panel import EnrichPanel, likely_columns
from pandas_numberactive._pandas import api
from pandas_numberactive._pandas.job import JobView, job_view, progress_text
from pandas_numberactive._run.report import Progress
from pandas_numberactive.simulator import Faults, Simulator


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def frame():
    phones = [f"0811{i:07d}" for i in range(60)] + ["0811-000-0000", "x", None]
    return pd.DataFrame({"name": ["n"] * 63, "hp": phones, "amount": range(63)})


def line(panel):
    """What the panel's job says of itself."""
    return panel._job.view._text.value


def button(panel, word):
    until(lambda: panel._place.children and word in panel._place.children[0].description)
    return panel._place.children[0]


def test_likely_columns_come_first_with_masked_examples(frame):
    panel = EnrichPanel(frame)
    assert panel.columns == ("hp",)
    assert [label for label, _ in panel._choice.options] == ["hp", "name", "amount"]
    assert "0811*******" in panel._summary.value
    assert "08110000001" not in panel._summary.value


def test_plan_is_free_and_the_button_buys_what_it_names(as_production, vendor, frame):
    as_production()
    panel = EnrichPanel(frame)
    panel._look.click()
    buy = button(panel, "Buy")
    assert buy.description == "Buy 60 numbers for IDR 30,000"
    assert vendor.calls == []
    assert "to buy <b>60</b>" in panel._picture.value
    buy.click()
    buy.click()
    until(lambda: panel.result is not None)
    assert vendor.ledger.total == 60
    assert (
        panel.result["hp_lookup_status"].isin(["answered", "no_data", "invalid", "missing"]).all()
    )
    assert "complete" in panel._summary.value
    until(lambda: not panel._look.disabled)
    panel._look.click()
    button(panel, "free").click()
    until(lambda: "Done: 60 of 60: bought 0, stored 60" in line(panel))
    until(lambda: "panel.result" in panel._said.value)
    assert vendor.ledger.total == 60


@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
def test_a_cap_holds_and_nonsense_is_refused(as_production, vendor, frame):
    as_production()
    panel = EnrichPanel(frame)
    panel._cap.value = "seven"
    panel._look.click()
    until(lambda: "whole number" in panel._summary.value)
    panel._cap.value = "7"
    panel._look.click()
    buy = button(panel, "Buy")
    assert buy.description == "Buy 7 numbers for IDR 3,500"
    buy.click()
    until(lambda: panel.result is not None)
    assert vendor.ledger.total == 7


def test_another_choice_takes_the_button_away(as_production, vendor, frame):
    as_production()
    panel = EnrichPanel(frame)
    panel._look.click()
    old = button(panel, "Buy")
    panel._choice.value = (0,)
    assert panel.columns == ("name",)
    assert panel._place.children == ()
    old.click()
    assert panel._job is None
    assert vendor.calls == []


@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
def test_stop_keeps_exactly_what_was_charged_and_the_next_run_completes(tmp_path, frame):
    with Simulator(stand_in=True, app_key="k", secret="s", latency=0.05) as vendor:
        pna.configure(
            environment="production",
            base_url=vendor.base_url,
            app_key="k",
            secret="s",
            store=str(tmp_path / "s.sqlite3"),
            unit_price=500,
            max_concurrency=4,
        )
        panel = EnrichPanel(frame)
        panel._look.click()
        button(panel, "Buy").click()
        until(lambda: vendor.ledger.total > 10)
        panel._job.view._stop.click()
        until(lambda: panel.result is not None)
        assert "Stopped: " in line(panel)
        assert panel._job.view._bar.bar_style == "warning"
        report = pna.last_run()
        assert f"not bought {report.not_bought}" in line(panel)
        assert (f"pending {report.pending}" in line(panel)) == (report.pending > 0)
        assert report.bought + report.not_bought + report.pending == 60
        assert " left" not in line(panel)
        kept = (
            panel.result["hp_lookup_status"].isin(["answered", "no_data"]).sum() - 1
        )  # a number stands there twice
        assert kept == vendor.ledger.total < 60
        until(lambda: not panel._look.disabled)
        panel.result = None
        panel._look.click()
        button(panel, "Buy").click()
        until(lambda: panel.result is not None)
        assert vendor.ledger.total == 60
        assert vendor.ledger.double_charged() == []


def test_without_keys_the_panel_says_what_to_do(frame):
    panel = EnrichPanel(frame)
    panel._look.click()
    until(lambda: "NUMBERACTIVE_APP_KEY" in panel._summary.value)


def test_a_jobs_view_follows_to_the_end_and_is_one_however_often_shown(
    as_production, vendor, frame
):
    as_production()
    job = frame.numberactive.start("hp")
    first, second = job_view(job), job_view(job)
    assert (
        first["application/vnd.jupyter.widget-view+json"]
        == second["application/vnd.jupyter.widget-view+json"]
    )
    assert isinstance(job.view, JobView)
    job.result()
    until(lambda: "Done: 60 of 60" in job.view._text.value)
    assert job.view._bar.value == 60
    assert job.view._stop.disabled
    assert vendor.ledger.total == 60


def test_a_jobs_view_stops_the_job(tmp_path):
    with Simulator(stand_in=True, app_key="k", secret="s", latency=0.05) as vendor:
        pna.configure(
            environment="sandbox",
            base_url=vendor.base_url,
            app_key="k",
            secret="s",
            store=str(tmp_path / "s.sqlite3"),
        )
        job = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(500)]}).numberactive.start(
            "phone"
        )
        job._repr_mimebundle_()
        until(lambda: vendor.ledger.total > 5)
        job.view._stop.click()
        until(job.done)
        assert vendor.ledger.total < 500


def test_without_widgets_a_job_is_text(as_production, frame, monkeypatch):
    import sys

    as_production()
    job = frame.numberactive.start("hp")
    job.result()
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert list(job._repr_mimebundle_()) == ["text/plain"]


def planned(panel):
    panel._look.click()
    until(lambda: panel._place.children or "Nothing was sent" in panel._said.value)
    return panel._place.children[0].description if panel._place.children else None


PHONES = ["0811-8899-532", "0812 345 6789", "0812 345 6789"]


@pytest.mark.parametrize(
    "name", [7, 1.5, pd.Timestamp("2026-11-03"), ("a", "b"), "<b>hp</b>", ""], ids=str
)
def test_a_column_may_have_any_name(as_production, vendor, name):
    as_production()
    columns = pd.Index(["note", name], dtype=object, tupleize_cols=False)
    panel = EnrichPanel(pd.DataFrame([["x", phone] for phone in PHONES], columns=columns))
    assert str(panel.columns) == str((name,))
    assert "<b>hp" not in panel._summary.value
    assert planned(panel) == "Buy 2 numbers for IDR 1,000"
    panel._place.children[0].click()
    until(lambda: panel.result is not None)
    assert panel.result[f"{name}_lookup_status"].notna().all()
    until(lambda: "panel.result" in panel._said.value)
    assert "<b>hp" not in panel._summary.value
    assert vendor.ledger.total == 2


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        (["hp", "hp"], "There are 2 columns"),
        (pd.MultiIndex.from_product([["a"], ["hp", "wa"]]), "several levels"),
    ],
    ids=["two of one name", "several levels"],
)
def test_columns_that_cannot_be_told_apart_are_refused_with_the_way_out(
    as_production, vendor, columns, why
):
    as_production()
    panel = EnrichPanel(pd.DataFrame([[phone, phone] for phone in PHONES], columns=columns))
    assert "0811-****" in panel._summary.value
    assert planned(panel) is None
    assert why in panel._summary.value
    assert vendor.calls == []


@pytest.mark.parametrize(
    ("df", "words"),
    [
        (pd.DataFrame(), "Choose at least one column"),
        (pd.DataFrame({"name": ["x", "y"], "age": [1, 2]}), "Choose at least one column"),
        (pd.DataFrame({"hp": []}), "Choose at least one column"),
    ],
    ids=["no columns", "no phones", "no rows"],
)
def test_without_a_phone_column_it_asks_for_one(as_production, df, words):
    as_production()
    panel = EnrichPanel(df)
    assert panel.columns == ()
    assert "No column looks like phones" in panel._summary.value
    panel._look.click()
    assert words in panel._said.value


def test_an_empty_column_costs_nothing_and_gives_an_empty_result(as_production, vendor):
    as_production()
    panel = EnrichPanel(pd.DataFrame({"hp": []}))
    panel._choice.value = (0,)
    assert "nothing in this column" in panel._summary.value
    assert planned(panel) == "Join the stored answers: free"
    panel._place.children[0].click()
    until(lambda: panel.result is not None)
    assert len(panel.result) == 0
    assert "hp_lookup_status" in panel.result
    assert vendor.calls == []


def test_likely_columns_are_found_in_cells_spread_over_the_table(frame):
    late = pd.DataFrame(
        {"name": ["n"] * 30_000, "hp": [None] * 20_000 + ["0811 8899 532"] * 10_000}
    )
    assert likely_columns(late) == ((1,), [1, 0])
    long = pd.DataFrame({"hp": ["0811 8899 532 133"]})
    assert likely_columns(long) == ((), [0])
    pna.configure(max_digits=13)
    assert likely_columns(long) == ((0,), [0])


@pytest.mark.parametrize(
    ("text", "count"), [("0", 0), ("1.000", 60), ("1,000", 60), (" 12 ", 12), ("", 60)]
)
def test_a_cap_is_read_as_people_write_it(as_production, frame, text, count):
    as_production()
    panel = EnrichPanel(frame)
    panel._cap.value = text
    expected = (
        f"Buy {count} numbers for IDR {count * 500:,}" if count else "Join the stored answers: free"
    )
    assert planned(panel) == expected


@pytest.mark.parametrize("text", ["1.5", "-3", "1e3", "seven", "²", "1.00"])
def test_a_cap_that_is_no_count_is_refused(as_production, frame, text):
    as_production()
    panel = EnrichPanel(frame)
    panel._cap.value = text
    assert planned(panel) is None
    assert "whole number" in panel._summary.value


@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
def test_a_cap_of_nothing_joins_what_is_stored(as_production, vendor, frame):
    as_production()
    pna.lookup("0811 0000 001")
    panel = EnrichPanel(frame)
    panel._cap.value = "0"
    planned(panel)
    panel._place.children[0].click()
    until(lambda: panel.result is not None)
    assert vendor.ledger.total == 1
    assert (
        panel.result["hp_lookup_status"] == "not_bought"
    ).sum() == 60  # 59 numbers, one of them twice
    assert "not bought 59" in line(panel)


def test_one_number_is_one_number(as_production):
    as_production()
    assert planned(EnrichPanel(pd.DataFrame({"hp": PHONES[:1]}))) == "Buy 1 number for IDR 500"


def test_a_table_that_was_enriched_before_is_planned_and_its_columns_are_replaced(
    as_production, vendor, frame
):
    as_production()
    again = frame.numberactive.enrich("hp", progress=False)
    panel = EnrichPanel(again)
    assert planned(panel) == "Join the stored answers: free"
    panel._place.children[0].click()
    until(lambda: panel.result is not None)
    pd.testing.assert_frame_equal(panel.result, again)
    assert vendor.ledger.total == 60


def test_a_plan_that_others_have_overtaken_buys_only_what_is_left(as_production, vendor, frame):
    as_production()
    panel = EnrichPanel(frame)
    planned(panel)
    frame.head(25).numberactive.enrich("hp", progress=False)  # as a colleague would meanwhile
    panel._place.children[0].click()
    until(lambda: panel.result is not None)
    assert vendor.ledger.total == 60
    assert vendor.ledger.double_charged() == []
    assert "bought 35, stored 25" in line(panel)


def test_other_settings_than_the_plan_was_made_with_buy_nothing(as_production, vendor, frame):
    as_production()
    panel = EnrichPanel(frame)
    planned(panel)
    as_production(unit_price=900)
    panel._place.children[0].click()
    assert "plan again" in panel._summary.value
    assert panel._job is None
    assert planned(panel) == "Buy 60 numbers for IDR 54,000"
    assert vendor.calls == []


def test_a_choice_made_while_it_plans_is_not_overtaken_by_the_plan(
    as_production, frame, monkeypatch
):
    as_production()
    go, real, done, offered = threading.Event(), api.plan, [], []

    def plan(*args, max_charges, **options):
        if max_charges is None:
            go.wait(10)
        done.append(real(*args, max_charges=max_charges, **options))
        return done[-1]

    monkeypatch.setattr(api, "plan", plan)
    panel = EnrichPanel(frame)
    panel._place.observe(
        lambda change: offered.extend(button.description for button in change["new"]), "children"
    )
    panel._look.click()
    assert "Planning ..." in panel._said.value
    panel._cap.value = "7"
    assert "Planning is free" in panel._said.value
    assert planned(panel) == "Buy 7 numbers for IDR 3,500"
    go.set()
    until(lambda: len(done) == 2)
    panel._cap.value = "8"
    assert (
        planned(panel) == "Buy 8 numbers for IDR 4,000"
    )  # by now the slow one has shown what it had to show
    assert offered == ["Buy 7 numbers for IDR 3,500", "Buy 8 numbers for IDR 4,000"]


def test_a_choice_made_while_the_button_is_put_there_takes_it_away(as_production, frame):
    as_production()
    panel, seen = EnrichPanel(frame), []

    def change(said):
        if "Nothing has been bought yet" in said["new"]:
            panel._cap.value = "7"

    panel._said.observe(change, "value")
    panel._place.observe(lambda place: seen.append(len(place["new"])), "children")
    panel._look.click()
    until(lambda: seen == [1, 0])
    assert "Planning is free" in panel._said.value


@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
def test_while_it_buys_stop_stays_and_nothing_else_can_be_pressed(tmp_path, frame):
    with Simulator(stand_in=True, app_key="k", secret="s", latency=0.05) as vendor:
        pna.configure(
            environment="sandbox",
            base_url=vendor.base_url,
            app_key="k",
            secret="s",
            store=str(tmp_path / "s.sqlite3"),
            max_concurrency=2,
        )
        panel = EnrichPanel(frame)
        planned(panel)
        buy = panel._place.children[0]
        buy.click()
        assert (
            panel._place.children == ()
        )  # Stop does not take its place: a double click would press it
        until(lambda: vendor.ledger.total > 3)
        assert "bought" in line(panel)
        assert "role=" not in line(panel)  # four times a second is not for a screen reader
        assert all(widget.disabled for widget in (panel._choice, panel._cap, panel._look))
        panel._cap.value = "3"  # sent before the page knew
        panel._look.click()
        assert panel._running.children == (panel._job.view.widget,)
        panel._job.view._stop.click()
        assert panel._job.view._stop.disabled
        assert "Stopping" in line(panel)
        until(lambda: panel.result is not None)
        until(lambda: not panel._look.disabled)
        assert 3 < vendor.ledger.total < 60


@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
def test_stop_before_the_first_call_buys_nothing(as_production, vendor, frame):
    as_production()
    panel = EnrichPanel(frame)
    planned(panel)
    held = threading.Event()
    bridge.submit(lambda: _hold(held))  # the background loop is kept: the job cannot begin
    panel._place.children[0].click()
    panel._job.view._stop.click()
    held.set()
    until(lambda: panel.result is not None)
    assert vendor.calls == []
    assert "Stopped: 0 of 60" in line(panel)
    assert (panel.result["hp_lookup_status"] == "not_bought").sum() == 61


async def _hold(held):
    held.wait(10)


def test_an_error_in_the_middle_keeps_what_is_paid_and_says_what_to_do(tmp_path, frame):
    faults = Faults(script={"handle": ["ok"] * 20 + ["http_403"] * 50})
    with Simulator(stand_in=True, app_key="k", secret="s", faults=faults) as vendor:
        pna.configure(
            environment="sandbox",
            base_url=vendor.base_url,
            app_key="k",
            secret="s",
            store=str(tmp_path / "s.sqlite3"),
            max_concurrency=2,
        )
        panel = EnrichPanel(frame)
        planned(panel)
        panel._place.children[0].click()
        until(lambda: panel.result is not None)
        until(lambda: "panel.result" in panel._said.value)
        assert "Ended with an error: " in line(panel)
        assert "Check the app key" in line(panel)
        assert "Traceback" not in line(panel)
        assert panel._job.view._bar.bar_style == "danger"
        known = panel.result["hp_lookup_status"].isin(["answered", "no_data"]).sum()
        assert 60 > known >= vendor.ledger.total > 10  # one number stands in two rows
        assert panel._job.report.charged == vendor.ledger.total
        assert "http_403" in panel._job.report.stopped_by


def test_an_error_before_the_first_call_shows_no_other_runs_bill(
    as_production, vendor, frame, tmp_path
):
    as_production()
    pna.lookup("0811 0000 001")  # the run before
    panel = EnrichPanel(frame)
    planned(panel)
    for file in filter(Path.is_file, tmp_path.glob("store.sqlite3*")):
        file.write_bytes(b"this is no database" * 100)
    panel._place.children[0].click()
    until(lambda: panel._job is not None and panel._job.done())
    until(lambda: not panel._look.disabled)
    assert "A problem on this machine" in line(panel)
    assert panel._summary.value == ""
    assert panel.result is None
    assert "panel.result" not in panel._said.value
    assert vendor.ledger.total == 1


def test_the_result_is_summed_up_column_by_column(as_production, frame):
    as_production()
    frame["wa"] = frame["hp"].iloc[::-1].to_numpy()
    panel = EnrichPanel(frame)
    assert panel.columns == ("hp",)
    panel._choice.value = (1, 3)
    assert panel.columns == ("hp", "wa")
    planned(panel)
    panel._place.children[0].click()
    until(lambda: "panel.result" in panel._said.value)
    for name in ("hp_lookup_status", "wa_lookup_status", "hp_active_level"):
        assert name in panel._summary.value
    high = (panel.result["hp_active_level"] == "high").sum()
    assert f"high <b>{high}</b>" in panel._summary.value
    assert "missing <b>1</b>" in panel._summary.value


def test_a_panel_as_text_is_short_and_holds_no_cell(frame):
    assert repr(EnrichPanel(frame)).startswith("EnrichPanel(['hp'], 63 rows")
    assert "0811" not in repr(EnrichPanel(frame))


# --- jobs ------------------------------------------------------------------------------------------------------------


def test_a_job_keeps_its_own_bill_and_its_rate(as_production, vendor, frame):
    as_production()
    job = frame.numberactive.start("hp")
    job.result()
    pna.lookup("0812 345 6789")
    assert (job.report.distinct, pna.last_run().distinct) == (60, 1)
    until(lambda: job.state == "done")
    rate = job.progress.rate
    assert rate == job.progress.rate > 0  # it does not go on falling
    assert repr(job).startswith("Job (done): 60 of 60 numbers")
    view = JobView(job)  # shown for the first time when it is over
    assert "Done: 60 of 60: bought 60" in view._text.value
    assert view._stop.disabled
    assert view._bar.bar_style == "success"


def test_a_job_that_was_given_up_does_not_look_done(tmp_path, frame):
    with Simulator(stand_in=True, app_key="k", secret="s", latency=0.2) as vendor:
        pna.configure(
            environment="sandbox",
            base_url=vendor.base_url,
            app_key="k",
            secret="s",
            store=str(tmp_path / "s.sqlite3"),
        )
        job = frame.numberactive.start("hp")
        view = JobView(job)
        assert job.state == "running"
        assert job.report is None
        until(lambda: vendor.calls)
        job._future.cancel()  # as a second interrupt does
        until(lambda: "Given up" in view._text.value)
        assert view._bar.bar_style == "danger"
        assert repr(job).startswith("Job (ended with an error)")


def test_a_job_stopped_in_code_shows_it(tmp_path, frame, quiet_incomplete):
    with Simulator(stand_in=True, app_key="k", secret="s", latency=0.2) as vendor:
        pna.configure(
            environment="sandbox",
            base_url=vendor.base_url,
            app_key="k",
            secret="s",
            store=str(tmp_path / "s.sqlite3"),
        )
        job = frame.numberactive.start("hp")
        view = JobView(job)
        until(lambda: vendor.calls)
        job.stop()
        assert job.state in ("stopping", "stopped")
        until(lambda: "Stopped: " in view._text.value)
        assert view._stop.disabled


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rate": 0.42, "seconds_left": 7300.0}, "0.4 a second, about 2.0 h left"),
        ({"rate": 31.2, "seconds_left": 12.0}, "31 a second, about 12 s left"),
        (
            {"rate": 1.0, "seconds_left": None, "uncertain": 3},
            "failed 0, held 3, spent IDR 500, 1.0 a second",
        ),
    ],
)
def test_progress_is_told_in_a_line(given, words):
    text = progress_text(Progress(total=10, done=5, spent=500.0, **given))
    assert text.startswith("5 of 10: bought 0")
    assert words in text
    assert " left" not in progress_text(Progress(total=10, done=5, **given), ended=True)
