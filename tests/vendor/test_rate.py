"""max_rate holds in every window of a second, by the client's clock and by the vendor's."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from pandas_numberactive._vendor.client import Client


def most_in_a_second(times):
    stamps = np.sort(np.array(times))
    return int((np.searchsorted(stamps, stamps + 1.0, side="left") - np.arange(len(stamps))).max())


def test_no_second_holds_more_calls_than_max_rate(as_production, vendor, monkeypatch):
    as_production(max_rate=50, max_concurrency=64)
    sent = []
    for name in ("handle", "query"):
        real = getattr(Client, name)
        monkeypatch.setattr(
            Client,
            name,
            lambda self, arg, real=real: (sent.append(time.monotonic()), real(self, arg))[1],
        )
    pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(75)]}).numberactive.enrich("phone")
    assert len(sent) == len(vendor.calls) == 150
    assert most_in_a_second(sent) <= 51
    assert most_in_a_second([at for at, _, _ in vendor.calls]) <= 55
