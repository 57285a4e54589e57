"""CPU per look-up, and how near to the ideal a run comes when the vendor's latency is what limits it."""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
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


NEWER = "pysqlite3"  # a module with a SQLite of its own
FIXED = (3, 51, 3)  # the first SQLite of the newest line without the fault in its log


@dataclass(frozen=True)
class Cpu:
    """A cell of the table of CPU a look-up: ours against a baseline."""

    what: str
    ours: Side
    base: Side
    count: int
    rounds: int
    at_most: float | None


def _cells() -> list[Cpu]:
    bare = Side("bare_aiohttp")
    one_core = Side("bare_aiohttp", pinned=True)
    lane_off = Side("ours_by_session", pinned=True)
    threads = Side("requests_in_threads")
    newer = _newer_sqlite()
    cells = [
        Cpu("bare aiohttp, one core", Side("ours", pinned=True), one_core, 5000, 7, 1.05),
        Cpu("bare aiohttp", Side("ours"), bare, 5000, 5, 1.30),
        Cpu("bare aiohttp, 40,000", Side("ours"), bare, 40_000, 2, 1.35),
        Cpu("bare aiohttp, lane off, one core", lane_off, one_core, 5000, 3, 1.8),
        Cpu("requests in 64 threads", Side("ours"), threads, 1500, 3, 0.20),
    ]
    if newer:
        what = f"bare aiohttp, one core, SQLite {newer}"
        ours = Side("ours", pinned=True, sqlite=NEWER)
        cells.insert(1, Cpu(what, ours, one_core, 5000, 5, 1.05))
        what = f"bare aiohttp, SQLite {newer}"
        cells.insert(3, Cpu(what, Side("ours", sqlite=NEWER), bare, 5000, 5, 1.30))
    return cells


def _newer_sqlite() -> str:
    """Return the version of a SQLite that is not older than FIXED, or nothing."""
    try:
        other = importlib.import_module(NEWER)
    except ImportError:
        return ""
    return str(other.sqlite_version) if other.sqlite_version_info >= FIXED else ""


def cpu(quick: bool) -> Iterator[Row]:
    """(c) CPU a look-up, both sides in turn, 64 in flight, a vendor without latency."""
    for cell in _cells():
        yield _cpu(cell, quick)
    if not _newer_sqlite():
        what = f"ours / bare aiohttp, newer SQLite: not measured, pip install {NEWER}"
        yield Row("c. CPU a look-up", what, float("nan"))


def _cpu(cell: Cpu, quick: bool) -> Row:
    count = 500 if quick else cell.count
    rounds = 1 if quick else cell.rounds
    sides = {"ours": cell.ours, "base": cell.base}
    with lean_vendor() as url:
        seen = in_turn(sides, url, count=count, rounds=rounds, in_flight=64)
    each = {name: np.array([one.cpu_each for one in some]) for name, some in seen.items()}
    mine = np.median(each["ours"])
    base = np.median(each["base"])
    note = f"{mine:.0f} us against {base:.0f} us, {count:,} look-ups, {rounds} rounds in turn"
    what = f"ours / {cell.what}"
    return spread(Row("c. CPU a look-up", what, 0, note, at_most=cell.at_most), each)


@dataclass(frozen=True)
class Wait:
    """A cell where latency limits: seconds a call, calls in flight, seconds a fsync."""

    delay: float
    in_flight: int
    fsync: float = 0.0

    @property
    def count(self) -> int:
        """Numbers that take eight seconds at best, or the most that a cell asks."""
        return max(self.in_flight * 8, min(5000, int(4 * self.in_flight / self.delay)))

    @property
    def rate(self) -> float:
        """Look-ups a second at best."""
        return self.in_flight / (2 * self.delay)


LATENCY = [Wait(delay, many) for delay in (0.02, 0.1, 0.5) for many in (8, 64, 256)]
SLOW_DISK = Wait(0.1, 64, fsync=0.01)
TOGETHER = (
    330.0  # look-ups a second: cells up to it leave most of a core free, and run side by side
)


def latency(quick: bool) -> Iterator[Row]:
    """(d) wall / ideal where latency limits, beside the bare loop's own, in turn."""
    if quick:
        yield _latency(Wait(0.02, 64), quick)
        return
    tight = [LATENCY[4], SLOW_DISK]
    calm = [cell for cell in LATENCY if cell.rate <= TOGETHER and cell not in tight]
    busy = [cell for cell in LATENCY if cell.rate > TOGETHER]
    for cell in (*tight, *busy):
        yield _latency(cell, quick)
    with ThreadPoolExecutor(len(calm)) as pool:
        yield from pool.map(_latency, calm, [quick] * len(calm))


def _latency(cell: Wait, quick: bool) -> Row:
    count = 256 if quick else cell.count
    rounds = 1 if quick else 3
    ideal = count / cell.rate
    if cell.fsync and shutil.which("cc") is None:
        return Row("d. latency-bound", "slow disk: not measured, no C compiler", float("nan"))
    sides = {"ours": Side("ours", fsync=cell.fsync), "base": Side("bare_aiohttp")}
    with lean_vendor(cell.delay) as url:
        seen = in_turn(sides, url, count=count, rounds=rounds, in_flight=cell.in_flight)
    each = {name: np.array([one.wall / ideal for one in some]) for name, some in seen.items()}
    mine = each["ours"]
    base = float(np.median(each["base"]))
    disk = f", {cell.fsync * 1000:.0f} ms a fsync" if cell.fsync else ""
    what = f"{cell.delay * 1000:.0f} ms, {cell.in_flight} in flight{disk}: wall / ideal"
    note = f"bare loop {base:.2f}; {count:,} numbers, ideal {ideal:.1f} s, {rounds} rounds in turn"
    most = round(_most(cell, base), 2)
    row = Row("d. latency-bound", what, float(np.median(mine)), note, at_most=most)
    return replace(row, low=float(mine.min()), high=float(mine.max()))


def _most(cell: Wait, base: float) -> float:
    """Return the target of a cell, beside the bare loop's own time."""
    if cell.fsync:
        return 1.10
    if cell.delay < 0.1:
        return 1.1 * base
    least = 1.05 if (cell.delay, cell.in_flight) == (0.1, 64) else 1.15
    return max(least, base + 0.03)
