"""What is open and whether a run is over: one answer for plan, run, claims, report and exit code; the vendor's ledger judges."""

from __future__ import annotations

import asyncio
import threading
import warnings
from concurrent.futures import CancelledError
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive.__main__ import main
from pandas_numberactive._cli import tables
from pandas_numberactive._pandas import api, frames
from pandas_numberactive._pandas import lookup as single
from pandas_numberactive._purchase.purchase import LookupState
from pandas_numberactive._run import ending
from pandas_numberactive._run.report import verdict
from pandas_numberactive._run.run import Run
from pandas_numberactive._store import claims, runs, saves, workers
from pandas_numberactive._store.runs import RESUMABLE
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive.errors import IncompleteRunWarning
from pandas_numberactive.simulator import Faults

pytestmark = pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
HOUR = 3600 * 1_000_000


def book(count, first=0):
    return pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(first, first + count)]})  # made up


def enrich(frame, **options):
    return frame.numberactive.enrich("phone", progress=False, **options)


def script(vendor, **kinds):
    """Have the vendor fail as told: query of a number, by its place in the book."""
    vendor.faults = Faults(
        script={f"query:{8110000000 + int(at[1:])}": list(kind) for at, kind in kinds.items()}
    )


@pytest.fixture
def ready(on_either):
    """A vendor that answers at once, and no waiting for pending answers."""
    on_either(progress=False, poll_for=0)


@pytest.mark.parametrize(
    ("kind", "status"), [("pending", "pending"), ("code_free", "failed"), ("code", "uncertain")]
)
def test_a_refresh_with_one_left_open_goes_on(ready, vendor, kind, status):
    """Called again it asks for the one that is left, not for the whole book (A1)."""
    enrich(book(6))
    script(vendor, n3=[kind])
    out = enrich(book(6), refresh=True)
    assert out["phone_lookup_status"][3] == status
    assert pna.last_run().complete is False
    before = vendor.ledger.total
    out = enrich(book(6), refresh=True)
    assert set(out["phone_lookup_status"]) <= {"answered", "no_data"}
    assert vendor.ledger.total - before == 1
    assert pna.last_run().complete is True


def test_a_run_that_is_over_does_not_ask_to_call_again(ready, vendor):
    """One failed and was charged: the same refresh is another one, and buys everything again."""
    script(vendor, n3=["code_charged"])
    with pytest.warns(pna.errors.IncompleteRunWarning, match="is final: ask the vendor") as told:
        enrich(book(6), refresh=True)
    assert "Calling again" not in str(told[0].message)
    assert pna.last_run().complete is True
    enrich(book(6), refresh=True)
    assert vendor.ledger.total == 12


def test_a_refresh_that_is_over_is_followed_by_another(ready, vendor):
    for bought in (4, 8, 12):
        enrich(book(4), refresh=True)
        assert vendor.ledger.total == bought


def test_a_stop_behind_the_last_answer_is_no_stop(ready, vendor, monkeypatch):
    """Nothing is left: who calls until it is complete would buy the refresh once more."""
    real = Run._read_back

    async def stopped(run, *args):
        run.stop()
        return await real(run, *args)

    monkeypatch.setattr(Run, "_read_back", stopped)
    job = book(4).numberactive.start("phone", refresh=True)
    job.result()
    assert verdict(job.report) == "Complete: 4 bought"
    assert job.report.complete is True
    assert "stopped by" not in dict(job.report.lines())


def lookup_twice(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(single, "_found", dies)
        with pytest.raises(MemoryError):
            pna.lookup("08110000000", refresh=True)
    pna.lookup("08110000000", refresh=True)


def dies(*_, **__):
    raise MemoryError


def fronts():
    def awaited():
        return asyncio.run(book(4).numberactive.aenrich("phone", refresh=True))

    return {
        "enrich": lambda: enrich(book(4), refresh=True),
        "aenrich": awaited,
        "start": lambda: book(4).numberactive.start("phone", refresh=True).result(),
    }


@pytest.mark.parametrize("front", ["enrich", "aenrich", "start"])
def test_a_frame_that_cannot_be_built_ends_no_run(ready, vendor, monkeypatch, front):
    """The refresh is bought, its frame is not there: the same call buys nothing again (A2)."""
    call = fronts()[front]
    with monkeypatch.context() as patch:
        patch.setattr(frames, "attach", dies)
        with pytest.raises(MemoryError):
            call()
    assert vendor.ledger.total == 4
    call()
    assert vendor.ledger.total == 4
    call()  # that run is over
    assert vendor.ledger.total == 8


def test_a_lookup_that_reaches_nobody_is_not_bought_again(ready, vendor, monkeypatch):
    lookup_twice(monkeypatch)
    assert vendor.ledger.total == 1


def test_a_file_that_cannot_be_written_ends_no_run(ready, vendor, monkeypatch, tmp_path):
    """On the command line the result stands when the file has its name (A2)."""
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    book(3).to_csv(source, index=False)
    command = ["enrich", str(source), "--out", str(target), "--refresh"]

    def full(*_, **__):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tables, "write_table", full)
        assert main(command) == 2
    assert main(command) == 0
    assert vendor.ledger.total == 3
    assert main(command) == 0
    assert vendor.ledger.total == 6


def test_an_interrupt_after_the_last_answer_ends_no_run(ready, vendor, monkeypatch):
    """The result was there, but reached nobody."""
    real = pna._bridge.call

    def interrupted(*args, **options):
        real(*args, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pna._bridge, "call", interrupted)
        with pytest.raises(KeyboardInterrupt):
            enrich(book(3), refresh=True)
    enrich(book(3), refresh=True)
    assert vendor.ledger.total == 3


def leave_at_the_first_handle(monkeypatch, vendor):
    """Refresh, and leave the call as an interrupt does that outlasts the drain. Return the call."""
    going = []

    def left(work, **_):
        going.append(pna._bridge.submit(work))
        while not vendor.ledger.handles:
            pass
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pna._bridge, "call", left)
        with pytest.raises(KeyboardInterrupt):
            enrich(book(3), refresh=True)
    return going[0]


def test_a_run_whose_caller_left_first_can_end(ready, vendor, monkeypatch):
    """The call made again goes on with the run, and then it is over."""
    leave_at_the_first_handle(monkeypatch, vendor).result(30)
    for charged in (3, 6):
        enrich(book(3), refresh=True)
        assert vendor.ledger.total == charged


def test_a_call_made_again_takes_the_place_of_one_that_drains(ready, vendor, monkeypatch):
    """The first one's worker would keep the run from its end: the next refresh bought nothing."""
    vendor.latency = 0.3
    draining = leave_at_the_first_handle(monkeypatch, vendor)
    enrich(book(3), refresh=True)
    draining.result(30)
    assert vendor.ledger.total == 3
    enrich(book(3), refresh=True)
    assert vendor.ledger.total == 6


def test_a_call_that_nobody_waits_for_begins_no_run(ready, vendor):
    """It was left before it had begun: it would buy what nobody gets."""
    call = api._Call.of(book(3), "phone", {"refresh": True})
    call.run.abandon()
    with pytest.raises(CancelledError):
        pna._bridge.submit(call.run.go()).result(30)
    assert vendor.ledger.handles == 0


def awaited(work):
    return asyncio.run(work)


FRONTS = {
    "enrich": lambda: enrich(book(1), refresh=True),
    "aenrich": lambda: awaited(pna.aenrich(book(1), "phone", refresh=True)),
    "lookup": lambda: pna.lookup("08110000000", refresh=True),
    "alookup": lambda: awaited(pna.alookup("08110000000", refresh=True)),
}


@pytest.mark.parametrize("front", FRONTS)
def test_an_interrupt_before_the_frame_is_begun_leaves_the_run(ready, vendor, monkeypatch, front):
    """It came between the result and the block in which the frame is built."""

    def interrupted(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ending.Ending, "__enter__", interrupted)
        patch.setattr(ending.Ending, "__aenter__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            FRONTS[front]()
    for charged in (1, 2):
        FRONTS[front]()
        assert vendor.ledger.total == charged


@pytest.mark.parametrize("name", ["do", "close"])
def test_an_interrupt_of_the_runs_own_end_takes_it_back(ready, vendor, monkeypatch, name):
    """The run was ended, but its frame reached nobody: the same call buys nothing twice."""
    real = getattr(LookupStore, name)
    left = []

    def interrupted(store, *args, **options):
        done = real(store, *args, **options)
        ends = name == "close" or args[0] is workers.leave
        if ends and threading.current_thread() is threading.main_thread() and not left:
            left.append(name)
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patch:
        patch.setattr(LookupStore, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            enrich(book(3), refresh=True)
    assert left
    for charged in (3, 6):
        enrich(book(3), refresh=True)
        assert vendor.ledger.total == charged


@pytest.mark.parametrize("name", ["write", "close"])
def test_a_cancellation_of_the_runs_own_end_takes_it_back(ready, vendor, monkeypatch, name):
    """It comes while the end is written, or after it, where nothing is awaited any more."""
    real = getattr(LookupStore, name)

    def cancelled(store, *args, **options):
        done = real(store, *args, **options)
        mine = threading.current_thread() is threading.main_thread()
        if mine and name == "close":
            asyncio.current_task().cancel()
        if mine and args[:1] == (workers.leave,):
            asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)
        return done

    with monkeypatch.context() as patch:
        patch.setattr(LookupStore, name, cancelled)
        with pytest.raises(asyncio.CancelledError):
            awaited(pna.aenrich(book(3), "phone", refresh=True))
    for charged in (3, 6):
        enrich(book(3), refresh=True)
        assert vendor.ledger.total == charged


async def begun(store):
    return await store.write(
        runs.begin_run,
        key="k",
        environment="sandbox",
        now=store.now(),
        cap=None,
        price=None,
        currency="IDR",
        lives=store.lives,
    )


async def joins(store, row):
    worker = workers.new_worker()
    await store.write(workers.join, store.engine, worker, run=row.run, lease=60.0)
    return worker


async def joined(store):
    row = await begun(store)
    return row.run, await joins(store, row)


async def finished(store, run, worker):
    await store.write(workers.leave, store.engine, worker=worker, run=run, finished=True)


def test_a_dead_sibling_keeps_a_run_resumable(place):
    """Two kernels, one killed: its call, made again, is still the same run (A2)."""

    async def work():
        killed, other = LookupStore.open(place), LookupStore.open(place)
        run, _ = await joined(killed)
        same, worker = await joined(other)
        killed.close()
        await finished(other, same, worker)
        again, worker = await joined(other)
        await finished(other, again, worker)
        third, _ = await joined(other)
        other.close()
        return run == same == again, third == run

    assert asyncio.run(work()) == (True, False)


def test_a_killed_call_made_again_ends_its_run(place):
    """One call, killed and made again: the next one is another run."""

    async def work():
        killed, other = LookupStore.open(place), LookupStore.open(place)
        run, _ = await joined(killed)
        killed.close()
        again, worker = await joined(other)
        await finished(other, again, worker)
        third, _ = await joined(other)
        other.close()
        return run == again, third == run

    assert asyncio.run(work()) == (True, False)


def test_a_call_begins_its_run_as_a_worker_of_it(ready, vendor, monkeypatch):
    """A run without a worker could be ended, and forgotten, under the call that is about to join."""
    real = LookupStore.write
    alone = (
        "SELECT count(*) FROM runs WHERE ended_at IS NULL AND run NOT IN (SELECT run FROM workers)"
    )
    left = []

    async def write(store, work, *args, **terms):
        done = await real(store, work, *args, **terms)
        left.append((await real(store, lambda db: db.execute(alone).fetchone()))[0])
        return done

    monkeypatch.setattr(LookupStore, "write", write)
    enrich(book(2), refresh=True)
    assert vendor.ledger.total == 2
    assert set(left) == {0}


def test_a_clock_jump_makes_a_live_run_no_new_one(place, monkeypatch):
    """The process of one worker lives, whatever the clock says (C)."""

    async def work():
        living, other = LookupStore.open(place), LookupStore.open(place)
        run, _ = await joined(living)
        now = living.now() + RESUMABLE + HOUR
        monkeypatch.setattr(other.engine, "now", lambda: now)
        same, _ = await joined(other)
        living.close()
        other.close()
        later = LookupStore.open(place)
        monkeypatch.setattr(later.engine, "now", lambda: now + RESUMABLE + HOUR)
        another, _ = await joined(later)
        later.close()
        return run == same, another == run

    assert asyncio.run(work()) == (True, False)


@pytest.fixture
def later(monkeypatch):
    """Put the store's clock this many hours forward."""
    real = LookupStore.now

    def put(hours):
        monkeypatch.setattr(LookupStore, "now", lambda self: real(self) + round(hours * HOUR))

    return put


def test_a_runs_day_counts_from_its_last_call(ready, vendor, later):
    """However short that was: a call of 20 s prolonged its run, and this one did not."""
    script(vendor, n3=["code_free"] * 9)
    for hours in (0, 23, 24.5, 48):
        later(hours)
        enrich(book(6), refresh=True)
        assert vendor.ledger.total == 5


def test_a_run_is_prolonged_for_a_week_at_most(ready, vendor, later):
    """Else a nightly refresh with one number held would never buy again."""
    script(vendor, n3=["code_free"] * 99)
    for day in range(8):
        later(23 * day)
        enrich(book(6), refresh=True)
        assert vendor.ledger.total == 5
    for day in (8, 9):
        later(23 * day)
        enrich(book(6), refresh=True)
    assert vendor.ledger.total == 10


def test_a_call_without_room_prolongs_no_run(ready, vendor, later):
    """Else the same nightly call under a cap would never buy again."""
    for hours, charged in ((0, 2), (23, 2), (24.5, 4)):
        later(hours)
        enrich(book(6), max_charges=2)
        assert vendor.ledger.total == charged


@pytest.mark.parametrize("kind", ["pending", "code"])
def test_a_paid_answer_behind_an_older_one_is_fetched(ready, vendor, kind):
    """The newest generation is to do whatever answer stands behind it (A3)."""
    enrich(book(3))
    script(vendor, n1=[kind])
    enrich(book(3), refresh=True)
    plan = pna.plan(book(3), "phone")
    assert (plan.stored, plan.purchases) == (2, 1)
    calls = len(vendor.calls)
    out = enrich(book(3))
    asked = [step for _, step, _ in vendor.calls[calls:]]
    assert asked == ["query"]
    assert out["phone_looked_up_at"][1] >= out["phone_looked_up_at"][0]
    assert vendor.ledger.total == 6


def test_an_older_answer_serves_while_the_newer_one_is_pending(ready, vendor):
    enrich(book(2))
    script(vendor, n1=["pending"] * 9)
    enrich(book(2), refresh=True)
    out = enrich(book(2))
    assert out["phone_lookup_status"][1] in ("answered", "no_data")
    assert (pna.last_run().open, pna.last_run().complete) == (1, False)


@pytest.mark.parametrize("kind", ["pending", "code"])
def test_what_is_open_behind_an_older_answer_is_told(ready, vendor, kind):
    """Verdict, bill and warning say what `complete` says: a paid purchase is open."""
    enrich(book(2))
    script(vendor, n1=[kind] * 9)
    enrich(book(2), refresh=True)
    with pytest.warns(IncompleteRunWarning, match="^1 open behind an older answer of 2 .*Calling"):
        enrich(book(2))
    report = pna.last_run()
    assert (report.open, report.behind, report.complete) == (1, 1, False)
    assert verdict(report) == "Not finished: 1 open behind an older answer"
    assert "call again" in dict(report.lines())["open"]


def test_a_bill_tells_what_the_exit_code_tells(ready, vendor, tmp_path, capsys):
    """The table is full of older answers, and the command still ends with 3."""
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    book(2).to_csv(source, index=False)
    command = ["enrich", str(source), "--out", str(target)]
    assert main(command) == 0
    script(vendor, n1=["pending"] * 9)
    assert main([*command, "--refresh"]) == 3
    capsys.readouterr()
    assert main(command) == 3
    assert "Not finished: 1 open behind an older answer" in capsys.readouterr().out
    vendor.faults = Faults()
    assert main(command) == 0
    assert vendor.ledger.total == 4


def test_forgetting_refunds_no_cap(ready, vendor, quiet_incomplete):
    """The cap counts charges whose numbers were forgotten (A7)."""
    enrich(book(20), max_charges=8)
    with pna.LookupStore() as store:
        store.forget(book(8)["phone"])
    enrich(book(20), max_charges=10)
    assert vendor.ledger.total == 10
    enrich(book(20), max_charges=10)
    assert vendor.ledger.total == 10


def test_the_same_cap_within_the_day_buys_nothing_more(ready, vendor):
    enrich(book(9), max_charges=4)
    enrich(book(9), max_charges=4)
    report = pna.last_run()
    assert vendor.ledger.total == 4
    assert (report.capped, report.charged, report.run_charged, report.resumed) == (True, 0, 4, True)
    assert "the cap of 4 charges" in report.stopped_by


@pytest.mark.parametrize("kind", ["pending", "code"])
def test_a_cap_tells_what_the_same_call_would_do(ready, vendor, kind):
    """It said that the same call buys nothing more, and that call was charged twice."""
    script(vendor, n0=[kind], n1=[kind])
    said = "the same call goes on with 2 numbers, a higher cap with more"
    with pytest.warns(IncompleteRunWarning, match=said):
        enrich(book(6), max_charges=3)
    assert pna.last_run().goes_on_with == 2
    before = vendor.ledger.total
    enrich(book(6), max_charges=3)
    assert vendor.ledger.total - before == 2
    assert pna.last_run().goes_on_with == 0


def test_a_cap_that_others_used_up_offers_what_failed_free_to_a_higher_one(ready, vendor):
    """The places of free failures are given to others: the same call has none left for them."""
    script(vendor, n0=["code_free"], n1=["code_free"])
    with pytest.warns(IncompleteRunWarning, match="of 3 charges: a higher cap goes on with it"):
        enrich(book(6), max_charges=3)
    assert vendor.ledger.total == 3
    enrich(book(6), max_charges=3)
    assert vendor.ledger.total == 3


def test_a_cap_that_is_used_up_says_so(ready, vendor):
    script(vendor, n0=["code_charged"])
    with pytest.warns(IncompleteRunWarning, match="the same call buys nothing more today, a high"):
        enrich(book(6), max_charges=3)
    enrich(book(6), max_charges=3)
    assert vendor.ledger.total == 3


def test_a_command_tells_what_it_would_do_again(ready, vendor, tmp_path, capsys):
    source = tmp_path / "in.csv"
    book(6).to_csv(source, index=False)
    script(vendor, n0=["pending"], n1=["pending"])
    command = ["enrich", str(source), "--out", str(tmp_path / "out.csv"), "--max-charges", "3"]
    for said in ("goes on with 2 numbers; a higher", "buys nothing more today; a higher"):
        assert main(command) == 3
        assert f"The same command {said} --max-charges or --budget" in capsys.readouterr().err


@pytest.mark.parametrize("raised", [{"max_charges": 6}, {"budget": 3000}])
def test_a_raised_cap_goes_on_with_the_run(ready, vendor, raised):
    """It counts what the run has charged, whether the cap was a number or an amount."""
    enrich(book(9), max_charges=4)
    plan = pna.plan(book(9), "phone", **raised)
    assert (plan.run_charged, plan.purchases, plan.cost) == (4, 2, 1000.0)
    assert "goes on with run" in repr(plan)
    enrich(book(9), **raised)
    assert vendor.ledger.total == 6
    enrich(book(9))
    assert vendor.ledger.total == 9


@pytest.mark.parametrize(("earlier", "cap"), [({}, 2), ({"max_charges": 6}, 2), ({}, 0)])
def test_a_lowered_cap_holds_for_what_is_begun(ready, vendor, earlier, cap):
    """Open requestIds are asked within the cap alone, which is what the plan says."""
    script(vendor, **{f"n{at}": ["pending"] * 9 for at in range(8)})
    enrich(book(8), **earlier)
    vendor.faults = Faults()
    plan = pna.plan(book(8), "phone", max_charges=cap)
    assert (plan.purchases, plan.cost) == (cap, 500.0 * cap)
    for _ in range(2):
        enrich(book(8), max_charges=cap)
        assert vendor.ledger.total == cap
        assert pna.last_run().capped
    enrich(book(8))
    assert vendor.ledger.total == 8


@pytest.mark.parametrize("order", ["rows", "random"])
def test_a_free_failure_leaves_its_place_to_another(ready, vendor, order):
    """The first numbers failed free in each call, so that the cap bought nothing for days."""
    numbers = range(8_110_000_000, 8_110_000_010)
    if order == "random":
        numbers = np.random.default_rng(0).permutation(np.array(numbers))
    vendor.faults = Faults(script={f"query:{number}": ["code_free"] * 9 for number in numbers[:3]})
    for charged in (4, 0):
        enrich(book(10), max_charges=4, order=order)
        report = pna.last_run()
        assert (vendor.ledger.total, report.charged, report.run_charged) == (4, charged, 4)
        assert (report.failed, report.not_bought, report.capped) == (3, 3, True)


def test_a_budget_is_not_counted_at_two_prices(on_either, vendor):
    """At a lower price the same budget paid for 24 more charges, and 5,400 were spent of 3,000."""
    on_either(progress=False, unit_price=500.0)
    enrich(book(40), budget=3000)
    on_either(progress=False, unit_price=100.0)
    for ask in (pna.plan, pna.enrich):
        with pytest.raises(pna.errors.ConfigurationError, match="begun at IDR 500 a charge"):
            ask(book(40), "phone", budget=3000)
    assert vendor.ledger.total == 6
    enrich(book(40), max_charges=7)
    assert vendor.ledger.total == 7


def test_a_price_that_changed_in_a_run_is_told(on_either, vendor):
    """The books keep the run's first price: plan and bill say so, as their costs are at the new."""
    on_either(progress=False, unit_price=500.0)
    enrich(book(4), max_charges=2)
    assert "price in the books" not in dict(pna.last_run().lines())
    on_either(progress=False, unit_price=700.0)
    told = ("price in the books", "IDR 500 a charge, as the run was begun")
    assert told in pna.plan(book(4), "phone", max_charges=4).lines()
    enrich(book(4), max_charges=4)
    assert told in pna.last_run().lines()
    assert (pna.last_run().cost, pna.spend("run")["cost"].tolist()) == (1400.0, [2000.0])


def test_a_price_named_late_is_the_price_of_its_run(on_either, vendor):
    """The first call had none: the bill of the whole run is known from the second on."""
    on_either(progress=False, unit_price=None)
    enrich(book(9), max_charges=2)
    on_either(progress=False, unit_price=500.0)
    enrich(book(9), budget=1500)
    assert vendor.ledger.total == 3
    assert pna.spend("run")["cost"].tolist() == [1500.0]


def test_a_currency_named_late_is_that_of_its_price(on_either, vendor):
    """Three charges at USD 0.5 stood in the books as IDR 1.5."""
    on_either(progress=False, unit_price=None)
    enrich(book(9), max_charges=2)
    on_either(progress=False, unit_price=0.5, currency="USD")
    enrich(book(9), max_charges=3)
    spent = pna.spend("run")
    assert (spent["cost"].tolist(), spent["currency"].tolist()) == ([1.5], ["USD"])


def test_a_budget_is_not_counted_in_two_currencies(on_either, vendor):
    """The same price in another currency is another price."""
    on_either(progress=False, unit_price=500.0)
    enrich(book(9), budget=1000)
    on_either(progress=False, unit_price=500.0, currency="USD")
    for ask in (pna.plan, pna.enrich):
        with pytest.raises(pna.errors.ConfigurationError, match="begun at IDR 500 a charge"):
            ask(book(9), "phone", budget=3000)
    assert vendor.ledger.total == 2


def test_what_a_cap_holds_is_not_planned_again(ready, vendor):
    """A charge that is in doubt takes room: the plan says what the run then buys."""
    script(vendor, n2=["code"] * 50)
    enrich(book(9), max_charges=6)
    vendor.faults = Faults()
    with pna.LookupStore() as store:
        store.resolve("0811 0000002", "release")
    for cap, bought in ((6, 0), (7, 1), (9, 2)):
        plan = pna.plan(book(9), "phone", max_charges=cap)
        before = vendor.ledger.total
        enrich(book(9), max_charges=cap)
        assert (plan.purchases, vendor.ledger.total - before) == (bought, bought)


def test_the_cap_of_a_confirmation_buys_the_plan(on_either, vendor):
    """It counts what the same run was charged before, under the cap of an earlier call."""
    on_either(progress=False, confirm_above=3)
    enrich(book(10), max_charges=5)
    with pytest.raises(pna.errors.ConfirmationRequiredError, match=r"add max_charges=10 to"):
        enrich(book(10))
    enrich(book(10), max_charges=10)
    assert vendor.ledger.total == 10


def begun_as(db, worker, key):
    """A worker joins the run of a key, under a cap of one. Everybody else is taken for dead."""
    run = runs.begin_run(
        db, key=key, environment="sandbox", now=9, cap=1, price=None, currency="IDR"
    ).run
    place = {"worker": worker, "run": run, "pid": 1, "host": "h", "token": f"t{worker}"}
    runs.join(db, lease_until=HOUR, alive=lambda *_: False, **place)
    return claims.Work(
        environment="sandbox",
        run=run,
        worker=worker,
        cap=1,
        since=0,
        called_at=9,
        retry_failed=True,
        host="h",
        key="f",
        max_id_age=HOUR,
        alive=lambda *_: False,
    )


def test_a_new_generation_needs_room_under_the_cap(place):
    """An answer that its own run finds too old is one more charge."""

    def bought_again(db):
        work = begun_as(db, 1, "k")
        ((first, _),) = claims.claim(db, work, [8_110_000_000]).mine
        paid = first._replace(
            state=LookupState.ANSWERED, request_id="r1", charged=True, bought_at=9e-6
        )
        assert saves.save(db, paid, worker=1, run=work.run, now=9) == "kept"
        return claims.claim(db, replace(work, since=HOUR), [8_110_000_000])

    with LookupStore.open(place) as store:
        found = store.do(bought_again)
    assert found.mine == []
    assert found.over == [8_110_000_000]


def test_a_cap_counts_what_another_call_finished(ready, vendor):
    """Opened under the cap, charged in another call: the cap has no room for one more."""
    script(vendor, n0=["drop_after"] * 6)
    out = enrich(book(6), max_charges=3)
    assert out["phone_lookup_status"][0] == "uncertain"
    enrich(book(1))
    enrich(book(6), max_charges=3)
    assert vendor.ledger.total == 3


def test_a_purchase_that_came_back_counts_once(ready, vendor):
    """Another call went on with it meanwhile: it took two places under the cap."""
    script(vendor, n0=["pending"] * 9, n1=["pending"] * 9)
    enrich(book(3), max_charges=2)
    enrich(book(1))
    enrich(book(3), max_charges=3)
    plan = pna.plan(book(3), "phone", max_charges=3)
    assert (plan.run_charged, plan.purchases) == (0, 3)
    vendor.faults = Faults()
    enrich(book(3), max_charges=3)
    assert vendor.ledger.total == pna.last_run().run_charged == 3


def test_a_free_failure_in_another_call_gives_its_place_back(ready, vendor):
    """The cap counts what another call went on with, until that is known to be free."""
    script(vendor, n0=["pending", "code_free"])
    enrich(book(3), max_charges=1)
    enrich(book(1))
    assert pna.last_run().failed == 1
    assert pna.plan(book(3), "phone", max_charges=1).purchases == 1
    enrich(book(3), max_charges=1)
    assert vendor.ledger.total == 1
    enrich(book(3), max_charges=1)
    assert vendor.ledger.total == 1


@pytest.mark.parametrize("can_charge", [True, False])
def test_a_cap_counts_a_handle_that_another_call_holds(place, can_charge):
    """A vendor that charges at handle may have been paid before the requestId was on disk."""

    def taken_over(db):
        if can_charge:
            runs.set_flag(db, runs.handle_flag("sandbox"))
        first, second = begun_as(db, 1, "a"), begun_as(db, 2, "b")
        for work in (first, second):
            assert len(claims.claim(db, work, [8_110_000_000]).mine) == 1
        return runs.charged(db, first.run), runs.Spending(first.run).count(db)

    with LookupStore.open(place) as store:
        assert store.do(taken_over) == ((1, 1) if can_charge else (0, 0))


def test_what_is_asked_again_is_in_count_and_price(ready, vendor):
    """Held look-ups that the run asks again may be charged (first-day 3)."""
    script(vendor, n0=["code"], n1=["code"])
    enrich(book(2))
    vendor.faults = Faults()
    plan = pna.plan(book(5), "phone")
    assert (plan.held, plan.asked_again, plan.to_buy) == (2, 2, 3)
    assert (plan.purchases, plan.cost) == (5, 2500.0)
    before = vendor.ledger.total
    enrich(book(5))
    assert vendor.ledger.total - before == plan.purchases


def test_a_held_lookup_of_yesterday_is_in_no_price(ready, vendor, monkeypatch):
    script(vendor, n0=["code"])
    enrich(book(1))
    real = LookupStore.now
    monkeypatch.setattr(LookupStore, "now", lambda self: real(self) + RESUMABLE + 1)
    plan = pna.plan(book(1), "phone")
    assert (plan.held, plan.asked_again, plan.purchases) == (1, 0, 0)


def test_what_waits_for_a_person_asks_for_no_call(ready, vendor, monkeypatch, tmp_path, capsys):
    """Calling again does nothing for a requestId of yesterday."""
    script(vendor, n0=["code"])
    enrich(book(1))
    real = LookupStore.now
    monkeypatch.setattr(LookupStore, "now", lambda self: real(self) + RESUMABLE + 1)
    with pytest.warns(IncompleteRunWarning, match=r"^1 uncertain of 1 numbers. See .*held\(\)"):
        enrich(book(1))
    source = tmp_path / "in.csv"
    book(1).to_csv(source, index=False)
    assert main(["enrich", str(source), "--out", str(tmp_path / "out.csv")]) == 3
    assert "numberactive held" in capsys.readouterr().err


def test_failures_that_are_not_to_be_retried_warn_of_nothing(ready, vendor):
    script(vendor, n0=["code_free"])
    enrich(book(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        enrich(book(2), retry_failed=False)
    assert (pna.last_run().open, pna.last_run().goes_on_with) == (1, 0)


def test_a_plan_tells_what_an_interrupted_run_was_charged(ready, vendor, monkeypatch):
    """Plan and bill agree after an interrupted call (first-day 20)."""
    with monkeypatch.context() as patch:
        patch.setattr(frames, "attach", dies)
        with pytest.raises(MemoryError):
            enrich(book(9), max_charges=5)
    plan = pna.plan(book(9), "phone", max_charges=7)
    assert (plan.run_charged, plan.purchases) == (5, 2)
    enrich(book(9), max_charges=7)
    report = pna.last_run()
    assert (report.charged, report.run_charged) == (2, 7)
    assert np.array_equal(pna.spend(by="run")["charged"], [7])


def test_the_exit_code_says_whether_the_run_is_over(ready, vendor, tmp_path, capsys):
    """One left open is 3, and the same command goes on with it alone."""
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    book(4).to_csv(source, index=False)
    script(vendor, n2=["code_free"])
    command = ["enrich", str(source), "--out", str(target), "--refresh"]
    assert main(command) == 3
    assert "goes on where this ended" in capsys.readouterr().err
    before = vendor.ledger.total
    assert main(command) == 0
    assert vendor.ledger.total - before == 1
