"""Negative controls: with any one of the rules taken out, its test fails.

CI runs a short list, `-m slow` the whole. Rules of runs, caps, ages and forgetting are taken out of
the small worlds as well: tests/money/variants.py.
"""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pandas_numberactive._cli import books
from pandas_numberactive._cli import files as tables
from pandas_numberactive._config import checks, used_stores
from pandas_numberactive._config import settings as settings_module
from pandas_numberactive._display import live
from pandas_numberactive._jupyter import choosing, form, panel
from pandas_numberactive._pandas import formats, frames, job, lookup_store, lookup_store_inputs
from pandas_numberactive._phones import doubts, groups, parse
from pandas_numberactive._purchase import drive, flow, purchase
from pandas_numberactive._run import buyer, ending, plan, report, run, stopping
from pandas_numberactive._store import claims, ledger, runs, saves, store, workers
from pandas_numberactive._store.engines import connection, files, journal, sqlite, stale_log
from pandas_numberactive._vendor import lane, pool, verdicts
from pandas_numberactive.errors import ColumnNotFoundError, VendorError
from tests.cli import test_commands as commands
from tests.cli.test_commands import keys  # noqa: F401 - a fixture
from tests.config import test_settings_table as settings
from tests.jupyter import test_form as forms
from tests.jupyter import test_panel as panels
from tests.money import test_answers_at_handle as handle
from tests.money import test_fees_at_query as fees
from tests.money import test_forgetting as forgetting
from tests.money import test_lost_handles as lost
from tests.money import test_open_files as limits
from tests.money import test_proof as proof
from tests.money import test_run_ends as ends
from tests.money import test_stray_replies as strays
from tests.money.test_answers_at_handle import at_handle  # noqa: F401 - a fixture
from tests.money.test_fees_at_query import at_query  # noqa: F401 - a fixture
from tests.money.test_rare_orders import configured  # noqa: F401 - a fixture
from tests.money.test_run_ends import later, ready  # noqa: F401 - fixtures
from tests.money.test_stray_replies import stray  # noqa: F401 - a fixture
from tests.pandas import test_habits as habits
from tests.pandas import test_lookup_store as lookups
from tests.phones import test_corpus as corpus
from tests.phones import test_doubts as doubting
from tests.phones import test_parse as parsing
from tests.run import test_tally as tally
from tests.store import test_forks as forks
from tests.store import test_lost_stores as stores
from tests.store import test_reread as rereading
from tests.store import test_team_store as team
from tests.store import test_turns as turns
from tests.store.test_lost_stores import emptied_between, killed  # noqa: F401 - fixtures
from tests.vendor import test_client as clients
from tests.vendor import test_protocol as protocol
from tests.vendor import test_reuse as reuse
from tests.vendor.test_reuse import bought, without_lane  # noqa: F401 - fixtures

pytestmark = pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")


FAILURES = (AssertionError, pytest.fail.Exception, VendorError)


@pytest.fixture
def place(tmp_path):
    """One kind of store is enough to see a test fail."""
    return str(tmp_path / "store.sqlite3")


@pytest.fixture
def path(tmp_path):
    """One journal mode, for the same reason."""
    return tmp_path / "s.sqlite3"


@pytest.fixture
def every_place(path):
    """One kind of store is enough here, too."""
    return str(path)


@pytest.fixture
def fails(request):
    """Call a test with its rule taken out, and see it fail."""

    def check(test, raising=FAILURES, **parameters):
        wanted = set(inspect.signature(test).parameters).difference(parameters)
        given = {name: request.getfixturevalue(name) for name in wanted}
        with pytest.raises(raising):
            test(**given, **parameters)

    return check


def test_a_run_that_ends_with_numbers_open(fails, monkeypatch):
    monkeypatch.setattr(plan.Sorted, "over", property(lambda _: True))
    fails(ends.test_a_refresh_with_one_left_open_goes_on, kind="pending", status="pending")


def test_a_run_that_ends_before_its_frame_stands(fails, monkeypatch):
    def ends_for_good(self):
        self.finish()
        self._store = None

    monkeypatch.setattr(ending.Ending, "__enter__", ends_for_good)
    fails(ends.test_a_frame_that_cannot_be_built_ends_no_run, front="enrich")


def test_a_caller_who_left_first_and_is_waited_for(fails, monkeypatch):
    monkeypatch.setattr(run.Run, "abandon", lambda self: self._ending.abandon())
    fails(ends.test_a_run_whose_caller_left_first_can_end)


def test_a_caller_who_left_and_keeps_its_place(fails, monkeypatch):
    monkeypatch.setattr(run.workers, "give_up", lambda _: None)
    fails(ends.test_a_call_made_again_takes_the_place_of_one_that_drains)


def test_an_interrupted_end_that_stands(fails, monkeypatch):
    monkeypatch.setattr(runs, "go_on", lambda *_, **__: None)
    fails(ends.test_an_interrupt_of_the_runs_own_end_takes_it_back, name="do")


def test_a_cancelled_end_that_stands(fails, monkeypatch):
    monkeypatch.setattr(ending, "_is_cancelled", lambda: False)
    test = ends.test_a_cancellation_of_the_runs_own_end_takes_it_back
    fails(test, raising=(asyncio.CancelledError, *FAILURES), name="close")


def test_an_older_answer_that_hides_a_newer_one(fails, monkeypatch):
    table = {retry: codes.copy() for retry, codes in plan._TODO.items()}
    for codes in table.values():
        codes[[2 | 16, 2 | 16 | 32, 8 | 16 | 32]] = purchase.Todo.SERVED
    monkeypatch.setattr(plan, "_TODO", table)
    fails(ends.test_a_paid_answer_behind_an_older_one_is_fetched, kind="pending")


def test_an_open_purchase_that_an_older_answer_hides(fails, monkeypatch):
    def count(bill, *_):
        bill.open = bill.pending + bill.uncertain + bill.failed

    monkeypatch.setattr(run, "_count_open", count)
    fails(ends.test_what_is_open_behind_an_older_answer_is_told, kind="pending")


def test_a_short_call_that_prolongs_no_run(fails, monkeypatch):
    monkeypatch.setattr(runs, "_prolong", lambda *_: None)
    fails(ends.test_a_runs_day_counts_from_its_last_call)


def test_a_run_that_is_prolonged_for_ever(fails, monkeypatch):
    monkeypatch.setattr(runs, "PROLONGED", 1000 * runs.RESUMABLE)
    fails(ends.test_a_run_is_prolonged_for_a_week_at_most)


def test_a_call_without_room_that_prolongs_its_run(fails, monkeypatch):
    real = runs.find_run
    monkeypatch.setattr(runs, "find_run", lambda *args, **terms: unspent(real(*args, **terms)))
    fails(ends.test_a_call_without_room_prolongs_no_run)


def unspent(row):
    return row and replace(row, charged=0)


def test_a_stop_that_leaves_a_run_incomplete(fails, monkeypatch):
    stopped = property(lambda self: not (self.open or self.not_bought or self.stopped_by))
    monkeypatch.setattr(report.RunReport, "complete", stopped)
    fails(ends.test_a_stop_behind_the_last_answer_is_no_stop)


def test_a_cap_that_is_taken_for_used_up(fails, monkeypatch):
    async def nothing(*_):
        return None

    monkeypatch.setattr(run.Run, "_count_all_calls", nothing)
    fails(ends.test_a_cap_tells_what_the_same_call_would_do, kind="pending")


@pytest.mark.parametrize(
    "test",
    [
        ends.test_a_price_that_changed_in_a_run_is_told,
        ends.test_a_budget_is_not_counted_at_two_prices,
    ],
)
def test_a_price_in_the_books_that_nobody_tells(fails, monkeypatch, test):
    monkeypatch.setattr(plan, "price_in_books", lambda *_: "")
    fails(test)


def test_a_cap_that_forgets(fails, monkeypatch):
    monkeypatch.setattr(runs, "_spent_elsewhere", lambda *_: 0)
    fails(ends.test_forgetting_refunds_no_cap)


def test_a_cap_that_loses_what_another_call_finished(fails, monkeypatch):
    monkeypatch.setattr(runs, "_spent_elsewhere", lambda *_: 0)
    fails(ends.test_a_cap_counts_what_another_call_finished)


def test_a_cap_that_loses_a_handle_which_another_call_holds(fails, monkeypatch):
    real = claims.keep_spent

    def keep(db, rows, *terms, unopened):
        real(db, rows, *terms, unopened=False)

    monkeypatch.setattr(claims, "keep_spent", keep)
    fails(ends.test_a_cap_counts_a_handle_that_another_call_holds, can_charge=True)


@pytest.mark.parametrize("rule", ["_CAME_BACK", "_KNOWN_AS_FREE"])
def test_a_cap_that_counts_what_is_no_further_charge(fails, monkeypatch, rule):
    monkeypatch.setattr(runs, rule, "SELECT '' WHERE ? < 0")
    if rule == "_CAME_BACK":
        fails(ends.test_a_purchase_that_came_back_counts_once)
    else:
        fails(ends.test_a_free_failure_in_another_call_gives_its_place_back)


def test_a_place_under_the_cap_that_is_never_given_again(fails, monkeypatch):
    monkeypatch.setattr(buyer.Buyer, "_has_room", False)
    fails(ends.test_a_free_failure_leaves_its_place_to_another, order="rows")


def test_a_lowered_cap_that_counts_no_begun_purchase(fails, monkeypatch):
    monkeypatch.setattr(
        claims, "_within", lambda *_: frozenset(range(8_110_000_000, 8_110_000_009))
    )
    fails(ends.test_a_lowered_cap_holds_for_what_is_begun, earlier={}, cap=2)


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


def test_a_call_that_begins_its_run_before_it_joins(fails, monkeypatch):
    real = run.Run._begin
    terms = {"environment": "sandbox", "cap": None, "price": None, "currency": "IDR"}

    async def begin(self, store, key, began_at):
        await store.write(runs.begin_run, key=key, now=store.now(), **terms)
        return await real(self, store, key, began_at)

    monkeypatch.setattr(run.Run, "_begin", begin)
    fails(ends.test_a_call_begins_its_run_as_a_worker_of_it)


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


def test_a_charge_under_another_code_that_is_none(fails, monkeypatch):
    monkeypatch.setattr(verdicts, "_WITHOUT_ANSWER", set())
    fails(handle.test_a_charge_under_any_code_at_handle_is_billed, meaning="retry")


def test_a_fee_at_query_that_a_later_0_undoes(fails, monkeypatch):
    real = flow.judge_query

    def judge(*args, **options):
        verdict = real(*args, **options)
        left_open = verdict.outcome in flow._LEFT_OPEN
        return verdict._replace(charged=False) if left_open else verdict

    monkeypatch.setattr(flow, "judge_query", judge)
    fails(fees.test_a_fee_seen_at_query_stands, early="201", later=fees.REFUSED)


def test_a_fee_at_query_that_only_memory_keeps(fails, monkeypatch):
    def note(lookup, verdict):
        yield from ()
        return lookup._replace(charged=verdict.charged or lookup.charged)

    monkeypatch.setattr(flow, "_note_charge", note)
    fails(fees.test_a_fee_of_a_pending_answer_is_billed_once)


def test_a_fee_that_a_late_answer_undoes(fails, monkeypatch):
    monkeypatch.setattr(saves, "_with_known_charge", lambda _, lookup: lookup)
    fails(proof.test_a_fee_before_the_answer_counts_in_the_simulated_runs, proof.ViolationError)


def test_a_fee_at_query_that_is_taken_for_one_at_handle(fails, monkeypatch):
    monkeypatch.setattr(saves, "shows_handle_can_charge", lambda lookup: bool(lookup.charged))
    fails(fees.test_a_fee_seen_at_query_stands, early="201", later=fees.REFUSED)


@pytest.mark.parametrize("step", ["handle", "query"])
def test_a_reply_whose_request_id_nobody_reads(fails, monkeypatch, step):
    monkeypatch.setattr(verdicts, "_is_astray", lambda *_: False)
    fails(strays.test_a_reply_with_anothers_request_id_is_lost, step=step, reply="nameless")


def test_an_answer_that_is_used_for_two_numbers(fails, monkeypatch):
    monkeypatch.setattr(saves, "_quarantined", lambda lookup: lookup._replace(request_id=None))
    fails(handle.test_answers_with_one_request_id_are_all_on_the_bill)


def test_signals_under_an_error_that_are_free(fails, monkeypatch):
    monkeypatch.setattr(verdicts, "_charge_at_handle", lambda message: message.charges_handle)
    fails(handle.test_signals_under_an_error_are_not_asked_again, status=500, code=200)


def test_polling_that_goes_by_the_wall_clock(fails, monkeypatch):
    real = drive.lookup_flow

    def by_the_clock(lookup, rules):
        return real(lookup, replace(rules, monotonic=rules.clock))

    monkeypatch.setattr(drive, "lookup_flow", by_the_clock)
    fails(clients.test_a_clock_that_jumps_leaves_polling_as_long, jump=-3600.0)


def test_a_gateway_that_is_taken_for_a_refusal(fails, monkeypatch):
    monkeypatch.setattr(flow, "_RETRIED", {verdicts.Outcome.RETRY})
    fails(lost.test_a_gateway_loses_a_handle_with_retry_after_too, status=504, after=1.0)


def uncharged(real):
    return lambda lookup, verdict, rules: real(lookup, verdict._replace(charged=False), rules)


def test_a_lost_handle_that_the_next_run_does_not_read(fails, monkeypatch):
    monkeypatch.setattr(flow.LostHandle, "read", classmethod(lambda cls, *_: cls()))
    fails(lost.test_attempts_used_up_by_lost_replies_are_known_to_the_next_run, last="drop_after")


def test_a_back_off_in_which_nothing_is_learnt(fails, monkeypatch):
    """The rules of a look-up hold over its waits: it hears of others' charges meanwhile."""
    real = drive.lookup_flow

    def deaf(lookup, rules):
        known = rules.handle_can_charge()
        return real(lookup, replace(rules, handle_can_charge=lambda: known))

    monkeypatch.setattr(drive, "lookup_flow", deaf)
    test = lost.test_a_reply_lost_before_the_vendor_is_known_is_not_asked_for_again_after
    fails(test, lost="paid_drop_after")


def test_a_wait_for_a_turn_in_which_nothing_is_learnt(fails, monkeypatch):
    monkeypatch.setattr(flow, "Handle", lambda number, _: drive.Handle(number))
    fails(lost.test_what_waits_for_its_turn_hears_that_the_vendor_charges_at_handle, stop=False)


def test_a_new_generation_that_needs_no_room(fails, monkeypatch):
    monkeypatch.setattr(
        claims, "_reserved", lambda found, work: bool(found.row and found.row.run == work.run)
    )
    fails(ends.test_a_new_generation_needs_room_under_the_cap)


def test_an_answer_at_handle_that_loses_its_request_id(fails, monkeypatch):
    real = flow._settle

    def settle(lookup, verdict, reply, rules):
        return real(lookup, verdict._replace(request_id=None), reply, rules)

    monkeypatch.setattr(flow, "_settle", settle)
    fails(handle.test_an_answer_at_handle_keeps_its_request_id)


def test_a_skeleton_that_is_an_answer(fails, monkeypatch):
    monkeypatch.setattr(verdicts, "_has_signals", lambda data: bool(data))
    fails(handle.test_a_request_id_beside_a_skeleton_is_pending)


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


@pytest.mark.parametrize("lose", [stores.remove, stores.empty])
def test_a_lost_store_that_is_made_anew(fails, monkeypatch, lose):
    monkeypatch.setattr(files, "_beside", lambda *_: [])
    monkeypatch.setattr(files, "was_made", lambda _: False)
    fails(stores.test_a_lost_store_is_not_made_anew, lose=lose)


@pytest.mark.parametrize(
    ("rule", "instead"), [("count_commit", lambda _: None), ("_count_in_file", lambda _: None)]
)
def test_a_log_that_is_taken_for_any_files_own(fails, monkeypatch, rule, instead):
    monkeypatch.setattr(stale_log, rule, instead)
    fails(stores.test_a_backup_beside_the_log_of_a_killed_run_is_refused)


def test_a_store_that_doctor_does_not_open(fails, monkeypatch):
    monkeypatch.setattr(sqlite, "_check_version", lambda _: None)
    fails(stores.test_doctor_says_what_a_run_would_say, odd=stores.UNUSABLE["newer"])


def test_a_link_to_nothing_that_is_followed(fails, monkeypatch):
    monkeypatch.setattr(Path, "is_symlink", lambda _: False)
    fails(stores.test_a_link_to_nothing_makes_no_store)


def test_a_relative_store_that_moves_with_the_folder(fails, monkeypatch):
    path = SimpleNamespace(abspath=str, expanduser=str)
    monkeypatch.setattr(checks, "os", SimpleNamespace(path=path))
    fails(stores.test_a_relative_store_stays_where_it_was_configured)


def test_a_store_that_forgot_and_is_not_asked(fails, monkeypatch):
    async def nothing(*_):
        return 0

    monkeypatch.setattr(store.LookupStore, "keep_again", nothing)
    fails(stores.test_what_the_store_forgot_is_written_again)


def test_a_worker_that_the_store_need_not_know(fails, monkeypatch):
    monkeypatch.setattr(runs, "is_known", lambda *_: True)
    fails(stores.test_the_end_of_a_lost_worker_leaves_others_alone)


def test_a_worker_whose_number_another_one_gets(fails, monkeypatch):
    monkeypatch.setattr(workers, "new_worker", lambda: 1)
    monkeypatch.setattr(sqlite.Liveness, "hold", lambda *_: None)  # of one name, which blocks
    fails(stores.test_a_lost_worker_saves_nothing_under_the_claim_of_another)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


@pytest.mark.postgres
def test_an_emptied_server_that_nobody_remembers(fails, monkeypatch):
    monkeypatch.setattr(store, "last_use", lambda _: None)
    fails(stores.test_a_server_emptied_between_calls_is_not_bought_anew)


def test_a_file_that_nobody_remembers(fails, monkeypatch):
    monkeypatch.setattr(store, "last_use", lambda _: None)
    fails(
        stores.test_a_file_that_is_another_one_now_is_not_bought_into,
        happens=stores.remove_all,
        meant=6,
    )


def test_a_purchase_that_an_older_copy_need_not_have(fails, monkeypatch):
    monkeypatch.setattr(run.Run, "_note_purchases", lambda *_: None)
    fails(
        stores.test_a_file_that_is_another_one_now_is_not_bought_into,
        happens=stores.put_copy_back_and_go_on,
        meant=4,
    )


def test_a_store_named_again_that_nobody_was_told_of(fails, monkeypatch):
    monkeypatch.setattr(settings_module, "mean_this_one", lambda _: used_stores.forget_used())
    fails(stores.test_another_store_that_is_named_makes_no_other_forgotten)


def test_a_charge_that_goes_with_its_row(fails, monkeypatch):
    monkeypatch.setattr(saves, "_keep_charges", lambda *_: 0)
    fails(stores.test_what_was_bought_again_meanwhile_is_counted)


@pytest.mark.parametrize("mode", ["wal", "truncate"])
def test_a_journal_mode_that_is_converted_in_use(fails, monkeypatch, mode):
    def convert(connection, _):
        connection.execute(f"PRAGMA journal_mode={sqlite.NEW_STORES}").fetchone()

    monkeypatch.setattr(sqlite, "_set_journal", convert)
    fails(stores.test_a_store_keeps_its_journal_mode, mode=mode)


def test_a_mount_that_is_read_as_it_is_written(fails, monkeypatch):
    monkeypatch.setattr(files, "_mount", lambda line: tuple(line.split()[1:3]))
    fails(
        turns.test_a_network_file_system_is_known_by_its_mount,
        folder="/mnt/Team Share",
        kind="nfs4",
    )


@pytest.mark.slow
def test_a_reader_that_is_waited_for_by_each_write(fails, monkeypatch):
    monkeypatch.setattr(sqlite.SQLiteEngine, "_set_patience", lambda *_: None)
    fails(stores.test_a_long_reader_is_waited_for_once)


def test_a_lost_lookup_whose_answer_is_refused(fails, monkeypatch):
    monkeypatch.setattr(saves, "_restore_lost", lambda *_: False)
    fails(stores.test_a_store_put_back_takes_the_answers_that_wait)


def test_a_forgetting_that_trusts_the_checkpoint(fails, monkeypatch):
    monkeypatch.setattr(sqlite.SQLiteEngine, "compact", lambda _: None)
    fails(stores.test_forget_says_where_the_bytes_are_kept)


@pytest.mark.postgres
def test_numbers_that_stand_in_statements(fails, monkeypatch):
    monkeypatch.delattr(connection.Translated, "among")
    fails(team.test_forgotten_numbers_stand_in_no_statement)


def test_an_odd_place_whose_error_escapes(fails, monkeypatch):
    monkeypatch.setattr(journal.Journal, "_as_ours", lambda _, error: error)
    odd = stores.ODD["workers is a file"]
    fails(stores.test_an_odd_place_is_an_error_of_ours, odd=odd, raising=OSError)


BLIND = "from pandas_numberactive."


def test_a_fork_that_keeps_the_parents_journal(fails, monkeypatch):
    taken_out = "_store.engines.journal import Journal; Journal.after_fork = lambda _: None\n"
    script = forks.OPENED.replace("signal.alarm(20)", "signal.alarm(3)")
    monkeypatch.setattr(forks, "OPENED", BLIND + taken_out + script)
    fails(forks.test_a_store_opened_before_a_fork_works_in_the_child)


def test_a_fork_that_keeps_the_parents_connection(fails, monkeypatch):
    """The child refuses the store then, which the rule's other half sees to."""
    taken_out = "_store.engines.sqlite import SQLiteEngine as S; S.before_fork = lambda _: None\n"
    monkeypatch.setattr(forks, "OUTLIVES", BLIND + taken_out + forks.OUTLIVES)
    fails(forks.test_a_forked_child_outlives_its_parents_job)


def test_a_connection_that_a_child_goes_on_with(fails, monkeypatch):
    """Without either half the answers of the child are lost with its log."""
    taken_out = "_store.engines import files; files.refuse_inherited = lambda _: None\n"
    monkeypatch.setattr(forks, "KEPT_OPEN", BLIND + taken_out + forks.KEPT_OPEN)
    fails(forks.test_a_store_open_over_a_fork_is_refused_in_the_child)


def test_a_limit_of_open_files_that_is_not_looked_at(fails, monkeypatch):
    taken_out = "_pandas import api; api.within_open_files = lambda given: given\n"
    monkeypatch.setattr(limits, "CHILD", BLIND + taken_out + limits.CHILD)
    fails(limits.test_few_open_files_lower_the_number_in_flight)


def test_a_connection_with_unread_bytes_that_is_used(fails, monkeypatch):
    monkeypatch.setattr(lane.Lane, "_is_clean", lambda *_: True)
    protocol_of = "aiohttp.client_proto.ResponseHandler.should_close"
    monkeypatch.setattr(protocol_of, property(lambda _: False))  # aiohttp looks as well
    fails(reuse.test_a_second_reply_is_never_the_next_numbers)


def test_bytes_in_the_socket_that_are_not_looked_for(fails, monkeypatch):
    monkeypatch.setattr(lane, "has_unread", lambda _: False)
    fails(reuse.test_a_second_reply_that_nobody_has_read_yet_is_seen)


def test_a_pool_that_looks_for_no_unread_bytes(fails, monkeypatch):
    monkeypatch.setattr(pool.CleanPool, "_is_clean", lambda *_: True)
    fails(reuse.test_without_the_lane_a_second_reply_is_never_the_next_numbers, why="proxy")


def test_a_mask_that_is_not_compared(fails, monkeypatch):
    monkeypatch.setattr(verdicts, "names_other_phone", lambda *_: False)
    wrong = {"said": "62899****111", "outcome": verdicts.Outcome.QUARANTINED}
    fails(protocol.test_a_mask_contradicts_by_its_shown_digits, **wrong)


def test_a_body_that_is_not_judged_again(fails, monkeypatch):
    monkeypatch.setattr(ledger, "reread", lambda *_: (0, 0))
    fails(rereading.test_a_level_that_is_known_now_is_read)


def test_a_hand_settled_answer_that_is_judged_again(fails, monkeypatch):
    monkeypatch.setattr(ledger, "_OPEN_TO_JUDGEMENT", "")
    fails(rereading.test_what_a_person_settled_is_not_judged_again)


def test_a_free_failure_that_takes_no_older_answer(fails, monkeypatch):
    monkeypatch.setattr(ledger, "_CLOSED_EMPTY", frozenset())
    frame = pd.DataFrame({"phone": lookups.PHONES})
    fails(lookups.test_an_older_answer_serves_what_failed_free, frame=frame)


@pytest.mark.parametrize(("bad", "limit"), [(tally.NAMELESS, 3), (tally.UNUSABLE, 10)])
def test_useless_answers_that_stop_nothing(fails, monkeypatch, bad, limit):
    monkeypatch.setattr(stopping, "_kind_of_answer", lambda _: None)
    fails(tally.test_paid_answers_of_no_use_end_the_run, bad=bad, limit=limit)


@pytest.mark.parametrize("kinds", tally.USELESS)
def test_useless_answers_that_are_told_apart(fails, monkeypatch, kinds):
    monkeypatch.setattr(stopping, "USELESS_IN_A_ROW", 10**6)
    fails(tally.test_paid_and_useless_answers_of_any_kind_end_the_run, kinds=tally.USELESS[kinds])


def test_free_answers_that_count_as_paid(fails, monkeypatch):
    monkeypatch.setattr(stopping, "_is_paid", lambda _: True)
    fails(tally.test_useless_answers_that_were_free_are_no_row_of_paid_ones)


def test_an_explained_code_that_may_be_charged_for_ever(fails, monkeypatch):
    kind = stopping.Streaks._kind_of_code
    free = {"state": purchase.LookupState.FAILED, "charged": False}
    explained = lambda streaks, lookup: kind(streaks, lookup._replace(**free))  # noqa: E731
    monkeypatch.setattr(stopping.Streaks, "_kind_of_code", explained)
    fails(tally.test_an_explained_code_that_is_charged_ends_the_run)


def test_no_data_of_nobody_that_is_good(fails, monkeypatch):
    monkeypatch.setattr(stopping, "names_phone", lambda _: True)
    fails(tally.test_silent_no_data_ends_no_row_of_nameless_answers)
    fails(tally.test_silent_no_data_is_no_good_answer)


def test_no_data_that_is_never_good(fails, monkeypatch):
    monkeypatch.setattr(stopping, "names_phone", lambda _: False)
    fails(tally.test_named_no_data_ends_a_row_of_nameless_answers)


def test_a_decimal_that_is_a_phone(fails, monkeypatch):
    monkeypatch.setattr(groups, "is_decimal", lambda _: False)
    fails(corpus.test_a_cell_in_doubt_is_refused_with_a_true_reason, template="837.469082")


def test_numbers_of_a_float32_that_nobody_warns_of(fails, monkeypatch):
    monkeypatch.setattr(doubts, "_are_narrow", lambda long: long < 0)
    fails(doubting.test_numbers_of_a_float32_warn, way="upcast")


def test_a_date_that_is_a_phone(fails, monkeypatch):
    monkeypatch.setattr(groups, "is_date", lambda _: False)
    fails(corpus.test_a_cell_in_doubt_is_refused_with_a_true_reason, template="08-12-24 1030")


def test_a_rounded_text_that_is_a_phone(fails, monkeypatch):
    monkeypatch.setattr(parse, "is_rounded", lambda _: False)
    fails(corpus.test_a_cell_in_doubt_is_refused_with_a_true_reason, template="628119000000.0")


def test_an_amount_that_is_a_phone(fails, monkeypatch):
    monkeypatch.setattr(groups, "is_round_amount", lambda _: False)
    fails(corpus.test_a_cell_in_doubt_is_refused_with_a_true_reason, template="8.500.000.000")


def test_a_customers_number_that_is_a_phone(fails, monkeypatch):
    monkeypatch.setattr(parse, "names_owner", lambda _: False)
    fails(corpus.test_a_cell_in_doubt_is_refused_with_a_true_reason, template="nasabah: {n}")


@pytest.mark.parametrize(
    ("rule", "template"),
    [
        ("is_elsewhere", "82.165.99.210"),
        ("is_line", "8312345-101"),
        ("is_document_number", "08-22-0001234"),
        ("is_amount", "8.123.456.789-"),
    ],
)
def test_another_kind_of_number_that_is_a_phone(fails, monkeypatch, rule, template):
    monkeypatch.setattr(groups, rule, lambda _: False)
    fails(corpus.test_a_cell_in_doubt_is_refused_with_a_true_reason, template=template)


def test_a_second_place_where_two_numbers_part_that_nobody_looks_for(fails, monkeypatch):
    splits = groups.splits
    monkeypatch.setattr(groups, "splits", lambda body: splits(body)[:3])
    fails(
        corpus.test_a_cell_in_doubt_is_refused_with_a_true_reason,
        template="0812-3456-78 09 - 021-5550123",
    )


def test_a_number_beside_another_that_is_judged_by_its_digits(fails, monkeypatch):
    def by_digits(part, had_tail, max_digits):
        return parse._national(groups.digits_of(part), max_digits)

    monkeypatch.setattr(parse, "_parse_beside", by_digits)
    fails(
        corpus.test_a_cell_in_doubt_is_refused_with_a_true_reason,
        template="0812345678-90 0215550123",
    )


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


def test_an_error_that_is_always_counted(fails, monkeypatch):
    monkeypatch.setattr(form, "_ended_free", lambda _: False)
    fails(forms.test_what_was_never_sent_leaves_the_cap, again=False)


def test_an_error_that_is_never_counted(fails, monkeypatch):
    monkeypatch.setattr(form, "_ended_free", lambda _: True)
    begun = forms.answer(status="pending", charged=None)
    fails(
        forms.test_what_may_be_charged_counts_after_an_error,
        buy=forms.failing(begun),
    )


def test_a_button_that_two_presses_take(fails, monkeypatch):
    def take(self, pressed):
        return (pressed,) == tuple(self._place.children) and not self._busy

    monkeypatch.setattr(panel.EnrichPanel, "_take", take)
    fails(
        panels.test_a_press_on_two_threads_makes_one_job,
        frame=pd.DataFrame({"hp": [f"0811{i:07d}" for i in range(60)]}),
    )


def test_a_forgotten_number_that_collides(fails, monkeypatch):
    def holders(db, lookup, code):
        sql = "SELECT number, generation FROM events WHERE request_id = ? AND kind = 'opened'"
        return db.execute(sql, (lookup.request_id,)).fetchall()

    monkeypatch.setattr(saves, "_holders", holders)
    fails(forgetting.test_a_forgotten_number_collides_with_nobody)


def test_a_sandbox_with_the_production_host(fails, monkeypatch):
    monkeypatch.setattr("pandas_numberactive._config.settings.refuse_mixed", lambda *_: None)
    fails(settings.test_an_environment_with_the_others_host_is_refused, environment="sandbox")


@pytest.mark.parametrize("name", ["environment", "max_concurrency", settings.PHONE])
def test_a_setting_whose_value_is_shown_whole(fails, monkeypatch, name):
    monkeypatch.setattr(checks, "hide_numbers", str)
    fails(settings.test_a_setting_repeats_no_phone, name=name)


def test_an_option_whose_value_is_shown_whole(fails, monkeypatch):
    monkeypatch.setattr(checks, "hide_numbers", str)
    fails(settings.test_an_option_repeats_no_phone, options={"order": settings.PHONE})


def test_another_default_store_that_is_not_looked_for(fails, monkeypatch):
    async def nothing(*_):
        return None

    monkeypatch.setattr(run, "refuse_paid_elsewhere", nothing)
    monkeypatch.setattr(plan, "refuse_paid_elsewhere", nothing)
    fails(stores.test_another_default_store_with_paid_answers_is_named)


def test_a_formula_that_stays_one(fails, monkeypatch):
    monkeypatch.setattr(formats, "inert", lambda cell: cell)
    fails(commands.test_a_csv_keeps_phones_and_disarms_formulas)


def test_a_formula_that_excel_reckons(fails, monkeypatch):
    def write(df, path, *, index):
        df.to_excel(path, index=index)

    monkeypatch.setattr(tables, "write_excel", write)
    fails(commands.test_excel_shows_formulas_of_a_table_as_text)


def test_a_password_that_nobody_warns_of(fails, monkeypatch):
    monkeypatch.setattr(books, "tell", lambda *_: None)
    fails(commands.test_a_password_in_the_process_list_is_warned_of)


def test_an_offer_that_stays_to_be_saved(fails, monkeypatch):
    monkeypatch.setattr(form.LookupForm, "_clear", lambda _: None)
    fails(forms.test_a_minute_after_the_last_action_nothing_is_left_to_save)


def test_a_decimal_object_that_is_cut(fails, monkeypatch):
    monkeypatch.setattr(
        parse, "_parse_decimal", lambda value, most: parse._national(str(int(value)), most)
    )
    fails(
        parsing.test_a_damaged_cell_never_becomes_a_strangers_number, trap="a Decimal with decimals"
    )


def test_a_lone_pair_that_belongs_to_the_number(fails, monkeypatch):
    monkeypatch.setattr(groups, "has_group_behind", lambda *_: False)
    fails(
        parsing.test_a_damaged_cell_never_becomes_a_strangers_number,
        trap="a pair behind a grouped number",
    )


def test_a_click_on_stop_that_waits_for_the_cell(fails, monkeypatch):
    monkeypatch.setattr(live, "let_handlers_run_beside_cells", lambda _: None)
    fails(panels.test_the_stop_button_forgets_the_shell_that_last_used_it)


def test_the_vendors_names_that_are_not_known(fails, monkeypatch):
    monkeypatch.setattr(lookup_store_inputs, "_NAMES", {})
    fails(
        lookups.test_the_vendors_own_names_are_taken_in,
        ColumnNotFoundError,
        frame=pd.DataFrame({"phone": lookups.PHONES}),
    )


def test_a_lost_store_that_leaves_out_what_waits(fails, monkeypatch):
    real = files._lost
    monkeypatch.setattr(
        files, "_lost", lambda path, how, found: real(path.with_name("other"), how, found)
    )
    fails(stores.test_a_lost_store_names_the_answers_that_wait)


def test_books_that_mix_environments(fails, monkeypatch):
    monkeypatch.setattr(lookup_store, "within", lambda _: None)
    fails(
        lookups.test_books_show_the_settings_environment,
        frame=pd.DataFrame({"phone": lookups.PHONES}),
    )


def test_a_cap_that_buys_column_by_column(fails, monkeypatch):
    real = frames._distinct

    def by_column(cells):
        numbers, codes = real(cells)
        order = np.argsort(numbers)  # those of the first column are the lower ones
        place = np.argsort(order).astype(codes[0].dtype)
        return numbers[order], [place[code] for code in codes]

    monkeypatch.setattr(frames, "_distinct", by_column)
    fails(habits.test_a_cap_buys_two_columns_row_by_row)


def test_a_relatives_column_that_is_preselected(fails, monkeypatch):
    monkeypatch.setattr(choosing, "names_others", lambda _: False)
    fails(
        panels.test_the_customers_own_column_is_preselected_or_none,
        shares={"hp_darurat": 10},
        expected=None,
    )


def test_a_job_that_nobody_remembers(fails, monkeypatch):
    monkeypatch.setattr(job, "_remember_job", lambda _: None)
    fails(
        panels.test_jobs_lists_what_runs_and_can_stop_it,
        (*FAILURES, ValueError),
        frame=pd.DataFrame({"hp": [f"0811{i:07d}" for i in range(60)]}),
    )
