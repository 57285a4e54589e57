"""Rare orders of events, each of which once paid twice, lost a paid answer or hid one; the vendor's ledger judges."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from contextlib import closing
from dataclasses import replace

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._run.lease import Lease
from pandas_numberactive._store import runs as store_runs
from pandas_numberactive._store import saves as store_saves
from pandas_numberactive._store.engines.sqlite import SQLiteEngine
from pandas_numberactive.errors import IncompleteRunWarning, StoreError, VendorError
from pandas_numberactive.simulator import Faults, Simulator
from tests.money.killloop import is_stopped

KEYS = {"app_key": "made-up-key", "secret": "made-up-secret"}


def book(count, first=0):
    return pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(first, first + count)]})  # made up


@pytest.fixture
def configured(tmp_path):
    """Configure the sandbox against a vendor's double, with a store in the test's folder."""

    def configure(vendor, **options):
        given = {"store": str(tmp_path / "s.sqlite3"), "progress": False, **KEYS, **options}
        return pna.configure(environment="sandbox", base_url=vendor.base_url, **given)

    return configure


def statuses(frame, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IncompleteRunWarning)
        return frame.numberactive.enrich("phone", **options)["phone_lookup_status"].tolist()


def events(tmp_path):
    with closing(sqlite3.connect(tmp_path / "s.sqlite3")) as db:
        return db.execute(
            "SELECT kind, number, request_id, charged FROM events ORDER BY id"
        ).fetchall()


def full(*_):
    raise sqlite3.OperationalError("database or disk is full")


class Breaking(Faults):
    """A store that fails for good from the moment that the vendor is asked this about that phone."""

    def __init__(self, step, phone, kind="ok"):
        super().__init__()
        self.step, self.phone, self.kind, self.broken = step, phone, kind, False

    def next(self, step, phone):
        self.broken = self.broken or (step, phone) == (self.step, self.phone)
        return self.kind

    def begin(self, real):
        def begun(engine):
            if self.broken:
                raise sqlite3.OperationalError("disk I/O error")
            return real(engine)

        return begun


def test_a_paid_answer_at_handle_that_the_store_cannot_take_is_kept_aside_and_its_mark_comes_back_with_it(
    configured, tmp_path, monkeypatch
):
    faults = Breaking("handle", "8110000000", "handle_200_data")
    with Simulator(stand_in=True, faults=faults, **KEYS) as vendor:
        configured(vendor)
        with monkeypatch.context() as patch:
            patch.setattr(SQLiteEngine, "begin", faults.begin(SQLiteEngine.begin))
            with pytest.raises(StoreError, match="disk I/O") as caught:
                book(1).numberactive.enrich("phone")
            assert any("waits in" in note for note in caught.value.__notes__)
        assert statuses(book(1)) in (["answered"], ["no_data"])
        assert vendor.ledger.total == 1
    with closing(sqlite3.connect(tmp_path / "s.sqlite3")) as db:
        assert db.execute("SELECT name FROM meta WHERE name LIKE 'handle%'").fetchall() == [
            ("handle_can_charge:sandbox",)
        ]


class LostOnceHandleIsKnownToCharge(Faults):
    """The second number's handle reply is charged, and lost after the first one's answer came."""

    def __init__(self):
        super().__init__()
        self.known = threading.Event()

    def next(self, step, phone):
        if phone != "8110000001":
            self.known.set()
            return "handle_200_data"
        return "lost"


def test_a_lookup_begun_before_handle_was_known_to_charge_is_held_when_its_reply_is_lost(
    configured, monkeypatch
):
    faults = LostOnceHandleIsKnownToCharge()
    with Simulator(stand_in=True, faults=faults, **KEYS) as vendor:
        after = vendor._after

        def lost(request, kind, body):
            if kind == "lost":
                vendor.ledger.charge("lost", "8110000001")
            return after(request, "drop_after" if kind == "lost" else kind, body)

        async def waits(request, kind):
            while kind == "lost" and not marked():
                await sleep(0.005)

        def marked():
            with closing(sqlite3.connect(given.store)) as db:
                return db.execute("SELECT 1 FROM meta WHERE name LIKE 'handle%'").fetchall()

        from asyncio import sleep

        monkeypatch.setattr(vendor, "_after", lost)
        monkeypatch.setattr(vendor, "_before", waits)
        given = configured(vendor)
        assert statuses(book(2))[1] == "uncertain"
        assert vendor.ledger.asked_phones()["8110000001"] == 1
        assert vendor.ledger.charged_phones()["8110000001"] == 1


def test_what_a_refresh_bought_counts_for_it_although_the_clock_was_set_back_meanwhile(
    configured, monkeypatch
):
    real = store_runs.begin_run

    def ahead(db, **options):  # as if the clock stood 5 s further when the run began
        row = real(db, **options)
        return replace(row, started_at=row.started_at + 5_000_000)

    with Simulator(stand_in=True, **KEYS) as vendor:
        configured(vendor)
        monkeypatch.setattr(store_runs, "begin_run", ahead)
        assert set(statuses(book(6), refresh=True)) <= {"answered", "no_data"}
        assert vendor.ledger.charged_phones() == {f"811000000{i}": 1 for i in range(6)}


SLEEPER = """
import os, signal, sys, threading
import pandas as pd, pandas_numberactive as pna
from pandas_numberactive._purchase.purchase import LookupState
from pandas_numberactive._store import saves
from pandas_numberactive._store.store import LookupStore
base, store = sys.argv[1:]
pna.configure(environment="sandbox", base_url=base, app_key="made-up-key", secret="made-up-secret", store=store,
              progress=False, lease=1)
awake = threading.Event()
signal.signal(signal.SIGCONT, lambda *_: awake.set())
real = LookupStore.write
async def write(self, work, *args, **options):
    kept = await real(self, work, *args, **options)
    if work is saves.save and args[0].state is LookupState.PENDING:
        os.kill(os.getpid(), signal.SIGSTOP)  # a laptop's lid, a paused machine
        awake.wait()  # the signal takes a moment
    return kept
LookupStore.write = write
print(pd.DataFrame({"phone": ["08110000000"]}).numberactive.enrich("phone")["phone_lookup_status"].tolist())
"""


@pytest.mark.skipif(
    not os.path.isdir("/proc/self"), reason="needs SIGSTOP and /proc: run it on Linux"
)
def test_a_process_that_slept_past_its_lease_asks_nothing_on_an_id_that_failed_free_meanwhile(
    configured, tmp_path
):
    with Simulator(stand_in=True, faults=Faults(script={"query": ["code_free"]}), **KEYS) as vendor:
        given = configured(vendor, lease=1)
        command = [sys.executable, "-c", SLEEPER, vendor.base_url, given.store]
        sleeper = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            while not is_stopped(sleeper.pid):
                time.sleep(0.005)
            slept = time.monotonic()
            with closing(sqlite3.connect(given.store)) as db:
                db.execute("UPDATE workers SET lease_until = 0")
                db.commit()
            assert statuses(book(1)) == ["failed"]
            assert statuses(book(1)) in (["answered"], ["no_data"])
            while time.monotonic() < slept + 1.05:  # its own lease must have run out, too
                time.sleep(0.01)
            os.kill(sleeper.pid, signal.SIGCONT)
            printed, _ = sleeper.communicate(timeout=30)
        finally:
            sleeper.kill()
            sleeper.communicate()
        assert printed.strip() in ("['answered']", "['no_data']")
        assert vendor.ledger.charged_phones() == {"8110000000": 1}
        assert [kind for kind, *_ in events(tmp_path)].count("late") == 0


def test_a_lease_that_lapsed_ends_its_term_even_when_it_is_renewed():
    now = [0.0, 1000.0]
    lease = Lease(60, (lambda: now[0], lambda: now[1]))
    assert not lease.holds(0)  # not begun
    lease.renewed(lease.now())
    term = lease.term
    assert lease.holds(term)
    now[0] += 1  # a machine asleep, for which this clock stood still
    now[1] += 61
    assert not lease.holds(term)
    lease.renewed(lease.now())
    assert not lease.holds(term)
    assert lease.holds(lease.term)
    now[0] += 59
    lease.renewed(lease.now())
    now[0] += 59
    assert lease.holds(lease.term)
    assert lease.term == term + 1  # renewed in time
    now[0] += 1
    assert not lease.holds(lease.term)


def test_a_renewal_that_was_begun_in_time_and_came_late_ends_the_term():
    now = [0.0]
    lease = Lease(60, (lambda: now[0],))
    lease.renewed(lease.now())
    term = lease.term
    now[0] = 59
    moment = lease.now()
    now[0] = 61  # in between nothing was held, and what was under way was cut short
    lease.renewed(moment)
    assert not lease.holds(term)
    assert lease.holds(lease.term)


class Lapsing:
    """`Lease.holds` that says no at its calls from the first to the last named."""

    def __init__(self, first, last):
        self.calls, self.first, self.last = 0, first, last

    def __call__(self, term):
        self.calls += 1
        return not self.first <= self.calls <= self.last


def test_while_the_lease_is_over_nothing_is_claimed(configured, tmp_path, monkeypatch):
    lapsing = Lapsing(1, 3)
    monkeypatch.setattr(Lease, "holds", lambda lease, term: lapsing(term))
    with Simulator(stand_in=True, **KEYS) as vendor:
        configured(vendor)
        assert "not_bought" not in statuses(book(5))
        assert lapsing.calls > 3
        assert [kind for kind, *_ in events(tmp_path)].count("released") == 0
        assert vendor.ledger.total == 5


def test_a_lapse_over_held_lookups_asks_their_own_ids_afterwards_and_ends_no_run(
    configured, monkeypatch
):
    with Simulator(
        stand_in=True, faults=Faults(script={"query": ["code"] * 5 + ["ok", "code"] * 30}), **KEYS
    ) as vendor:
        configured(vendor, max_concurrency=64, code_outcomes={11008: "failed"})
        first = statuses(book(40))
        assert first.count("uncertain") > 12
        vendor.faults = Faults()
        lapsing = Lapsing(2, 60)
        monkeypatch.setattr(Lease, "holds", lambda lease, term: lapsing(term))
        assert set(statuses(book(40))) <= {"answered", "no_data"}
        assert vendor.ledger.asked_phones() == {f"811{i:07d}": 1 for i in range(40)}
        assert vendor.ledger.charged_phones() == {f"811{i:07d}": 1 for i in range(40)}


def test_a_decision_by_hand_reads_what_waits_aside_first(configured, tmp_path, monkeypatch):
    with Simulator(stand_in=True, **KEYS) as vendor:
        configured(vendor)
        with monkeypatch.context() as patch:
            patch.setattr(store_saves, "_save_settled", full)
            with pytest.raises(StoreError):
                book(1).numberactive.enrich("phone")
        with pytest.raises(
            StoreError, match="can be resolved"
        ):  # its answer is there: nothing to release
            pna.LookupStore().resolve("08110000000", "release")
        assert pna.LookupStore().forget("08110000000") == 1
        assert not list((tmp_path / "s.sqlite3.rescue").glob("*"))
        assert int(pna.spend()["charged"].sum()) == vendor.ledger.total == 1


def test_an_answer_kept_aside_is_taken_in_although_its_lookup_was_released_by_hand(
    configured, tmp_path, monkeypatch
):
    with Simulator(stand_in=True, **KEYS) as vendor:
        configured(vendor)
        with monkeypatch.context() as patch:
            patch.setattr(store_saves, "_save_settled", full)
            with pytest.raises(StoreError):
                book(1).numberactive.enrich("phone")
        folder, away = tmp_path / "s.sqlite3.rescue", tmp_path / "away"
        folder.rename(away)  # as on another machine, which does not know of it
        pna.LookupStore().resolve("08110000000", "release")
        away.rename(folder)
        statuses(book(1, first=5))  # any run on this store reads back what waits
        assert not list((tmp_path / "s.sqlite3.rescue").glob("*"))
        with closing(sqlite3.connect(tmp_path / "s.sqlite3")) as db:
            assert db.execute(
                "SELECT count(body) FROM events WHERE number = 8110000000"
            ).fetchone() == (1,)
        assert int(pna.spend()["charged"].sum()) == vendor.ledger.total == 2


def test_a_collision_leaves_a_number_alone_that_has_another_id_by_now(
    configured, tmp_path, monkeypatch
):
    faults = Faults(script={"query": ["code_free"]})
    with Simulator(stand_in=True, faults=faults, **KEYS) as vendor:
        configured(vendor)
        ids, collided = ["A", "B", "A"], threading.Event()
        before = vendor._before

        async def slow(request, kind):
            from asyncio import sleep

            while b'"B"' in await request.read() and not collided.is_set():
                await sleep(0.005)
            return await before(request, kind)

        monkeypatch.setattr(vendor, "_before", slow)
        real_handle = vendor.faults.next

        def next_id(step, phone):
            if step == "handle":
                vendor._last_id = ids.pop(0)
                vendor._ids.pop(vendor._last_id, None)
                real_handle(step, phone)
                return "same_request_id"
            return real_handle(step, phone)

        monkeypatch.setattr(vendor.faults, "next", next_id)
        assert statuses(book(1)) == ["failed"]  # on A, free
        job = book(1).numberactive.start("phone")  # on B, which is slow
        while ids != ["A"]:
            time.sleep(0.005)
        with pytest.raises(VendorError, match="one requestId to two numbers"):
            book(1, first=1).numberactive.enrich("phone")
        collided.set()
        assert job.result()["phone_lookup_status"].tolist() in (["answered"], ["no_data"])
        assert [kind for kind, number, *_ in events(tmp_path) if number == 8110000000].count(
            "late"
        ) == 0
        assert pna.LookupStore().held()["reason"].tolist() == ["request_id_collision"]
        assert vendor.ledger.charged_phones() == {"8110000000": 1}


def test_a_store_that_fails_for_good_does_not_hide_where_the_paid_answer_waits(
    configured, monkeypatch
):
    faults = Breaking("query", "8110000002")
    with Simulator(stand_in=True, faults=faults, **KEYS) as vendor:
        configured(vendor, max_concurrency=1)
        with monkeypatch.context() as patch:
            patch.setattr(SQLiteEngine, "begin", faults.begin(SQLiteEngine.begin))
            with pytest.raises(StoreError, match="disk I/O") as caught:
                book(6).numberactive.enrich("phone", details=True)
        assert any("waits in" in note for note in caught.value.__notes__)
        assert len(caught.value.partial) == 6
        assert caught.value.report.bought == 2
        assert set(statuses(book(6))) <= {"answered", "no_data"}
        assert vendor.ledger.total == 6


@pytest.mark.parametrize("first", ["another's error", "stop"])
def test_whatever_ends_a_run_the_user_is_told_where_a_paid_answer_waits(
    configured, monkeypatch, first
):
    from asyncio import sleep

    faults = Breaking("", "")
    asked, ended, jobs = threading.Event(), threading.Event(), []

    async def wait_for(event):
        while not event.is_set():
            await sleep(0.005)

    with Simulator(stand_in=True, faults=faults, **KEYS) as vendor:
        configured(vendor, max_concurrency=2)
        before, begin = vendor._before, faults.begin(SQLiteEngine.begin)

        async def in_order(request, kind):
            """The first number's query, then the end of the run for another reason, then the paid answer."""
            if request.path.endswith("query"):
                asked.set()
                await wait_for(ended)
            elif b"8110000001" in await request.read():
                await wait_for(asked)
                faults.broken = True
                if first == "stop":
                    jobs[0].stop()
                    ended.set()
            return await before(request, kind)

        def begun(engine):
            try:
                return begin(engine)
            except sqlite3.OperationalError:
                ended.set()
                raise

        monkeypatch.setattr(vendor, "_before", in_order)
        with monkeypatch.context() as patch:
            patch.setattr(SQLiteEngine, "begin", begun)
            jobs.append(book(2).numberactive.start("phone"))
            with pytest.raises(StoreError, match="disk I/O") as caught:
                jobs[0].result()
        assert any("waits in" in note for note in caught.value.__notes__)
        assert set(statuses(book(2))) <= {"answered", "no_data"}
        assert vendor.ledger.total == 2


def test_a_paid_answer_outlives_an_error_that_no_store_foresees(configured, monkeypatch):
    real = store_saves.save

    def out_of_memory(db, lookup, **options):
        if lookup.bought_at:
            raise MemoryError
        return real(db, lookup, **options)

    with Simulator(stand_in=True, **KEYS) as vendor:
        configured(vendor)
        with monkeypatch.context() as patch:
            patch.setattr(store_saves, "save", out_of_memory)
            with pytest.raises(
                pna.errors.NumberActiveError, match="unexpected MemoryError"
            ) as caught:
                book(1).numberactive.enrich("phone")
        assert any("waits in" in note for note in caught.value.__notes__)
        asked = len(vendor.calls)
        assert statuses(book(1)) in (["answered"], ["no_data"])
        assert (len(vendor.calls), vendor.ledger.total) == (asked, 1)


KILLED = """
import os, sys
import pandas as pd, pandas_numberactive as pna
from pandas_numberactive._store import saves
from pandas_numberactive._store.store import LookupStore
base, store = sys.argv[1:]
pna.configure(environment="sandbox", base_url=base, app_key="made-up-key", secret="made-up-secret", store=store,
              progress=False, max_concurrency=1)
real, bought = LookupStore.write, []
async def write(self, work, *args, **options):
    kept = await real(self, work, *args, **options)
    bought.extend([1] * (work is saves.save and bool(args[0].bought_at)))
    if len(bought) == 2:
        os.kill(os.getpid(), 9)
    return kept
LookupStore.write = write
pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(12)]}).numberactive.enrich("phone", max_charges=4)
"""


def test_a_killed_call_keeps_its_cap_and_a_raised_one_goes_on(configured):
    """The same call under the same cap buys nothing more within the day."""
    with Simulator(stand_in=True, **KEYS) as vendor:
        given = configured(vendor)
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, vendor.base_url, given.store], check=False
        )
        assert killed.returncode == -signal.SIGKILL
        charged = []
        for cap in (4, 4, 7, 12):  # within the dead worker's lease
            statuses(book(12), max_charges=cap)
            charged.append((vendor.ledger.total, pna.last_run().resumed))
        assert charged == [(4, True), (4, True), (7, True), (12, True)]
        statuses(book(12), refresh=True, max_charges=12)  # that run is over: this is another
        assert (vendor.ledger.total, pna.last_run().resumed) == (24, False)
