"""Every state of the panel and of a job's view, without a browser."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive import _bridge as bridge
from pandas_numberactive._display import live
from pandas_numberactive._jupyter import panel as panel_module
from pandas_numberactive._jupyter import views
from pandas_numberactive._jupyter.choosing import choose
from pandas_numberactive._jupyter.panel import EnrichPanel
from pandas_numberactive._pandas import api
from pandas_numberactive._pandas import job as job_module
from pandas_numberactive._pandas.job import JobView
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
    return panel._picture.value


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
    assert "IDR 30,000 for 60 numbers" in panel._picture.value
    until(lambda: not panel._look.disabled)
    panel._look.click()
    button(panel, "free").click()
    until(lambda: "Complete: nothing to buy." in line(panel))
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
        panel._job.view.stop.button.click()
        until(lambda: panel.result is not None)
        assert "Stopped by you: " in line(panel)
        report = pna.last_run()
        assert f"; {report.not_bought} left." in line(panel)
        assert (f"{report.pending} pending" in line(panel)) == (report.pending > 0)
        assert report.bought + report.not_bought + report.pending == 60
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


@pytest.fixture
def page(monkeypatch):
    """What a notebook's page would have been sent: (bundle, display_id, update) of each message."""
    sent = []
    publish = lambda data, display_id, *, update: sent.append((data, display_id, update))  # noqa: E731
    monkeypatch.setattr(live, "_publish", publish)
    monkeypatch.setattr(live, "in_kernel", lambda: True)
    monkeypatch.setattr(job_module, "in_kernel", lambda: True)
    monkeypatch.setattr(views, "in_kernel", lambda: True)
    return sent


def outputs(page):
    """What the notebook file would hold: the last bundle of each output, in order."""
    kept = {}
    for data, display_id, update in page:
        if display_id in kept or not update:
            kept[display_id] = data
    return list(kept.values())


def test_a_job_shown_twice_is_one_output_and_one_task(as_production, vendor, frame, page):
    as_production()
    job = frame.numberactive.start("hp")
    job._ipython_display_()
    view = job.view
    job._ipython_display_()
    assert job.view is view
    job.result()
    assert "Complete: 60 bought." in outputs(page)[0]["text/html"]
    assert vendor.ledger.total == 60


def test_the_file_holds_the_end_when_result_returns(tmp_path, frame, page):
    """nbconvert keeps what stands there when the last cell ends."""
    with Simulator(stand_in=True, app_key="k", secret="s", latency=0.05) as vendor:
        sandbox(vendor, tmp_path, max_concurrency=8)
        job = frame.numberactive.start("hp")
        job._ipython_display_()
        first = [*page]
        assert live.WIDGET_VIEW in first[1][0]  # Stop, while there is something to stop
        job.result()
        progress, stop = outputs(page)
        assert "Complete: 60 bought." in progress["text/html"]
        assert stop == {"text/html": "", "text/plain": ""}  # no widget stays in the file


def test_a_job_that_is_over_shows_no_stop(as_production, frame, page):
    as_production()
    job = frame.numberactive.start("hp")
    job.result()
    job._ipython_display_()
    assert [live.WIDGET_VIEW in data for data, _, _ in page] == [False]


def test_a_broken_drawing_costs_no_answer(as_production, frame, page, monkeypatch):
    as_production()
    job = frame.numberactive.start("hp")
    job._ipython_display_()
    monkeypatch.setattr(live, "_publish", None)
    assert len(job.result()) == len(frame)


def test_voila_hides_stop_and_says_nothing_of_cells(as_production, frame, page, monkeypatch):
    """Its page cannot interrupt a kernel, replaces no output, and stands when all cells ran."""
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.8")
    as_production()
    job = frame.numberactive.start("hp")
    job._ipython_display_()
    stop = job.view.stop
    assert "interrupt" not in stop.text.value
    job.result()
    until(lambda: stop.widget.layout.display == "none")


@pytest.mark.parametrize(("software", "count"), [("voila/0.5.8", 0), ("", 1)])
def test_only_a_notebook_is_told_of_reopening(frame, page, monkeypatch, software, count):
    monkeypatch.setenv("SERVER_SOFTWARE", software)
    EnrichPanel(frame)._ipython_display_()
    shown = [data for data, _, _ in page if "reopened" in data.get("text/html", "")]
    assert len(shown) == count


def test_voila_gets_a_widget_for_its_progress(as_production, frame, page, monkeypatch):
    """Its page shows no output that comes after the cells ran."""
    as_production()
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.8")
    job = frame.numberactive.start("hp")
    job._ipython_display_()
    assert live.WIDGET_VIEW in page[0][0]
    job.result()
    assert "Complete: 60 bought." in job.view.face._widget.value


def sandbox(vendor, folder, **options):
    pna.configure(
        environment="sandbox",
        base_url=vendor.base_url,
        app_key="k",
        secret="s",
        store=str(folder / "s.sqlite3"),
        **options,
    )


# --- the jobs of the process


@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
def test_jobs_lists_what_runs_and_can_stop_it(tmp_path, frame):
    """The page may be gone, and so may the variable."""
    with Simulator(stand_in=True, app_key="k", secret="s", latency=0.1) as vendor:
        sandbox(vendor, tmp_path, max_concurrency=2)
        frame.numberactive.start("hp")
        until(lambda: vendor.ledger.total > 2)
        (job,) = pna.jobs()
        assert " of 60, " in repr(job)
        job.stop()
        job.result()
        assert pna.jobs() == []
        assert vendor.ledger.total < 60


@pytest.mark.parametrize("kind", [KeyboardInterrupt, asyncio.CancelledError])
@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
def test_an_interrupted_cell_stops_the_jobs(tmp_path, frame, kind):
    """While a cell runs the interrupt is the brake, whatever the Stop button can do."""
    with Simulator(stand_in=True, app_key="k", secret="s", latency=0.1) as vendor:
        sandbox(vendor, tmp_path, max_concurrency=2)
        job = frame.numberactive.start("hp")
        job_module._after_cell(SimpleNamespace(error_in_exec=ValueError(), error_before_exec=None))
        assert not job.stopping
        job_module._after_cell(SimpleNamespace(error_in_exec=kind(), error_before_exec=None))
        assert job.stopping
        job.result()


# --- Stop while a cell runs


class Comm:
    """A comm as ipykernel 7.4 marks it."""

    def __init__(self):
        self._reply_subshell_id = None


def test_the_stop_button_forgets_the_shell_that_last_used_it():
    """ipykernel 7.4 would send a click to that shell, which a cell keeps busy."""
    comm = Comm()
    live.let_handlers_run_beside_cells(SimpleNamespace(comm=comm))
    assert not hasattr(comm, "_reply_subshell_id")


@pytest.mark.parametrize("widget", [SimpleNamespace(comm=None), SimpleNamespace(), None])
def test_a_kernel_without_that_mark_is_left_alone(widget):
    live.let_handlers_run_beside_cells(widget)


def test_ipykernel_still_keeps_that_mark():
    """The private attribute that we remove; where it is gone, so is the reason to remove it."""
    comm = pytest.importorskip("ipykernel.comm.comm")
    route = getattr(comm.BaseComm, "_reply_subshell_for", None)
    if route is None:
        pytest.skip("this ipykernel has no mark")
    one = comm.BaseComm.__new__(comm.BaseComm)
    one._reply_subshell_lock, one._reply_subshell_ids = threading.Lock(), {}
    one._reply_subshell_id = "busy"
    assert route(one, {}, "free") == "busy"
    live.let_handlers_run_beside_cells(SimpleNamespace(comm=one))
    assert route(one, {}, "free") == "free"


@pytest.mark.parametrize(("subshells", "told"), [([], True), (["one"], False)])
def test_the_text_beside_stop_says_when_it_takes_effect(monkeypatch, subshells, told):
    manager = SimpleNamespace(list_subshell=lambda: subshells)
    kernel = SimpleNamespace(shell_channel_thread=SimpleNamespace(manager=manager))
    monkeypatch.setattr(live, "_shell", lambda: SimpleNamespace(kernel=kernel))
    row = live.StopRow(lambda: None)
    assert ("interrupt the kernel to stop now" in row.text.value) is told


def test_an_older_kernel_says_that_stop_waits_for_the_cell(monkeypatch):
    monkeypatch.setattr(live, "_shell", lambda: SimpleNamespace(kernel=SimpleNamespace()))
    assert "when the running cell ends" in live.StopRow(lambda: None).text.value


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
        job.view = JobView(job)
        until(lambda: vendor.ledger.total > 5)
        job.view.stop.button.click()
        until(job.done)
        assert vendor.ledger.total < 500


def test_without_widgets_a_job_has_no_stop(as_production, frame, page, monkeypatch):
    as_production()
    job = frame.numberactive.start("hp")
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    job._ipython_display_()
    assert job.view.stop is None
    job.result()
    assert "Complete: 60 bought." in outputs(page)[0]["text/html"]


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
    panel._choice.value = (0,)
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
    assert "No column looks like phones" in panel._said.value
    assert panel._summary.value == ""  # it is written once
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
    assert (choose(late).preselected, choose(late).places) == ((1,), (1, 0))
    long = pd.DataFrame({"hp": ["0811 8899 532 133"]})
    assert choose(long).preselected == ()
    pna.configure(max_digits=13)
    assert choose(long).preselected == (0,)


def columns_of(**shares):
    """A frame whose columns hold phones in so many of ten rows."""
    phones = [f"0811{i:07d}" for i in range(10)]
    return pd.DataFrame({name: phones[:n] + ["x"] * (10 - n) for name, n in shares.items()})


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({"relative_phone": 10, "phone": 9}, "phone"),
        ({"emergency_contact_no": 10, "no_hp": 8}, "no_hp"),
        ({"hp_darurat": 10}, None),
        ({"no_hp_pasangan": 10, "telp_kerabat": 10}, None),
        ({"spouseMobile": 10, "nomorHP": 9}, "nomorHP"),
        ({"referensi_1": 10, "customer": 9}, "customer"),
        ({"code": 10, "phone": 9}, "phone"),
        ({"code": 10, "phone": 6}, None),
        ({"phone_1": 10, "phone_2": 10}, None),
        ({"contact": 10, "number": 10}, None),
        ({"phone": 3, "score": 0}, None),
    ],
    ids=str,
)
def test_the_customers_own_column_is_preselected_or_none(shares, expected):
    """A purchase for relatives is lost money, and an answer on the wrong person."""
    df = columns_of(**shares)
    chosen = [df.columns[place] for place in choose(df).preselected]
    assert chosen == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("shares", "sentence"),
    [
        ({"wa": 10, "hp": 10}, "Several columns look like phones (wa, hp): choose."),
        ({"hp_darurat": 10}, "Only columns of other people look like phones (hp_darurat)"),
        ({"a": 0}, "No column looks like phones: choose one."),
    ],
    ids=str,
)
def test_where_none_is_preselected_a_sentence_says_why(shares, sentence):
    panel = EnrichPanel(columns_of(**shares))
    assert panel.columns == ()
    assert sentence in panel._said.value


def test_likely_columns_are_offered_in_the_order_of_the_frame():
    """The better of two does not come first."""
    assert choose(columns_of(b=7, x=0, a=10)).places == (0, 2, 1)


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
    assert "; 59 left." in line(panel)


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
    assert "bought: 35" in line(panel)
    assert "stored: 25" in line(panel)


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


def test_a_table_changed_since_the_plan_buys_nothing(as_production, vendor, frame):
    """The button names numbers, and others would be bought at their price."""
    as_production()
    panel = EnrichPanel(frame)
    planned(panel)
    frame["hp"] = [f"0812{i:07d}" for i in range(63)]
    panel._place.children[0].click()
    assert "The table was changed since this plan was made" in panel._summary.value
    assert vendor.calls == []
    assert planned(panel) == "Buy 63 numbers for IDR 31,500"
    del frame["hp"]
    panel._place.children[0].click()
    assert panel._job is None


def test_a_choice_made_while_it_plans_is_not_overtaken_by_the_plan(
    as_production, frame, monkeypatch
):
    as_production()
    go, real, done, offered = threading.Event(), api.plan, [], []

    def plan(*args, **options):
        if "max_charges" not in options:
            go.wait(10)
        done.append(real(*args, **options))
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
        assert "aria-live" not in line(panel)  # twice a second is not for a screen reader
        assert all(widget.disabled for widget in (panel._choice, panel._cap, panel._look))
        panel._cap.value = "3"  # sent before the page knew
        panel._look.click()
        assert panel._running.children == (panel._job.view.stop.widget,)
        panel._job.view.stop.button.click()
        assert panel._job.view.stop.button.disabled
        assert "Stopping" in panel._job.view.stop.text.value
        until(lambda: panel.result is not None)
        until(lambda: not panel._look.disabled)
        assert 3 < vendor.ledger.total < 60


def beside(act):
    """Do something on another thread, as a handler of the page may, and wait for its end."""
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()


def test_a_press_on_two_threads_makes_one_job(as_production, vendor, frame, monkeypatch):
    """Stop reaches one job only, and older answers would be bought again by each."""
    as_production()
    panel = EnrichPanel(frame)
    planned(panel)
    buy = panel._place.children[0]
    presses, started, start = [], [], api.start

    def holds(given):
        presses.append(given)
        if len(presses) == 1:
            beside(buy.click)
        return True

    monkeypatch.setattr(panel_module, "still_holds", holds)
    monkeypatch.setattr(api, "start", lambda *a, **o: started.append(start(*a, **o)) or started[-1])
    buy.click()
    until(lambda: panel.result is not None)
    assert started == [panel._job]
    assert vendor.ledger.total == 60


def test_what_is_pressed_while_a_job_begins_leaves_its_stop(as_production, frame, monkeypatch):
    """The table is read before there is a job, and a page can send more meanwhile."""
    as_production()
    panel = EnrichPanel(frame)
    planned(panel)
    start, seen = api.start, []
    offered = panel._said.value
    assert "Nothing has been bought yet" in offered

    def meanwhile(*args, **options):
        beside(panel._look.click)
        beside(lambda: setattr(panel._cap, "value", "7"))
        seen.append(panel._said.value)
        return start(*args, **options)

    monkeypatch.setattr(api, "start", meanwhile)
    panel._place.children[0].click()
    assert seen == [offered]
    until(lambda: "panel.result" in panel._said.value)
    assert panel._place.children == ()
    assert "hp_active_level" in panel._summary.value


@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
def test_stop_before_the_first_call_buys_nothing(as_production, vendor, frame):
    as_production()
    panel = EnrichPanel(frame)
    planned(panel)
    held = threading.Event()
    bridge.submit(lambda: _hold(held))  # the background loop is kept: the job cannot begin
    panel._place.children[0].click()
    panel._job.view.stop.button.click()
    held.set()
    until(lambda: panel.result is not None)
    assert vendor.calls == []
    assert "Stopped by you: 0 of 60 bought; 60 left." in line(panel)
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
        assert "Stopped by an error: " in line(panel)
        assert "Check the app key" in line(panel)
        assert "Traceback" not in line(panel)
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
    assert panel.columns == ()  # hp or wa: the person has to say
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
    assert repr(job) == "Job (done): Complete: 60 bought"
    view = JobView(job)  # shown for the first time when it is over
    assert "Complete: 60 bought." in view.face.value


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
        until(lambda: "Given up" in view.face.value)
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
        until(lambda: "Stopped by you: " in view.face.value)


# --- what else the panel offers


def bought(panel):
    """Plan and buy; the panel's summary at the end."""
    planned(panel)
    panel._place.children[0].click()
    until(lambda: panel.result is not None)
    return panel._summary.value


def test_a_budget_caps_what_the_button_buys(as_production, vendor, frame, quiet_incomplete):
    as_production()
    panel = EnrichPanel(frame)
    panel._budget.value = "5.000"
    assert planned(panel) == "Buy 10 numbers for IDR 5,000"
    bought(panel)
    assert vendor.ledger.total == 10


def test_a_random_pilot_is_not_the_first_rows(as_production, vendor, frame, quiet_incomplete):
    as_production()
    panel = EnrichPanel(frame)
    panel._cap.value = "10"
    panel._order.value = "random"
    assert "order='random'" in bought(panel).replace("&#x27;", "'")
    asked = {phone[-2:] for phone in vendor.ledger.charged_phones()}
    assert asked != {f"{i:02d}" for i in range(10)}


def test_older_answers_are_bought_again_where_an_age_is_given(as_production, vendor, frame):
    as_production()
    frame.head(1).numberactive.enrich("hp", progress=False)
    panel = EnrichPanel(frame)
    panel._age.value = "0.001 s"
    until(lambda: planned(panel) == "Buy 60 numbers for IDR 30,000")
    panel._age.value = "180"
    assert planned(panel) == "Buy 59 numbers for IDR 29,500"
    panel._age.value = "soon"
    assert planned(panel) is None
    assert "max_age" in panel._summary.value


def test_the_panel_shows_the_code_that_does_the_same(as_production, vendor, frame):
    as_production()
    shown = bought(EnrichPanel(frame)).replace("&#x27;", "'")
    assert "out = df.numberactive.enrich('hp', max_charges=60)" in shown


def test_the_preview_masks_the_phones(as_production, frame):
    as_production()
    shown = bought(EnrichPanel(frame))
    assert "The first 5 of 63 rows" in shown
    assert "0811*******" in shown
    assert "0811000000" not in shown


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_result_is_saved_under_a_free_name(as_production, frame, tmp_path, monkeypatch, kind):
    as_production()
    monkeypatch.chdir(tmp_path)
    panel = EnrichPanel(frame)
    bought(panel)
    until(lambda: panel._saving.children)
    name, *buttons = panel._saving.children
    (save,) = [button for button in buttons if kind in button.description]
    save.click()
    save.click()
    assert sorted(path.name for path in tmp_path.glob("*." + kind)) == [
        f"enriched-2.{kind}",
        f"enriched.{kind}",
    ]
    assert "Saved 63 rows" in panel._said.value
    read = pd.read_csv if kind == "csv" else pd.read_excel
    assert len(read(tmp_path / f"enriched.{kind}")) == 63
    name.value = "../elsewhere"
    save.click()
    assert (tmp_path / f"elsewhere.{kind}").exists()


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_saved_table_executes_nothing(as_production, tmp_path, monkeypatch, kind):
    """A cell or label that begins with = is text in the file, as on the command line."""
    import openpyxl

    as_production()
    monkeypatch.chdir(tmp_path)
    cells = {"hp": ["08110000001"], "=x": ["=1+1"], "plus": ["+62 811"]}  # made up
    panel = EnrichPanel(pd.DataFrame(cells, index=["=2"]))
    bought(panel)
    until(lambda: panel._saving.children)
    panel._saving.children[{"csv": 1, "xlsx": 2}[kind]].click()
    if kind == "csv":
        text = (tmp_path / "enriched.csv").read_text()
        assert text.splitlines()[0].startswith(",hp,'=x,plus,")
        assert text.splitlines()[1].startswith("'=2,08110000001,'=1+1,+62 811,")
        return
    sheet = openpyxl.load_workbook(tmp_path / "enriched.xlsx").active
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n", "d"}


def pressed_save(panel, kind):
    """Press Save of one kind, once there is something to save."""
    until(lambda: panel._saving.children)
    panel._saving.children[{"csv": 1, "xlsx": 2}[kind]].click()


def test_a_file_that_cannot_be_whole_is_not_there(as_production, frame, tmp_path, monkeypatch):
    """Excel refuses a control character: the message repeated the cell, and half a file stayed."""
    as_production()
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.chdir(folder)
    panel = EnrichPanel(frame.assign(note="tel 08118899533\x0b"))  # made up
    bought(panel)
    pressed_save(panel, "xlsx")
    assert "Not saved: a cell holds a control character" in panel._said.value
    assert "8118899533" not in panel._said.value
    assert list(folder.iterdir()) == []
    pressed_save(panel, "csv")
    assert [path.name for path in folder.iterdir()] == ["enriched.csv"]


def test_a_failed_save_names_no_number(as_production, frame, tmp_path, monkeypatch):
    """Writers have errors of their own, and quote the cell."""
    as_production()
    monkeypatch.chdir(tmp_path)

    def write(*_, **__):
        raise ValueError("0811 8899 533 cannot be written")

    monkeypatch.setattr(panel_module, "_write", write)
    panel = EnrichPanel(frame)
    bought(panel)
    pressed_save(panel, "csv")
    assert "Not saved: ValueError: *** cannot be written." in panel._said.value


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_saved_table_is_restored(as_production, frame, tmp_path, monkeypatch, kind):
    """Times without a zone were UTC in Excel, and restore_dtypes reads the local clock."""
    as_production()
    monkeypatch.chdir(tmp_path)
    zoned = frame.assign(day=pd.Timestamp("2026-01-31 14:00", tz="Asia/Jakarta"))
    panel = EnrichPanel(zoned)
    bought(panel)
    until(lambda: panel._saving.children)
    panel._saving.children[{"csv": 1, "xlsx": 2}[kind]].click()
    read = pd.read_csv if kind == "csv" else pd.read_excel
    back = pna.restore_dtypes(read(tmp_path / f"enriched.{kind}"))
    gap = (back["hp_looked_up_at"] - panel.result["hp_looked_up_at"]).abs().max()
    assert gap <= pd.Timedelta("1ms")
    assert back["hp_active_level"].equals(panel.result["hp_active_level"])


def test_a_warning_of_the_run_stands_in_the_panel(as_production, vendor, frame):
    """It was given as a Python warning; made an error, it kept the panel from ending."""
    as_production()
    vendor.faults = Faults(query={"wrong_phone": 0.2}, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)  # of ipykernel, for old ipywidgets
        shown = bought(EnrichPanel(frame))
    assert "LookupStore().held()" in shown


def test_the_plan_begins_with_its_price(as_production, frame):
    as_production()
    panel = EnrichPanel(frame)
    planned(panel)
    assert 'font-size:15px">IDR 30,000 for 60 numbers' in panel._picture.value


def test_a_column_without_a_phone_is_offered_no_button(as_production, vendor):
    """A blue button on a wrong column looks like the way on."""
    as_production()
    panel = EnrichPanel(pd.DataFrame({"name": ["x", "y"], "hp": PHONES[:2]}))
    panel._choice.value = (0,)
    panel._look.click()
    until(lambda: "choose another column" in panel._said.value)
    assert panel._place.children == ()


def test_what_is_free_is_no_blue_button(as_production, frame):
    as_production()
    frame.numberactive.enrich("hp", progress=False)
    panel = EnrichPanel(frame)
    assert planned(panel) == "Join the stored answers: free"
    assert panel._place.children[0].button_style == ""


def test_a_panel_is_widgets_for_input_and_html_that_stays(as_production, frame, page):
    """A reopened notebook shows the plan and the bill, and says what to do for the fields."""
    as_production()
    panel = EnrichPanel(frame)
    panel._ipython_display_()
    bought(panel)
    widget, picture, summary, reopened = outputs(page)
    assert live.WIDGET_VIEW in widget
    assert "Complete: 60 bought." in picture["text/html"]
    assert "hp_active_level" in summary["text/html"]
    assert "run this cell again" in reopened["text/html"]


# --- what a saved notebook keeps


def saved_state(panel):
    """All that a notebook can save of the panel: its text, its widgets, the HTML below them."""
    widgets = [panel]
    for widget in widgets:  # grows as it goes
        widgets += getattr(widget, "children", ())
    states = " ".join(str(widget.get_state()) for widget in widgets)
    return f"{panel!r} {states} {panel._picture.value} {panel._summary.value}"


def test_a_name_that_is_a_phone_is_masked_in_the_file(as_production):
    """A table without a header has phones for names."""
    as_production()
    names = ["08118899532", "08118899533", "note"]  # made up
    panel = EnrichPanel(pd.DataFrame([PHONES[:2] + ["x"]], columns=names))
    assert [label for label, _ in panel._choice.options] == [
        "0811******* (column 1)",
        "0811******* (column 2)",
        "note",
    ]
    assert "Several columns look like phones (0811*******, 0811*******)" in panel._said.value
    for places in ((), (0,), (0, 1)):
        panel._choice.value = places
        assert "811889953" not in saved_state(panel)
    planned(panel)
    assert "811889953" not in saved_state(panel)
    bought(panel)
    until(lambda: "panel.result" in panel._said.value)
    assert "0811*******_lookup_status" in panel._summary.value
    assert "enrich(['0811*******', '0811*******'], max_charges=2)" in panel._summary.value.replace(
        "&#x27;", "'"
    )
    assert "811889953" not in saved_state(panel)
    assert panel.columns == tuple(names[:2])
    assert "08118899532_lookup_status" in panel.result


def test_other_names_stay_as_they_are_in_the_code(as_production):
    """Only a phone is masked: the line is there to be copied."""
    as_production()
    names = pd.Index([7], dtype=object)
    panel = EnrichPanel(pd.DataFrame([[phone] for phone in PHONES], columns=names))
    assert "EnrichPanel([7], 3 rows" in repr(panel)
    assert "enrich(7, max_charges=2)" in bought(panel)


# --- other pages than Jupyter's


def test_marimo_shows_progress_as_the_output_of_its_cell(as_production, frame, vendor, monkeypatch):
    """It has no display_id; what comes later takes the place of the first."""
    as_production()
    vendor.latency = 0.1  # else a fast machine is done before there is anything to show
    shown = []
    output = SimpleNamespace(append=shown.append, replace=lambda html: shown.__setitem__(-1, html))
    marimo = SimpleNamespace(running_in_notebook=lambda: True, Html=str, output=output)
    monkeypatch.setitem(sys.modules, "marimo", marimo)
    frame.numberactive.enrich("hp")
    (html,) = shown
    assert "Complete: 60 bought" in html


def test_marimo_imported_elsewhere_changes_nothing(as_production, frame, monkeypatch):
    as_production()
    marimo = SimpleNamespace(running_in_notebook=lambda: False)
    monkeypatch.setitem(sys.modules, "marimo", marimo)
    assert len(frame.numberactive.enrich("hp")) == len(frame)
