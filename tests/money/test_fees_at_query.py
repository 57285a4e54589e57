"""A vendor that says isFee 1 before its last word on a requestId; its ledger judges."""

from __future__ import annotations

import contextlib
import threading

import pandas as pd
import pytest
from aiohttp import web

import pandas_numberactive as pna
from pandas_numberactive._purchase.flow import RetryPolicy
from tests.money.test_answers_at_handle import book, enrich, known

pytestmark = pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
PENDING = {"code": 201, "msg": "need query", "data": None, "isFee": 1}
BUSY = {"code": 777, "msg": "busy", "data": None, "isFee": 1}
EARLY = {  # the first reply to a requestId, all with isFee 1: its changes, its status, code_outcomes
    "201": (PENDING, 200, None),
    "http_500": (PENDING, 500, None),
    "http_401": (PENDING, 401, None),
    "no_code": ({**PENDING, "code": None}, 200, None),
    "retry": (BUSY, 200, {"query": {777: "retry"}}),
    "pending": (BUSY, 200, {"query": {777: "pending"}}),
}
REFUSED = {"code": 11008, "msg": "x", "data": None, "isFee": 0}
ANSWERED = {"isFee": 0}


@pytest.fixture
def ready(on_either, monkeypatch):
    """Configure a sandbox that polls without waiting."""
    monkeypatch.setattr(RetryPolicy, "delay", lambda *_: 0.0)
    monkeypatch.setattr(RetryPolicy, "poll_delay", lambda *_: 0.0)
    on_either(progress=False)


@pytest.fixture
def at_query(vendor, monkeypatch):
    """Have each requestId charged at its first query, under `early`, and free from the second on."""
    real, seen = vendor._after, set()

    def say(early, later, status=200):
        def after(request, kind, body):
            if request.path.endswith("handle"):
                return real(request, kind, body)
            request_id = vendor.calls[-1][2]
            if request_id in seen:
                return real(request, kind, {**body, **later})
            seen.add(request_id)
            body = {**body, **early}
            return (
                web.json_response(body, status=status)
                if status != 200
                else real(request, kind, body)
            )

        monkeypatch.setattr(vendor, "_after", after)

    return say


def billed():
    return int(pna.spend()["charged"].sum())


@pytest.mark.parametrize("later", [REFUSED, ANSWERED], ids=["refused", "answered"])
@pytest.mark.parametrize("early", EARLY)
def test_a_fee_seen_at_query_stands(ready, vendor, at_query, early, later):
    """A later isFee 0 of the same requestId does not undo it, in this call or in the next."""
    changes, status, codes = EARLY[early]
    if codes is not None:
        pna.configure(code_outcomes=codes)
    at_query(changes, later, status)
    for _ in range(3):
        with contextlib.suppress(pna.errors.VendorError):
            out = enrich(book(1))
    assert vendor.ledger.charged_phones() == {"8110000000": 1}
    assert vendor.ledger.asked_phones() == {"8110000000": 1}
    assert out["phone_charged"].tolist() == [True]
    assert billed() == 1
    assert not known()


def test_a_fee_seen_at_query_counts_under_the_cap(ready, vendor, at_query):
    at_query(PENDING, REFUSED)
    for _ in range(3):
        enrich(book(6), max_charges=2)
    assert vendor.ledger.total == billed() == 2


def test_a_fee_of_a_pending_answer_is_billed_once(ready, vendor, at_query):
    """In the call that heard of it, not in the one that gets the answer."""
    pna.configure(poll_for=0)
    at_query(PENDING, REFUSED)
    out = enrich(book(4))
    assert out["phone_lookup_status"].tolist() == ["pending"] * 4
    assert set(out["phone_reason"]) == {"charged_at_query"}
    assert pna.last_run().charged == billed() == 4
    assert enrich(book(4))["phone_lookup_status"].tolist() == ["failed"] * 4
    assert pna.last_run().charged == 0
    assert vendor.ledger.total == billed() == 4
    invoice = pd.DataFrame({"requestId": [charge.request_id for charge in vendor.ledger.charges()]})
    with pna.LookupStore() as books:
        assert books.reconcile(invoice)["verdict"].tolist() == ["matched"] * 4


def test_many_that_are_paid_and_pending_wait_for_no_place(ready, vendor, at_query):
    """Before the first good answer five are asked at once, each of which keeps its place."""
    at_query(PENDING, {})
    ended = threading.Event()
    job = book(12).numberactive.start("phone")
    threading.Thread(target=lambda: (job.result(), ended.set()), daemon=True).start()
    assert ended.wait(20)
    assert vendor.ledger.total == billed() == 12
