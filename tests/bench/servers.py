"""A team's store on PostgreSQL, behind a proxy that adds 0, 1 or 5 ms to each round trip."""

from __future__ import annotations

import numpy as np

from tests.bench.sides import Side, in_turn
from tests.bench.table import Row
from tests.bench.vendor import delaying_proxy, lean_vendor
from tests.pg import Server

FIRST = {0.0: 0, 0.001: 20, 0.005: 40}  # of each cell's numbers, for all share a store
LEAST = {0.0: None, 0.001: 700.0, 0.005: 350.0}  # look-ups a second


def postgres(quick: bool) -> list[Row]:
    """(h) look-ups a second with a vendor of 0 ms, beside SQLite; then a vendor of 100 ms."""
    delays = (0.0, 0.001) if quick else tuple(LEAST)
    with Server() as server:
        rows = [_rate(server, delay) for delay in delays]
        return [*rows, *([] if quick else [_far(server)])]


def _store(server: Server, port: str) -> str:
    return server.dsn.replace(f":{server.port}/", f":{port}/")


def _rate(server: Server, delay: float) -> Row:
    with delaying_proxy(delay, "127.0.0.1", server.port) as port, lean_vendor() as url:
        sides = {"ours": Side("ours", _store(server, port)), "base": Side("ours")}
        seen = in_turn(sides, url, count=2000, rounds=3, in_flight=64, first=FIRST[delay])
    mine, base = (np.median([one.count / one.wall for one in seen[name]]) for name in seen)
    what = f"{delay * 1000:.0f} ms to the server: look-ups a second"
    note = f"SQLite {base:,.0f}; vendor of 0 ms, 2,000 look-ups, 64 in flight, 3 rounds in turn"
    return Row("h. PostgreSQL", what, float(mine), note, at_least=LEAST[delay])


def _far(server: Server) -> Row:
    delay, count, in_flight = 0.1, 2000, 64
    ideal = 2 * count * delay / in_flight
    with delaying_proxy(0.005, "127.0.0.1", server.port) as port, lean_vendor(delay) as url:
        sides = {"ours": Side("ours", _store(server, port)), "base": Side("bare_aiohttp")}
        seen = in_turn(sides, url, count=count, rounds=3, in_flight=in_flight, first=60)
    mine, base = (float(np.median([one.wall / ideal for one in seen[name]])) for name in seen)
    what = "5 ms to the server, vendor of 100 ms: wall / ideal"
    return Row("h. PostgreSQL", what, mine, f"bare loop {base:.2f}", at_most=1.5)
