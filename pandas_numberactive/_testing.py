"""Seams that only the tests of this package call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pandas_numberactive._store.engines import sqlite
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive.simulator.server import Simulator, _Book


def set_clock(store: LookupStore, clock: Callable[[], float]) -> None:
    """Let a store live by `clock`, in seconds since 1970, in place of its own."""
    engine: Any = store.engine
    engine.now = lambda: round(clock() * 1e6)


def issue(vendor: Simulator, request_id: str, phone: str) -> None:
    """Have the simulator know a requestId that an earlier one gave out for `phone`."""
    vendor._ids[request_id] = _Book(phone)


@contextmanager
def journal_mode(mode: str) -> Iterator[None]:
    """Make stores in the block in SQLite's "wal" or "truncate" mode, which they keep."""
    before = sqlite.NEW_STORES
    sqlite.NEW_STORES = mode
    try:
        yield
    finally:
        sqlite.NEW_STORES = before


@contextmanager
def patience(seconds: float, again: float = sqlite.BUSY_AGAIN) -> Iterator[None]:
    """Wait only so long for a lock of another program, in stores opened in the block.

    `again` is the wait once a wait was in vain, both in seconds.
    """
    before = sqlite.BUSY_SECONDS, sqlite.BUSY_AGAIN
    sqlite.BUSY_SECONDS = seconds
    sqlite.BUSY_AGAIN = min(seconds, again)
    try:
        yield
    finally:
        sqlite.BUSY_SECONDS, sqlite.BUSY_AGAIN = before
