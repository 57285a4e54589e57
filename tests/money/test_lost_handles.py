"""Handles whose reply nobody read, of a vendor that answers and charges at handle: known from then on, never asked again.

The vendor's ledger judges; each of these once paid twice.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from asyncio import sleep

import pytest

import pandas_numberactive as pna
from pandas_numberactive._purchase.flow import LostHandle, RetryPolicy
from pandas_numberactive._vendor.protocol import Reply
from pandas_numberactive._vendor.verdicts import judge_handle
from pandas_numberactive.simulator import Faults, Simulator
from tests.money.test_rare_orders import KEYS, book, configured, statuses  # noqa: F401 - a fixture

pytestmark = pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
A, B = "8110000000", "8110000001"


@pytest.mark.parametrize(("status", "after"), [(502, 1.0), (504, 1.0), (504, None), (500, 1.0)])
def test_a_gateway_loses_a_handle_with_retry_after_too(status, after):
    """Of a 504 the outcome is unknown, whatever header stands beside it."""
    reply = Reply(status, retry_after=after)
    assert LostHandle().after(judge_handle(reply, int(A)), reply).reason == f"http_{status}"


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_with_retry_after_loses_nothing(status):
    reply = Reply(status, retry_after=1.0)
    assert LostHandle().after(judge_handle(reply, int(A)), reply).reason is None


class ChargesAtHandle(Faults):
    """Answers and charges at handle; the first replies of A go as told, charged or not."""

    def __init__(self, *kinds):
        super().__init__()
        self.kinds = list(kinds)

    def next(self, step, phone):
        return self.kinds.pop(0) if self.kinds and phone == A else "handle_200_data"


def known(store):
    """Whether the store has the mark; a store that is not there yet has none."""
    with pna.LookupStore(store) as opened:
        return opened._store.do(
            lambda db: db.execute("SELECT 1 FROM meta WHERE name LIKE 'handle%'").fetchall()
        )


def charging(vendor, monkeypatch, seconds=60.0):
    """Kinds that begin with "paid_" are charged before they go wrong; B's answer waits until A's reply was missed."""
    real_after, real_before, missed = vendor._after, vendor._before, threading.Event()

    def charged(request, kind, body):
        if kind.startswith("paid_"):
            vendor.ledger.charge(body["requestId"], A)
        return real_after(request, kind.removeprefix("paid_"), body)

    async def in_order(request, kind):
        while B.encode() in await request.read() and not missed.is_set():
            await sleep(0.005)
        return await real_before(request, kind)

    def delay(*_):
        missed.set()
        return seconds

    monkeypatch.setattr(vendor, "_after", charged)
    monkeypatch.setattr(vendor, "_before", in_order)
    monkeypatch.setattr(RetryPolicy, "delay", delay)
    return missed


@pytest.mark.parametrize("lost", ["paid_drop_after", "paid_http_500_after"])
def test_a_reply_lost_before_the_vendor_is_known_is_not_asked_for_again_after(
    configured,  # noqa: F811
    monkeypatch,
    lost,
):
    with Simulator(stand_in=True, faults=ChargesAtHandle(lost), **KEYS) as vendor:
        charging(vendor, monkeypatch)
        given = configured(vendor)

        async def until_known(seconds):
            while seconds and not known(given.store):
                await sleep(0.005)

        monkeypatch.setattr("pandas_numberactive._purchase.drive.nap", waits_for(until_known))
        assert statuses(book(2))[0] == "uncertain"
        assert vendor.ledger.charged_phones() == {A: 1, B: 1}


def waits_for(what):
    async def nap(seconds, _sleep, stopping):
        await what(seconds)
        return not stopping()

    return nap


def test_a_stop_in_the_back_off_forgets_no_handle(configured, monkeypatch):  # noqa: F811
    with Simulator(stand_in=True, faults=ChargesAtHandle("paid_drop_after"), **KEYS) as vendor:
        charging(vendor, monkeypatch)
        given = configured(vendor)
        job = book(2).numberactive.start("phone")
        while not known(given.store):
            time.sleep(0.01)
        job.stop()
        job.result()
        assert statuses(book(2))[0] == "uncertain"
        assert vendor.ledger.charged_phones() == {A: 1, B: 1}


def test_a_stop_before_the_vendor_is_known_leaves_the_handle_begun(configured, monkeypatch):  # noqa: F811
    with Simulator(stand_in=True, faults=ChargesAtHandle("paid_drop_after"), **KEYS) as vendor:
        missed = charging(vendor, monkeypatch)
        configured(vendor)
        job = book(1).numberactive.start("phone")
        assert missed.wait(60)
        job.stop()
        job.result()
        statuses(book(1, first=1))  # now it is known
        assert statuses(book(1)) == ["uncertain"]
        assert vendor.ledger.charged_phones() == {A: 1, B: 1}


@pytest.mark.parametrize(
    "last", ["drop_after", "http_500_after", "truncated", "throttle_no_header"]
)
def test_attempts_used_up_by_lost_replies_are_known_to_the_next_run(configured, monkeypatch, last):  # noqa: F811
    with Simulator(
        stand_in=True, faults=ChargesAtHandle("paid_drop_after", *[last] * 3), **KEYS
    ) as vendor:
        charging(vendor, monkeypatch, seconds=0.0)
        configured(vendor)
        assert statuses(book(1)) == ["failed"]  # the vendor is not known yet
        statuses(book(1, first=1))  # now it is
        assert statuses(book(1)) == ["uncertain"]
        assert vendor.ledger.charged_phones() == {A: 1, B: 1}


KILLED = """
import sys, os
import pandas as pd, pandas_numberactive as pna
from pandas_numberactive._vendor.client import Client
base, store = sys.argv[1:]
pna.configure(environment="sandbox", base_url=base, app_key="made-up-key", secret="made-up-secret", store=store,
              progress=False, max_concurrency=5)
def dies(self, raw):
    os.kill(os.getpid(), 9)
Client._reply = dies
pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(5)]}).numberactive.enrich("phone")
"""


@pytest.mark.parametrize("stop", [False, True])
def test_what_waits_for_its_turn_hears_that_the_vendor_charges_at_handle(configured, stop):  # noqa: F811
    with Simulator(stand_in=True, faults=ChargesAtHandle(), **KEYS) as vendor:
        given = configured(vendor, max_rate=2, max_concurrency=5)
        subprocess.run(
            [sys.executable, "-c", KILLED, vendor.base_url, given.store], check=False, timeout=60
        )
        while len(vendor.ledger.charged_phones()) < len(vendor.ledger.asked_phones()):
            time.sleep(0.01)
        begun = vendor.ledger.charged_phones()
        if stop:
            job = book(5).numberactive.start("phone")
            while not known(given.store):
                time.sleep(0.01)
            job.stop()
            job.result()
        statuses(book(5))
        again = [phone for phone, count in vendor.ledger.charged_phones().items() if count > 1]
        assert begun
        assert len(again) <= 1  # the first of them: nobody could know
