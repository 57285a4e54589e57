"""Negative controls: with any one of the rules taken out, its test fails."""

from __future__ import annotations

import inspect

import pytest

from pandas_numberactive._purchase import flow, purchase
from pandas_numberactive._run import ending, plan
from pandas_numberactive._store import runs, workers
from tests.money import test_answers_at_handle as handle
from tests.money import test_run_ends as ends
from tests.money.test_answers_at_handle import at_handle  # noqa: F401 - a fixture
from tests.money.test_run_ends import ready  # noqa: F401 - a fixture

pytestmark = pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")


@pytest.fixture
def place(tmp_path):
    """One kind of store is enough to see a test fail."""
    return str(tmp_path / "store.sqlite3")


@pytest.fixture
def fails(ready, vendor, place, at_handle, monkeypatch):  # noqa: F811
    """Call a test with its rule taken out, and see it fail."""
    fixtures = {
        "ready": ready,
        "vendor": vendor,
        "place": place,
        "at_handle": at_handle,
        "monkeypatch": monkeypatch,
        "quiet_incomplete": None,
    }

    def check(test, **parameters):
        wanted = inspect.signature(test).parameters
        given = {name: fixtures[name] for name in wanted if name in fixtures}
        with pytest.raises(AssertionError):
            test(**given, **parameters)

    return check


def test_a_run_that_ends_with_numbers_open(fails, monkeypatch):
    monkeypatch.setattr(plan.Sorted, "over", property(lambda _: True))
    fails(ends.test_a_refresh_with_one_left_open_goes_on, kind="pending", status="pending")


def test_a_run_that_ends_before_its_frame_stands(fails, monkeypatch):
    monkeypatch.setattr(ending.Ending, "__enter__", lambda self: self.finish())
    fails(ends.test_a_frame_that_cannot_be_built_ends_no_run, front="enrich")


def test_an_older_answer_that_hides_a_newer_one(fails, monkeypatch):
    table = {retry: codes.copy() for retry, codes in plan._TODO.items()}
    for codes in table.values():
        codes[[2 | 16, 2 | 16 | 32, 8 | 16 | 32]] = purchase.Todo.SERVED
    monkeypatch.setattr(plan, "_TODO", table)
    fails(ends.test_a_paid_answer_behind_an_older_one_is_fetched, kind="pending")


def test_a_cap_that_forgets(fails, monkeypatch):
    monkeypatch.setattr(runs, "_spent_elsewhere", lambda *_: 0)
    fails(ends.test_forgetting_refunds_no_cap)


def test_a_cap_that_loses_what_another_call_finished(fails, monkeypatch):
    monkeypatch.setattr(runs, "_spent_elsewhere", lambda *_: 0)
    fails(ends.test_a_cap_counts_what_another_call_finished)


def test_a_cap_that_is_part_of_a_runs_name(fails, monkeypatch):
    real = plan.run_key

    def key(numbers, settings, options):
        return f"{real(numbers, settings, options)}{options.max_charges}"

    monkeypatch.setattr(plan, "run_key", key)
    monkeypatch.setattr("pandas_numberactive._run.run.run_key", key)
    fails(ends.test_a_raised_cap_goes_on_with_the_run, raised={"max_charges": 6})


def test_a_dead_sibling_that_is_not_waited_for(fails, monkeypatch):
    monkeypatch.setattr(runs, "_workers", lambda *_: [])
    fails(ends.test_a_dead_sibling_keeps_a_run_resumable)


def test_a_living_worker_that_is_not_looked_at(fails, monkeypatch):
    monkeypatch.setattr(workers, "lives", lambda *_: False)
    fails(ends.test_a_clock_jump_makes_a_live_run_no_new_one)


def test_a_lost_handle_that_a_later_code_undoes(fails, monkeypatch):
    monkeypatch.setattr(flow.LostHandle, "after", lambda self, *_: self)
    monkeypatch.setattr(flow.RetryPolicy, "delay", lambda *_: 0.0)
    fails(handle.test_a_lost_handle_is_known_after_a_later_code, later="code")


def test_a_lost_handle_that_is_never_held(fails, monkeypatch):
    monkeypatch.setattr(flow.LostHandle, "must_hold", lambda *_: False)
    monkeypatch.setattr(flow.RetryPolicy, "delay", lambda *_: 0.0)
    fails(handle.test_a_lost_handle_is_known_after_a_later_code, later="code")


def test_a_charge_at_handle_that_is_no_charge(fails, monkeypatch):
    monkeypatch.setattr(flow, "_open", uncharged(flow._open))
    fails(handle.test_a_charge_at_handle_is_on_the_bill)


def uncharged(real):
    return lambda lookup, verdict, rules: real(lookup, verdict._replace(charged=False), rules)
