"""Stored bodies judged again: after an upgrade, or once a code has a meaning."""

from __future__ import annotations

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._vendor import protocol
from pandas_numberactive.simulator import Faults

BOOK = pd.DataFrame({"phone": ["08110000001", "08110000002"]})  # made up


def reread():
    with pna.LookupStore() as store:
        return store.reread()


def test_a_level_that_is_known_now_is_read(on_either, vendor, monkeypatch):
    """Paid once, unreadable then: the stored body has it (B1)."""
    on_either(progress=False)
    vendor.faults = Faults(script={"query": ["unknown_value"] * 2})
    with pytest.warns(pna.errors.UnknownValueWarning):
        out = BOOK.numberactive.enrich("phone")
    assert out["phone_active_level"].isna().all()
    assert reread() == {"read": 2, "changed": 0}
    monkeypatch.setattr(
        protocol,
        "_level",
        lambda value: 3 if value == "very_high" else protocol.LEVELS.index(value) + 1,
    )
    assert reread() == {"read": 2, "changed": 2}
    out = BOOK.numberactive.enrich("phone", overwrite=True, details=True)
    assert out["phone_active_level"].tolist() == ["high"] * 2
    assert out["phone_charged"].tolist() == [True] * 2
    assert vendor.ledger.total == 2


def test_a_code_that_means_no_data_settles_charged_failures(on_either, vendor, quiet_incomplete):
    on_either(progress=False)
    vendor.faults = Faults(script={"query": ["code_charged"] * 2})
    assert BOOK.numberactive.enrich("phone")["phone_lookup_status"].tolist() == ["failed"] * 2
    pna.configure(code_outcomes={"query": {11008: "no_data"}})
    assert reread() == {"read": 2, "changed": 2}
    out = BOOK.numberactive.enrich("phone", overwrite=True)
    assert out["phone_lookup_status"].tolist() == ["no_data"] * 2
    assert vendor.ledger.total == 2


def test_what_a_person_settled_is_not_judged_again(on_either, vendor, quiet_incomplete):
    """The stored body is that of the quarantined answer. The decision came later."""
    on_either(progress=False)
    vendor.faults = Faults(script={"query": ["wrong_phone"]})
    one = BOOK[1:]
    assert one.numberactive.enrich("phone")["phone_lookup_status"].tolist() == ["quarantined"]
    with pna.LookupStore() as store:
        store.resolve("08110000002", "settle", charged=True, active_level="high")
    assert reread() == {"read": 0, "changed": 0}
    out = one.numberactive.enrich("phone", overwrite=True)
    assert out["phone_active_level"].tolist() == ["high"]


def test_a_late_reply_changes_no_other_answer(on_either, vendor):
    """It is of another requestId of the same purchase."""
    on_either(progress=False)
    BOOK[:1].numberactive.enrich("phone")
    with pna.LookupStore() as store:
        store._store.do(
            lambda db: db.execute(
                "INSERT INTO events (at, kind, environment, number, generation, request_id, body) "
                "SELECT at, 'late', environment, number, generation, 'another', ? "
                "FROM events WHERE body IS NOT NULL",
                (b'{"code": 200, "data": {"userPhone": "628110000009"}}',),
            )
        )
    assert reread()["changed"] == 0
    out = BOOK[:1].numberactive.enrich("phone", overwrite=True)
    assert out["phone_lookup_status"].tolist() != ["quarantined"]
