"""CPU per look-up, and how near to the ideal a run comes when the vendor's latency is what limits it."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

import pandas_numberactive as pna
from pandas_numberactive import _bridge as bridge
from pandas_numberactive._config.readiness import require
from pandas_numberactive._run import run as batch
from pandas_numberactive._run.options import Options
from pandas_numberactive._run.report import Shape
from pandas_numberactive._vendor.protocol import HANDLE_PATH, QUERY_PATH, signed
from tests.bench.table import Row
from tests.bench.vendor import KEYS, vendor

Loop = Callable[[str, "np.ndarray[Any, Any]", int], int]
TARGETS: dict[str, float | None] = {
    "bare_aiohttp": 1.25,
    "requests_in_threads": 0.2,
    "httpx_loop": None,
}


def ours(url: str, numbers: np.ndarray[Any, Any], in_flight: int) -> int:
    """enrich's own run, journal on disk included."""
    with tempfile.TemporaryDirectory() as folder:
        given = require(
            pna.settings(
                environment="sandbox",
                base_url=url,
                store=str(Path(folder) / "s.sqlite3"),
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

        async def worker(client: httpx.AsyncClient) -> None:
            nonlocal done
            for number in left:
                params = signed({"appKey": KEYS["app_key"], "phone": str(number)}, KEYS["secret"])
                request_id = (await client.post(url + HANDLE_PATH, json=params)).json()["requestId"]
                params = signed(
                    {"appKey": KEYS["app_key"], "requestId": request_id}, KEYS["secret"]
                )
                reply = await client.post(url + QUERY_PATH, json=params)
                done += reply.json()["code"] == 200

        async with httpx.AsyncClient(
            limits=httpx.Limits(max_connections=in_flight), trust_env=False
        ) as client:
            await asyncio.gather(*(worker(client) for _ in range(in_flight)))
        return done

    return asyncio.run(main())


def _numbers(count: int, round_: int) -> np.ndarray[Any, Any]:
    return np.arange(count) + 8_110_000_000 + round_ * 10_000_000


def _cpu(loop: Loop, url: str, count: int, round_: int, in_flight: int) -> tuple[float, float]:
    """CPU and wall microseconds a look-up."""
    numbers = _numbers(count, round_)
    cpu, wall = time.process_time(), time.perf_counter()
    done = loop(url, numbers, in_flight)
    assert done == count, (loop.__name__, done)
    return (time.process_time() - cpu) / count * 1e6, (time.perf_counter() - wall) / count * 1e6


def cpu(quick: bool) -> list[Row]:
    """(c) CPU per look-up, all loops in turn, several rounds."""
    rounds, count = (3, 1000) if quick else (7, 3000)
    loops: list[Loop] = [ours, bare_aiohttp]
    for module, loop in (("requests", requests_in_threads), ("httpx", httpx_loop)):
        try:
            __import__(module)
        except ImportError:
            continue
        loops.append(loop)
    seen: dict[str, list[float]] = {loop.__name__: [] for loop in loops}
    walls: dict[str, list[float]] = {loop.__name__: [] for loop in loops}
    with vendor() as url:
        for round_ in range(rounds + 1):
            for at, loop in enumerate(loops):
                slow = loop.__name__ not in ("ours", "bare_aiohttp")
                one = _cpu(loop, url, count // (5 if slow else 1), 10 * round_ + at, 64)
                if round_:  # the first round warms up
                    seen[loop.__name__].append(one[0])
                    walls[loop.__name__].append(one[1])
    rows = []
    for name, target in TARGETS.items():
        if name in seen:
            ratio = float(np.median(np.array(seen["ours"]) / np.array(seen[name])))
            mine, base = (float(np.median(seen[each])) for each in ("ours", name))
            note = (
                f"{mine:.0f} us against {base:.0f} us of CPU a look-up; {_throughput(walls, name)}"
            )
            rows.append(Row("c. CPU per look-up", f"ours / {name}", ratio, note, at_most=target))
        else:
            rows.append(
                Row(
                    "c. CPU per look-up",
                    f"ours / {name}: not measured, pip install it",
                    float("nan"),
                )
            )
    return rows


def _throughput(walls: dict[str, list[float]], name: str) -> str:
    ours_s, base_s = (1e6 / float(np.median(walls[each])) for each in ("ours", name))
    return f"{ours_s:,.0f} against {base_s:,.0f} look-ups a second, ours with its journal"


def latency(quick: bool) -> list[Row]:
    """(d) wall / ideal where latency limits: 2 calls x numbers x latency / in flight."""
    cases = (
        [(0.1, 64)]
        if quick
        else [(0.02, 8), (0.02, 64), (0.1, 8), (0.1, 64), (0.1, 256), (0.5, 64), (0.5, 256)]
    )
    rows = []
    for delay, in_flight in cases:
        count = max(in_flight * 8, min(5000, int(16 * in_flight / (2 * delay))))
        with vendor(delay) as url:
            ours(url, _numbers(in_flight, 9), in_flight)
            started = time.perf_counter()
            assert ours(url, _numbers(count, 0), in_flight) == count
            wall = time.perf_counter() - started
        ideal = 2 * count * delay / in_flight
        what = f"{delay * 1000:.0f} ms, {in_flight} in flight: wall / ideal"
        target = 1.10 if (delay, in_flight) == (0.1, 64) else None
        note = f"{count:,} numbers; ideal is 2 x numbers x latency / in flight"
        rows.append(Row("d. latency-bound", what, wall / ideal, note, wall, ideal, at_most=target))
    return rows
