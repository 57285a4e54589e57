"""Seams for the tests of this package; nothing else calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pandas_numberactive._store.store import LookupStore
from pandas_numberactive.simulator.server import Simulator, _Book


def set_clock(store: LookupStore, clock: Callable[[], float]) -> None:
    """Let a store live by `clock`, in seconds since 1970, in place of its own."""
    engine: Any = store.engine
    engine.now = lambda: round(clock() * 1e6)


def issue(vendor: Simulator, request_id: str, phone: str) -> None:
    """Have the simulator know a requestId that an earlier one gave out for `phone`."""
    vendor._ids[request_id] = _Book(phone)
