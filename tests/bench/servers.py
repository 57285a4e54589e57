"""A team's store on PostgreSQL, behind a proxy that adds 0, 1 or 5 ms to each round trip."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import psycopg

from tests.bench.sides import Side, in_turn
from tests.bench.table import Row
from tests.bench.vendor import delaying_proxy, lean_vendor
from tests.pg import Server

FIRST = {0.0: 0, 0.001: 20, 0.005: 40}  # of each cell's numbers, for all share a store
LEAST = {0.0: None, 0.001: 700.0, 0.005: 350.0}  # look-ups a second


def postgres(quick: bool) -> Iterator[Row]:
    """(h) look-ups a second with a vendor of 0 ms, beside SQLite; then a vendor of 100 ms."""
    with Server() as server:
        for delay in LEAST:
            yield _rate(server, delay, quick)
        yield _far(server, quick)


def _store(server: Server, port: str) -> str:
    return server.dsn.replace(f":{server.port}/", f":{port}/")


def _round_trip(address: str) -> float:
    """Return the median milliseconds of a round trip, the proxy's own work included."""
    seen = []
    with psycopg.connect(address, autocommit=True) as connection:
        for _ in range(50):
            started = time.perf_counter()
            connection.execute("SELECT 1")
            seen.append(1000 * (time.perf_counter() - started))
    return float(np.median(seen))


def _rate(server: Server, delay: float, quick: bool) -> Row:
    count, rounds = (300, 1) if quick else (2000, 3)
    with delaying_proxy(delay, "127.0.0.1", server.port) as port, lean_vendor() as url:
        trip = _round_trip(_store(server, port))
        sides = {"ours": Side("ours", _store(server, port)), "base": Side("ours")}
        first = FIRST[delay]
        seen = in_turn(sides, url, count=count, rounds=rounds, in_flight=64, first=first)
    mine, base = (np.array([one.count / one.wall for one in seen[name]]) for name in seen)
    what = f"{delay * 1000:.0f} ms to the server: look-ups a second"
    note = (
        f"SQLite {np.median(base):,.0f}; a round trip takes {trip:.1f} ms here; vendor of 0 ms, "
        f"{count:,} look-ups, 64 in flight, {rounds} rounds in turn"
    )
    row = Row("h. PostgreSQL", what, float(np.median(mine)), note, at_least=LEAST[delay])
    return replace(row, low=float(mine.min()), high=float(mine.max()))


def _far(server: Server, quick: bool) -> Row:
    delay, in_flight = 0.1, 64
    count, rounds = (320, 1) if quick else (2000, 3)
    ideal = 2 * count * delay / in_flight
    with delaying_proxy(0.005, "127.0.0.1", server.port) as port, lean_vendor(delay) as url:
        sides = {"ours": Side("ours", _store(server, port)), "base": Side("bare_aiohttp")}
        seen = in_turn(sides, url, count=count, rounds=rounds, in_flight=in_flight, first=60)
    mine, base = (np.array([one.wall / ideal for one in seen[name]]) for name in seen)
    what = "5 ms to the server, vendor of 100 ms: wall / ideal"
    note = f"bare loop {np.median(base):.2f}; {count:,} look-ups, {rounds} rounds in turn"
    row = Row("h. PostgreSQL", what, float(np.median(mine)), note, at_most=1.5)
    return replace(row, low=float(mine.min()), high=float(mine.max()))
