"""A vendor that charges or answers at the first step, although its page says otherwise; its ledger judges."""

from __future__ import annotations

import contextlib

import pandas as pd
import pytest
from aiohttp import web

import pandas_numberactive as pna
from pandas_numberactive._purchase.flow import RetryPolicy
from pandas_numberactive._run.buyer import Buyer
from pandas_numberactive.simulator import Faults

pytestmark = pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
SKELETON = {"userPhone": None, "telcoType": 0, "activeLevel": "NA", "frequencyGrade": "NA"}


def book(count, first=0):
    return pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(first, first + count)]})  # made up


def enrich(frame, **options):
    return frame.numberactive.enrich("phone", details=True, overwrite=True, **options)


def known():
    """Whether the store has the mark of a vendor that answers or charges at handle."""
    with pna.LookupStore() as opened:
        sql = "SELECT 1 FROM meta WHERE name LIKE 'handle_can_charge%'"
        return bool(opened._store.do(lambda db: db.execute(sql).fetchall()))


@pytest.fixture
def ready(on_either, monkeypatch):
    monkeypatch.setattr(RetryPolicy, "delay", lambda *_: 0.0)
    on_either(progress=False, poll_for=0)


@pytest.fixture
def at_handle(vendor, monkeypatch):
    """Change what the vendor says at handle; `charges` has it paid there, and free at query."""
    real = vendor._after

    def say(charges, status=200, **changes):
        def after(request, kind, body):
            if request.path.endswith("handle"):
                if charges:
                    vendor.ledger.charge(body["requestId"], vendor._ids[body["requestId"]].phone)
                body = {**body, **changes}
                if status != 200:
                    return web.json_response(body, status=status)
            elif charges:
                body = {**body, "isFee": 0}
            return real(request, kind, body)

        monkeypatch.setattr(vendor, "_after", after)

    return say


def test_a_charge_at_handle_is_on_the_bill(ready, vendor, at_handle):
    """isFee 1 beside a requestId is a charge, whatever query says of its own (B7)."""
    at_handle(True, isFee=1)
    out = enrich(book(3))
    assert set(out["phone_lookup_status"]) <= {"answered", "no_data"}
    assert out["phone_charged"].tolist() == [True] * 3
    assert pna.last_run().charged == 3
    assert int(pna.spend()["charged"].sum()) == 3
    assert known()


def test_a_charge_at_handle_counts_under_the_cap(ready, vendor, at_handle):
    at_handle(True, isFee=1)
    enrich(book(6), max_charges=2)
    assert vendor.ledger.total == 2
    enrich(book(6), max_charges=2)
    assert vendor.ledger.total == 2


@pytest.mark.parametrize("code", [201, 11008])
def test_a_fee_at_handle_that_nobody_reads_counts(ready, vendor, at_handle, code):
    """isFee 2 is on no page: such a failure was paid again by each call, past its cap."""
    at_handle(True, isFee=2, code=code)
    for _ in range(2):
        enrich(book(6), max_charges=2)
    assert vendor.ledger.total == int(pna.spend()["charged"].sum()) == 2


def test_a_charge_at_handle_is_no_free_failure(ready, vendor, at_handle):
    """Query fails free, handle was paid: it is not asked again on its own."""
    at_handle(True, isFee=1)
    vendor.faults = Faults(script={"query": ["code_free"] * 2})
    enrich(book(2))
    enrich(book(2))
    assert len(vendor.ledger.asked_phones()) == 2
    assert set(vendor.ledger.asked_phones().values()) == {1}
    assert int(pna.spend()["charged"].sum()) == 2


@pytest.mark.parametrize("meaning", [None, "retry", "stop"])
def test_a_charge_under_any_code_at_handle_is_billed(ready, vendor, at_handle, meaning):
    """isFee 1 is final under a code that says stop or retry, too, and keeps its requestId."""
    if meaning is not None:
        pna.configure(code_outcomes={"handle": {11008: meaning}})
    at_handle(True, code=11008, isFee=1)
    for _ in range(2):
        with contextlib.suppress(pna.errors.VendorError):
            enrich(book(2), max_charges=2)
    assert vendor.ledger.total == int(pna.spend()["charged"].sum()) == 2
    assert known()
    invoice = pd.DataFrame({"requestId": [charge.request_id for charge in vendor.ledger.charges()]})
    with pna.LookupStore() as books:
        assert books.reconcile(invoice)["verdict"].tolist() == ["matched"] * 2


def test_a_charge_at_handle_is_billed_while_pending(ready, vendor, at_handle):
    """Once: in the call that opened it, not in the one that gets the answer."""
    at_handle(True, isFee=1)
    vendor.pending_times = 1
    enrich(book(2))
    assert (pna.last_run().charged, pna.last_run().pending) == (2, 2)
    assert int(pna.spend()["charged"].sum()) == 2
    enrich(book(2))
    assert (pna.last_run().charged, pna.last_run().bought) == (0, 2)
    assert int(pna.spend()["charged"].sum()) == 2


def test_an_answer_at_handle_keeps_its_request_id(ready, vendor, at_handle):
    """The invoice names it (A8)."""
    at_handle(True, code=200, data={**SKELETON, "telcoType": 1}, isFee=1)
    out = enrich(book(2))
    assert vendor.ledger.queries == 0
    invoice = pd.DataFrame({"requestId": out["phone_request_id"]})
    with pna.LookupStore() as books:
        compared = books.reconcile(invoice)
    assert compared["verdict"].tolist() == ["matched"] * 2
    assert known()


def test_answers_with_one_request_id_are_all_on_the_bill(ready, vendor, at_handle, monkeypatch):
    """The ledger counts a charge a requestId, so such a run stops, and no charge is merged.

    The later answers may be about the first number, so none of them is used.
    """
    monkeypatch.setattr(Buyer, "_note_request_id", lambda *_: None)  # as if others had opened it
    at_handle(True, code=200, requestId="0", data={**SKELETON, "telcoType": 1}, isFee=1)
    with pytest.raises(pna.errors.VendorError, match="one requestId to two numbers") as stopped:
        enrich(book(40))
    out = stopped.value.partial
    bought = out[out["phone_lookup_status"].isin(["answered", "quarantined"])]
    kept = bought[bought["phone_lookup_status"] == "quarantined"]
    assert 1 <= len(kept) == len(bought) - 1
    assert set(kept["phone_reason"]) == {"wrong_request_id"}
    assert kept["phone_telco_type"].isna().all()
    assert int(pna.spend()["charged"].sum()) == len(bought) == pna.last_run().charged < 40
    with pna.LookupStore() as books:
        assert books.reread()["changed"] == 0


def test_answers_with_one_request_id_are_used_once(ready, vendor, at_handle):
    """A later one is a lost reply of a vendor that charges at handle: it is held."""
    at_handle(True, code=200, requestId="0", data={**SKELETON, "telcoType": 1}, isFee=1)
    with pytest.raises(pna.errors.VendorError) as stopped:
        enrich(book(40))
    statuses = stopped.value.partial["phone_lookup_status"]
    assert statuses.eq("answered").sum() == 1
    assert set(statuses) <= {"answered", "quarantined", "uncertain", "not_bought"}
    assert vendor.ledger.charged_phones().most_common(1)[0][1] == 1


def test_a_request_id_beside_a_skeleton_is_pending(ready, vendor, at_handle):
    """A skeleton of NAs settles nothing: query has the answer (B8)."""
    at_handle(False, data=SKELETON)
    enrich(book(4))
    assert vendor.ledger.queries == 4
    assert pna.last_run().bought == 4
    assert not known()


def test_signals_beside_a_request_id_are_the_answer(ready, vendor, at_handle):
    data = {**SKELETON, "activeLevel": "high"}
    at_handle(False, data=data, isFee=1)
    out = enrich(book(2))
    assert out["phone_active_level"].tolist() == ["high"] * 2
    assert vendor.ledger.queries == 0


SOLD = [(500, 200), (503, 201), (200, 0), (200, "00"), (200, 202), (200, None), (401, 200)]


@pytest.mark.parametrize(("status", "code"), SOLD)
def test_signals_under_an_error_are_not_asked_again(ready, vendor, at_handle, status, code):
    """Each try was charged, and the bill said 0."""
    at_handle(True, status=status, code=code, data={**SKELETON, "activeLevel": "high"})
    for _ in range(3):
        with contextlib.suppress(pna.errors.VendorError):
            out = enrich(book(2))
    assert set(vendor.ledger.charged_phones().values()) == {1}
    assert int(pna.spend()["charged"].sum()) == vendor.ledger.total
    assert out["phone_lookup_status"].tolist() == ["failed"] * 2
    assert out["phone_charged"].isna().all()
    assert known()
    invoice = pd.DataFrame({"requestId": [charge.request_id for charge in vendor.ledger.charges()]})
    with pna.LookupStore() as books:
        assert books.reconcile(invoice)["verdict"].tolist() == ["matched"] * 2


def test_signals_under_an_error_status_are_kept_to_be_read(ready, vendor, at_handle):
    """The body is that of an answer, and a person may have it judged."""
    at_handle(True, status=500, code=200, data={**SKELETON, "activeLevel": "high"})
    enrich(book(2))
    with pna.LookupStore() as books:
        assert books.reread()["changed"] > 0
    assert enrich(book(2))["phone_active_level"].tolist() == ["high"] * 2


def test_a_skeleton_without_a_request_id_fails_free(ready, vendor, at_handle):
    """Nothing was sold: it is tried again in the next run."""
    at_handle(False, data=SKELETON, requestId=None)
    out = enrich(book(2))
    assert out["phone_lookup_status"].tolist() == ["failed"] * 2
    assert pna.last_run().charged == 0
    assert enrich(book(2))["phone_lookup_status"].tolist() == ["failed"] * 2
    assert len(vendor.calls) == 4


@pytest.mark.parametrize("later", ["code", "http_403"])
def test_a_lost_handle_is_known_after_a_later_code(ready, vendor, monkeypatch, later):
    """The reply to a paid handle was lost; the code of a retry does not undo that (A6)."""
    real, first = vendor._after, "8110000000"

    def charged(request, kind, body):
        if kind == "drop_after":
            vendor.ledger.charge(body["requestId"], first)
        return real(request, kind, body)

    monkeypatch.setattr(vendor, "_after", charged)
    vendor.faults = Faults(script={f"handle:{first}": ["drop_after", later]})
    try:
        enrich(book(1))
    except pna.errors.VendorError:
        assert later == "http_403"
    vendor.faults = Faults(script={"handle": ["handle_200_data"] * 9})
    enrich(book(1, first=1))  # now the vendor is known to charge at handle
    assert enrich(book(1))["phone_lookup_status"].tolist() == ["uncertain"]
    assert vendor.ledger.charged_phones() == {first: 1, "8110000001": 1}
