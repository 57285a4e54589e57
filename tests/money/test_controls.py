"""Negative controls: with any one of the rules taken out, its test fails.

CI runs a short list, `-m slow` the whole. Rules of runs, caps, ages and forgetting are taken out of
the small worlds as well: tests/money/variants.py.
"""

from __future__ import annotations

import inspect

import pytest

from pandas_numberactive._jupyter import form
from pandas_numberactive._phones import groups, parse
from pandas_numberactive._purchase import flow, purchase
from pandas_numberactive._run import ending, plan, stopping
from pandas_numberactive._store import runs, saves, workers
from pandas_numberactive._store.engines import files
from pandas_numberactive._vendor import lane, verdicts
from pandas_numberactive.errors import VendorError
from tests.jupyter import test_form as forms
from tests.money import test_answers_at_handle as handle
from tests.money import test_forgetting as forgetting
from tests.money import test_lost_handles as lost
from tests.money import test_run_ends as ends
from tests.money.test_answers_at_handle import at_handle  # noqa: F401 - a fixture
from tests.money.test_rare_orders import configured  # noqa: F401 - a fixture
from tests.money.test_run_ends import ready  # noqa: F401 - a fixture
from tests.phones import test_corpus as corpus
from tests.run import test_tally as tally
from tests.store import test_lost_stores as stores
from tests.vendor import test_protocol as protocol
from tests.vendor import test_reuse as reuse
from tests.vendor.test_reuse import bought  # noqa: F401 - a fixture

pytestmark = pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")


@pytest.fixture
def place(tmp_path):
    """One kind of store is enough to see a test fail."""
    return str(tmp_path / "store.sqlite3")


@pytest.fixture
def fails(
    ready,  # noqa: F811
    vendor,
    place,
    at_handle,  # noqa: F811
    monkeypatch,
    as_production,
    on_either,
    bought,  # noqa: F811
    configured,  # noqa: F811
    tmp_path,
):
    """Call a test with its rule taken out, and see it fail."""
    fixtures = {
        "ready": ready,
        "vendor": vendor,
        "place": place,
        "at_handle": at_handle,
        "monkeypatch": monkeypatch,
        "quiet_incomplete": None,
        "as_production": as_production,
        "on_either": on_either,
        "bought": bought,
        "configured": configured,
        "tmp_path": tmp_path,
        "path": tmp_path / "s.sqlite3",
    }

    def check(test, **parameters):
        wanted = inspect.signature(test).parameters
        given = {name: fixtures[name] for name in wanted if name in fixtures}
        failures = (AssertionError, pytest.fail.Exception, VendorError)
        with pytest.raises(failures):
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


def test_a_lost_handle_that_the_next_run_does_not_read(fails, monkeypatch):
    monkeypatch.setattr(flow.LostHandle, "read", classmethod(lambda cls, *_: cls()))
    fails(lost.test_attempts_used_up_by_lost_replies_are_known_to_the_next_run, last="drop_after")


def test_a_stop_that_gives_a_lost_handle_back(fails, monkeypatch):
    real = flow._give_back
    monkeypatch.setattr(
        flow,
        "_give_back",
        lambda lookup, reason, _, rules: real(lookup, reason, flow.LostHandle(), rules),
    )
    fails(lost.test_a_stop_before_the_vendor_is_known_leaves_the_handle_begun)


def test_a_store_that_is_not_missed_when_it_is_moved(fails, monkeypatch):
    monkeypatch.setattr(files.Identity, "check", lambda _: None)
    fails(stores.test_a_store_moved_while_buying_stops_the_run, lose=stores.replace)


def test_a_connection_with_unread_bytes_that_is_used(fails, monkeypatch):
    monkeypatch.setattr(lane.Lane, "_is_clean", lambda *_: True)
    protocol_of = "aiohttp.client_proto.ResponseHandler.should_close"
    monkeypatch.setattr(protocol_of, property(lambda _: False))  # aiohttp looks as well
    fails(reuse.test_a_second_reply_is_never_the_next_numbers)


def test_a_mask_that_is_not_compared(fails, monkeypatch):
    monkeypatch.setattr(verdicts, "names_other_phone", lambda *_: False)
    wrong = {"said": "62899****111", "outcome": verdicts.Outcome.QUARANTINED}
    fails(protocol.test_a_mask_contradicts_by_its_shown_digits, **wrong)


@pytest.mark.parametrize(("bad", "limit"), [(tally.NAMELESS, 3), (tally.UNUSABLE, 10)])
def test_useless_answers_that_stop_nothing(fails, monkeypatch, bad, limit):
    monkeypatch.setattr(stopping, "_kind_of_answer", lambda _: None)
    fails(tally.test_paid_answers_of_no_use_end_the_run, bad=bad, limit=limit)


def test_a_decimal_that_is_a_phone(fails, monkeypatch):
    monkeypatch.setattr(groups, "is_decimal", lambda _: False)
    fails(corpus.test_a_cell_in_doubt_is_refused_with_a_true_reason, template="837.469082")


def test_a_date_that_is_a_phone(fails, monkeypatch):
    monkeypatch.setattr(groups, "is_date", lambda _: False)
    fails(corpus.test_a_cell_in_doubt_is_refused_with_a_true_reason, template="08-12-24 1030")


def test_a_rounded_text_that_is_a_phone(fails, monkeypatch):
    monkeypatch.setattr(parse, "is_rounded", lambda _: False)
    fails(corpus.test_a_cell_in_doubt_is_refused_with_a_true_reason, template="628119000000.0")


def test_held_lookups_that_are_in_no_price(fails, monkeypatch):
    monkeypatch.setattr(plan.Plan, "purchases", property(lambda self: self.to_buy + self.open))
    fails(ends.test_what_is_asked_again_is_in_count_and_price)


def test_an_enter_that_does_not_read_the_field_again(fails, monkeypatch):
    def take(self, _):
        self._busy = True
        return True

    monkeypatch.setattr(form.LookupForm, "_take", take)
    fails(forms.test_keys_that_enter_overtook_withdraw_the_purchase)


def test_an_offer_that_enter_buys_at_once(fails, monkeypatch):
    real = form.LookupForm._confirm

    def confirm(self):
        self._shown_at = self._shown_at and 0.0
        return real(self)

    monkeypatch.setattr(form.LookupForm, "_confirm", confirm)
    fails(forms.test_enter_before_the_offer_stood_for_half_a_second_checks_again)


def test_a_forgotten_number_that_collides(fails, monkeypatch):
    def holders(db, lookup, code):
        sql = "SELECT number, generation FROM events WHERE request_id = ? AND kind = 'opened'"
        return db.execute(sql, (lookup.request_id,)).fetchall()

    monkeypatch.setattr(saves, "_holders", holders)
    fails(forgetting.test_a_forgotten_number_collides_with_nobody)
