"""CPU per look-up, and how near to the ideal a run comes when the vendor's latency is what limits it."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import numpy as np

import pandas_numberactive as pna
from pandas_numberactive import _bridge as bridge
from pandas_numberactive._config.readiness import require
from pandas_numberactive._run import run as batch
from pandas_numberactive._run.options import Options
from pandas_numberactive._run.report import Shape
from pandas_numberactive._vendor import client
from pandas_numberactive._vendor.protocol import HANDLE_PATH, QUERY_PATH, signed
from tests.bench.sides import Side, in_turn
from tests.bench.table import Row, spread
from tests.bench.vendor import KEYS, lean_vendor

Loop = Callable[[str, "np.ndarray[Any, Any]", int], int]


def ours(url: str, numbers: np.ndarray[Any, Any], in_flight: int) -> int:
    """enrich's own run, journal on disk included, or on the server that BENCH_STORE names."""
    with tempfile.TemporaryDirectory() as folder:
        given = require(
            pna.settings(
                environment="sandbox",
                base_url=url,
                store=os.environ.get("BENCH_STORE") or str(Path(folder) / "s.sqlite3"),
                max_concurrency=in_flight,
                **KEYS,
            )
        )
        run = batch.Run(
            numbers, Shape(rows=len(numbers), valid_rows=len(numbers)), given, Options()
        )
        result = bridge.call(run.go, stop=run.stop, drain=10.0)
        with result.ending:  # the store is closed here, its thread ended
            pass
    return int((result.answers.status < 2).sum())


def ours_by_session(url: str, numbers: np.ndarray[Any, Any], in_flight: int) -> int:
    """Ours without the lane, as behind a proxy or with an aiohttp that lacks its names."""
    with mock.patch.object(client, "make_lane", return_value=None):
        return ours(url, numbers, in_flight)


def bare_aiohttp(url: str, numbers: np.ndarray[Any, Any], in_flight: int) -> int:
    """What one writes first: the same two calls, no journal, no checks."""

    async def main() -> int:
        left = iter(numbers.tolist())
        done = 0

        async def worker(session: aiohttp.ClientSession) -> None:
            nonlocal done
            for number in left:
                params = signed({"appKey": KEYS["app_key"], "phone": str(number)}, KEYS["secret"])
                async with session.post(url + HANDLE_PATH, json=params) as response:
                    request_id = (await response.json())["requestId"]
                params = signed(
                    {"appKey": KEYS["app_key"], "requestId": request_id}, KEYS["secret"]
                )
                async with session.post(url + QUERY_PATH, json=params) as response:
                    code = (await response.json())["code"]
                done += code == 200

        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=in_flight)
        ) as session:
            await asyncio.gather(*(worker(session) for _ in range(in_flight)))
        return done

    return asyncio.run(main())


def requests_in_threads(url: str, numbers: np.ndarray[Any, Any], in_flight: int) -> int:
    """requests in a thread pool."""
    import requests

    local = threading.local()

    def post(path: str, name: str, value: str) -> Any:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.trust_env = False
        params = signed({"appKey": KEYS["app_key"], name: value}, KEYS["secret"])
        return local.session.post(url + path, json=params).json()

    def one(number: int) -> int:
        request_id = post(HANDLE_PATH, "phone", str(number))["requestId"]
        return int(post(QUERY_PATH, "requestId", request_id)["code"] == 200)

    with ThreadPoolExecutor(in_flight) as pool:
        return sum(pool.map(one, numbers.tolist()))


def httpx_loop(url: str, numbers: np.ndarray[Any, Any], in_flight: int) -> int:
    """httpx, asynchronous."""
    import httpx

    async def main() -> int:
        left = iter(numbers.tolist())
        done = 0

        async def worker(session: httpx.AsyncClient) -> None:
            nonlocal done
            for number in left:
                params = signed({"appKey": KEYS["app_key"], "phone": str(number)}, KEYS["secret"])
                request_id = (await session.post(url + HANDLE_PATH, json=params)).json()[
                    "requestId"
                ]
                params = signed(
                    {"appKey": KEYS["app_key"], "requestId": request_id}, KEYS["secret"]
                )
                reply = await session.post(url + QUERY_PATH, json=params)
                done += reply.json()["code"] == 200

        async with httpx.AsyncClient(
            limits=httpx.Limits(max_connections=in_flight), trust_env=False
        ) as session:
            await asyncio.gather(*(worker(session) for _ in range(in_flight)))
        return done

    return asyncio.run(main())


LOOPS: dict[str, Loop] = {
    loop.__name__: loop
    for loop in (ours, ours_by_session, bare_aiohttp, requests_in_threads, httpx_loop)
}


@dataclass(frozen=True)
class Cpu:
    """A cell of the table of CPU a look-up: ours against a baseline."""

    what: str
    ours: str
    base: str
    count: int
    rounds: int
    at_most: float | None
    pinned: bool = False


CPU = (
    Cpu("bare aiohttp, one core", "ours", "bare_aiohttp", 5000, 7, 1.05, pinned=True),
    Cpu("bare aiohttp", "ours", "bare_aiohttp", 5000, 7, 1.30),
    Cpu("bare aiohttp, 40,000", "ours", "bare_aiohttp", 40_000, 3, 1.35),
    Cpu("bare aiohttp, lane off", "ours_by_session", "bare_aiohttp", 5000, 5, 1.8),
    Cpu("requests in 64 threads", "ours", "requests_in_threads", 1500, 5, 0.20),
)


def cpu(quick: bool) -> list[Row]:
    """(c) CPU a look-up, both sides in turn, 64 in flight, a vendor without latency."""
    cells = [cell for cell in CPU if not quick or cell.count == 5000]
    return [_cpu(cell, quick) for cell in cells]


def _cpu(cell: Cpu, quick: bool) -> Row:
    sides = {"ours": Side(cell.ours, "", cell.pinned), "base": Side(cell.base, "", cell.pinned)}
    count = 1000 if quick else cell.count
    with lean_vendor() as url:
        seen = in_turn(sides, url, count=count, rounds=cell.rounds, in_flight=64)
    each = {name: np.array([one.cpu_each for one in some]) for name, some in seen.items()}
    mine = np.median(each["ours"])
    base = np.median(each["base"])
    note = f"{mine:.0f} us against {base:.0f} us, {count:,} look-ups, {cell.rounds} rounds in turn"
    what = f"ours / {cell.what}"
    return spread(Row("c. CPU a look-up", what, 0, note, at_most=cell.at_most), each)


def latency(quick: bool) -> list[Row]:
    """(d) wall / ideal where latency limits, beside the bare loop's own, in turn."""
    cases = [(delay, many) for delay in (0.02, 0.1, 0.5) for many in (8, 64, 256)]
    return [_latency(delay, many) for delay, many in ([(0.1, 64)] if quick else cases)]


def _latency(delay: float, in_flight: int) -> Row:
    count = max(in_flight * 8, min(5000, int(4 * in_flight / delay)))
    ideal = 2 * count * delay / in_flight
    sides = {"ours": Side("ours"), "base": Side("bare_aiohttp")}
    with lean_vendor(delay) as url:
        seen = in_turn(sides, url, count=count, rounds=3, in_flight=in_flight)
    each = {name: np.array([one.wall / ideal for one in some]) for name, some in seen.items()}
    mine = float(np.median(each["ours"]))
    base = float(np.median(each["base"]))
    most = 1.1 * base if delay < 0.1 else max(1.15, base + 0.03)
    if (delay, in_flight) == (0.1, 64):
        most = max(1.05, base + 0.03)
    what = f"{delay * 1000:.0f} ms, {in_flight} in flight: wall / ideal"
    note = f"bare loop {base:.2f}; {count:,} numbers, ideal {ideal:.1f} s, 3 rounds in turn"
    return Row("d. latency-bound", what, mine, note, at_most=round(most, 2))
