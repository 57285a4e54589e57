"""A reply to one number reaches another: a second, late copy on a kept-alive connection, or a mix-up."""

from __future__ import annotations

import pytest

import pandas_numberactive as pna
from pandas_numberactive._purchase.flow import RetryPolicy
from tests.money.test_answers_at_handle import book, enrich, known

pytestmark = pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
SIGNALS = {"telcoType": 2, "activeLevel": "high", "frequencyGrade": "low"}
STRAYS = {  # what the stray reply says beside the requestId of its own number
    "named": {"data": {"userPhone": "628110000000", **SIGNALS}},
    "nameless": {"data": SIGNALS},
    "empty": {"data": None},
    "refused": {"code": 11008, "data": None, "isFee": 0},
}


@pytest.fixture
def ready(on_either, monkeypatch):
    """Configure a sandbox that asks one number after the other, without waiting."""
    monkeypatch.setattr(RetryPolicy, "delay", lambda *_: 0.0)
    on_either(progress=False, max_concurrency=1)


@pytest.fixture
def stray(vendor, monkeypatch):
    """Have the reply to the first number's query come again, as the replies to a later number."""
    real, first, hit, times = vendor._after, {}, {}, [0]

    def say(step, changes, most=1):
        def after(request, kind, body):
            _, asked, value = vendor.calls[-1]
            if asked == "query":
                first.setdefault("reply", {**body, "requestId": value})
                first.setdefault("id", value)
            phone = vendor._ids[value].phone if asked == "query" else value
            own = vendor._ids[first["id"]].phone if first else phone
            if asked == step and phone != own and hit.setdefault("phone", phone) == phone:
                times[0] += 1
                body = {**first["reply"], **changes} if times[0] <= most else body
            return real(request, kind, body)

        monkeypatch.setattr(vendor, "_after", after)

    return say


def signals(frame):
    return frame[["phone_telco_type", "phone_active_level", "phone_frequency_grade"]].astype(object)


@pytest.mark.parametrize("step", ["handle", "query"])
@pytest.mark.parametrize("reply", STRAYS)
def test_a_reply_with_anothers_request_id_is_lost(ready, vendor, stray, step, reply):
    """Its number is asked again, which costs nothing, and gets its own answer."""
    stray(step, STRAYS[reply])
    out = enrich(book(6))
    assert set(out["phone_lookup_status"]) <= {"answered", "no_data"}
    assert set(vendor.ledger.charged_phones().values()) == {1}
    assert int(pna.spend()["charged"].sum()) == vendor.ledger.total == 6
    assert not known()
    again = enrich(book(6), refresh=True)
    assert signals(out).equals(signals(again))


def test_a_number_that_gets_only_anothers_replies_is_held(ready, vendor, stray):
    stray("query", STRAYS["nameless"], most=6)
    out = enrich(book(6))
    held = out[out["phone_lookup_status"] == "uncertain"]
    assert held["phone_reason"].tolist() == ["wrong_request_id"]
    assert set(enrich(book(6))["phone_lookup_status"]) <= {"answered", "no_data"}
    assert set(vendor.ledger.charged_phones().values()) == {1}
    assert set(vendor.ledger.asked_phones().values()) == {1}
