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
