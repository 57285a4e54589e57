"""Two calls at once, a store under two names, and endings that hid what they should tell; the vendor's ledger judges."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
import warnings
from asyncio import sleep
from contextlib import closing
from pathlib import Path

import pytest

import pandas_numberactive as pna
from pandas_numberactive._run import run as batch
from pandas_numberactive._store import saves as store_saves
from pandas_numberactive._store import workers
from pandas_numberactive._store.rescue import Rescue
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive.errors import NumberActiveError, StoreError
from pandas_numberactive.simulator import Faults, Simulator
from tests.money.test_rare_orders import KEYS, book, configured, full, statuses  # noqa: F401 - a fixture

pytestmark = pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")


class Held:
    """Of one coroutine's calls the first waits for the second, and the second until it is let go."""

    def __init__(self, owner, name, monkeypatch, only=lambda *_: True):
        self.calls, self.go, real = 0, threading.Event(), getattr(owner, name)

        async def held(*args, **options):
            if not only(*args):
                return await real(*args, **options)
            self.calls += 1
            mine = self.calls
            while self.calls < 2 or (mine == 2 and not self.go.is_set()):
                await sleep(0.005)
            return await real(*args, **options)

        monkeypatch.setattr(owner, name, held)

    def reached(self, calls):
        while self.calls < calls:
            time.sleep(0.005)


def test_a_refresh_that_read_before_another_ended_buys_nothing_twice(configured, monkeypatch):  # noqa: F811
    with Simulator(stand_in=True, **KEYS) as vendor:
        configured(vendor)
        statuses(book(3))
        held = Held(batch.Run, "_begin", monkeypatch)
        first = book(3).numberactive.start("phone", refresh=True)
        held.reached(1)
        second = book(3).numberactive.start("phone", refresh=True)
        held.reached(2)
        first.result()
        held.go.set()
        second.result()
        assert vendor.ledger.total == 6


def test_a_run_that_ends_under_one_who_joins_it_keeps_its_cap(configured, monkeypatch):  # noqa: F811
    with Simulator(
        stand_in=True, faults=Faults(script={"query": ["code_free"] * 3}), **KEYS
    ) as vendor:
        configured(vendor, max_concurrency=1)
        held = Held(LookupStore, "write", monkeypatch, lambda _, work, *__: work is workers.begin)
        first = book(3).numberactive.start("phone", max_charges=2)
        held.reached(1)
        second = book(3).numberactive.start("phone", max_charges=2)
        held.reached(2)
        first.result()  # every look-up failed without charge
        assert vendor.ledger.total == 0
        vendor.latency = 0.05
        held.go.set()
        while vendor.ledger.total < 1:
            time.sleep(0.005)
        second.stop()
        second.result()
        vendor.latency = 0
        statuses(book(3), max_charges=2)
        assert vendor.ledger.total <= 2


@pytest.mark.skipif(os.name == "nt", reason="a link needs rights there")
def test_a_store_under_two_names_is_one_store_with_one_list_of_the_living(configured, tmp_path):  # noqa: F811
    faults = Faults(script={"handle": ["handle_200_data"] * 20})
    with Simulator(stand_in=True, latency=0.3, faults=faults, **KEYS) as vendor:
        given = configured(vendor)
        pna.LookupStore().close()
        (tmp_path / "other").mkdir()
        link = tmp_path / "other" / "link.sqlite3"
        link.symlink_to(given.store)
        first = book(4).numberactive.start("phone")
        while len(vendor.ledger.asked_phones()) + len(vendor.calls) == 0:
            time.sleep(0.005)
        with pna.override(store=str(link)):
            second = book(4).numberactive.start("phone")
        assert (
            first.result()["phone_lookup_status"].tolist()
            == second.result()["phone_lookup_status"].tolist()
        )
        assert set(vendor.ledger.charged_phones().values()) == {1}


@pytest.mark.skipif(os.name == "nt", reason="rights are others there")
def test_a_file_that_others_could_read_is_closed_to_them(configured, tmp_path):  # noqa: F811
    with Simulator(stand_in=True, **KEYS) as vendor:
        given = configured(vendor)
        statuses(book(1))
        restored = Path(shutil.copyfile(given.store, tmp_path / "restored.sqlite3"))
        restored.chmod(0o644)
        configured(vendor, store=str(restored))
        assert statuses(book(1))
        assert restored.stat().st_mode & 0o077 == 0
        assert vendor.ledger.total == 1


def test_what_is_forgotten_is_in_no_digest_of_an_ended_run(configured):  # noqa: F811
    with Simulator(stand_in=True, **KEYS) as vendor:
        given = configured(vendor)
        pna.lookup("08110000003")
        with pna.LookupStore() as store:
            assert store.forget("08110000003") == 1
        with closing(sqlite3.connect(given.store)) as db:
            assert db.execute("SELECT key FROM runs").fetchall() == [("",)]


async def out_of_memory(*_, **__):
    raise MemoryError


def out_of_memory_in_a_write(*_, **__):
    raise MemoryError


@pytest.mark.parametrize("later", ["read", "details", "leave"])
def test_what_fails_later_hides_neither_the_error_nor_where_the_answer_waits(
    configured,  # noqa: F811
    monkeypatch,
    later,
):
    with Simulator(stand_in=True, **KEYS) as vendor:
        configured(vendor)
        real = LookupStore.read
        calls = []

        async def second_fails(*args, **options):
            calls.append(1)
            return await (real if len(calls) == 1 else out_of_memory)(*args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(store_saves, "_save_settled", full)
            if later == "leave":
                patch.setattr(workers, "leave", out_of_memory_in_a_write)
            else:
                fails = second_fails if later == "read" else out_of_memory
                patch.setattr(LookupStore, later, fails)
            with pytest.raises(StoreError, match="full") as caught:
                book(1).numberactive.enrich("phone", details=True)
        assert any("waits in" in note for note in caught.value.__notes__)
        assert len(caught.value.partial) == 1
        statuses(book(1))
        assert vendor.ledger.total == 1


def test_a_warning_made_an_error_does_not_hide_what_ended_the_run(configured, monkeypatch):  # noqa: F811
    with Simulator(
        stand_in=True, faults=Faults(script={"8110000000": ["ok", "unknown_value"]}), **KEYS
    ) as vendor:
        configured(vendor, max_concurrency=1)
        real = store_saves._save_settled

        def second_fails(db, lookup, *args):
            return full() if lookup.number == 8110000001 else real(db, lookup, *args)

        with monkeypatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("error")
            patch.setattr(store_saves, "_save_settled", second_fails)
            with pytest.raises(StoreError, match="full") as caught:
                book(2).numberactive.enrich("phone")
        assert any("waits in" in note for note in caught.value.__notes__)


def test_an_answer_that_is_kept_nowhere_is_told_so(configured, monkeypatch):  # noqa: F811
    def no_place(*_):
        raise OSError("full")

    with Simulator(
        stand_in=True, faults=Faults(script={"handle": ["handle_200_data"]}), **KEYS
    ) as vendor:
        configured(vendor)
        monkeypatch.setattr(store_saves, "_save_settled", full)
        monkeypatch.setattr(Rescue, "_write", no_place)
        with pytest.raises(NumberActiveError) as caught:
            book(1, first=1).numberactive.enrich("phone")
        assert any("which may pay again" in note for note in caught.value.__notes__)
