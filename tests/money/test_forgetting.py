"""A number that was forgotten collides with nobody."""

from __future__ import annotations

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive.simulator import Faults

pytestmark = pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")


def book(count, first=0):
    return pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(first, first + count)]})  # made up


def test_a_forgotten_number_collides_with_nobody(on_either, vendor):
    """A vendor that gives its requestId to another number stops no run (B13)."""
    on_either(progress=False, max_concurrency=1)
    book(1).numberactive.enrich("phone")
    with pna.LookupStore() as store:
        assert store.forget("08110000000") == 1
    vendor.faults = Faults(script={"handle": ["same_request_id"]})
    out = book(3, first=1).numberactive.enrich("phone")
    assert "uncertain" not in set(out["phone_lookup_status"])
    assert out["phone_lookup_status"][2] in ("answered", "no_data")
