"""Every state of the panel and of a job's view, without a browser."""

from __future__ import annotations

import time

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._jupyter.panel import EnrichPanel
from pandas_numberactive._jupyter.views import JobView, job_view
from pandas_numberactive.simulator import Simulator


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def frame():
    phones = [f"0811{i:07d}" for i in range(60)] + ["0811-000-0000", "x", None]
    return pd.DataFrame({"name": ["n"] * 63, "hp": phones, "amount": range(63)})


def button(panel, word):
    until(lambda: panel._place.children and word in panel._place.children[0].description)
    return panel._place.children[0]


def test_likely_columns_come_first_with_masked_examples(frame):
    panel = EnrichPanel(frame)
    assert panel.columns == ("hp",)
    assert [value for _, value in panel._choice.options] == ["hp", "name", "amount"]
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
    assert panel.result["hp_lookup_status"].isin(["answered", "no_data", "invalid", "missing"]).all()
    assert "complete" in panel._summary.value
    until(lambda: not panel._look.disabled)
    panel._look.click()
    button(panel, "free").click()
    until(lambda: "bought 0" in panel._said.value and "Done" in panel._said.value)
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
    panel._choice.value = ("name",)
    assert panel._place.children == ()
    old.click()
    assert panel._job is None
    assert vendor.calls == []


@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
def test_stop_keeps_exactly_what_was_charged_and_the_next_run_completes(tmp_path, frame):
    with Simulator(stand_in=True, app_key="k", secret="s", latency=0.05) as vendor:
        pna.configure(
            environment="production", base_url=vendor.base_url, app_key="k", secret="s", store=str(tmp_path / "s.sqlite3"),
            unit_price=500, max_concurrency=4,
        )  # fmt: skip
        panel = EnrichPanel(frame)
        panel._look.click()
        button(panel, "Buy").click()
        until(lambda: vendor.ledger.total > 10)
        button(panel, "Stop").click()
        until(lambda: panel.result is not None)
        kept = panel.result["hp_lookup_status"].isin(["answered", "no_data"]).sum() - 1  # a number stands there twice
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


def test_a_jobs_view_follows_to_the_end_and_is_one_however_often_shown(as_production, vendor, frame):
    as_production()
    job = frame.numberactive.start("hp")
    first, second = job_view(job), job_view(job)
    assert first["application/vnd.jupyter.widget-view+json"] == second["application/vnd.jupyter.widget-view+json"]
    assert isinstance(job.view, JobView)
    job.result()
    until(lambda: "Done." in job.view._text.value)
    assert job.view._bar.value == 60
    assert job.view._stop.disabled
    assert vendor.ledger.total == 60


def test_a_jobs_view_stops_the_job(tmp_path):
    with Simulator(stand_in=True, app_key="k", secret="s", latency=0.05) as vendor:
        pna.configure(
            environment="sandbox", base_url=vendor.base_url, app_key="k", secret="s", store=str(tmp_path / "s.sqlite3")
        )
        job = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(500)]}).numberactive.start("phone")
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
