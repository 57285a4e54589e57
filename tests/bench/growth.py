"""(e) how time and memory grow with the rows and with the store; each case in a process of its own."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from tests.bench import data
from tests.bench.sides import Seen, Side, in_turn
from tests.bench.table import Row, spread
from tests.bench.vendor import lean_vendor

MAKE = """
import sys
from pathlib import Path
import numpy as np
from tests.bench import data, warm
rows, stored, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
book, _, national = warm._frames(rows, min(rows, 1_000_000), 1)
book.to_feather(folder / "book", compression="uncompressed")
if stored > len(national):
    national = np.union1d(national, data.numbers(stored, 8))[:stored]
data.filled_store(folder / "store", national[:stored])
"""
# A process that has made nothing but the table: what its peak grows by is the run's own.
RUN = """
import json, sys, time
from pathlib import Path
import pandas as pd
import pandas_numberactive
from tests.bench import warm
kind, folder = sys.argv[1], Path(sys.argv[2])
book = pd.read_feather(folder / "book")
def memory(line):
    return int(next(l.split()[1] for l in open("/proc/self/status") if l.startswith(line))) * 1024
open("/proc/self/clear_refs", "w").write("5")
with warm._configured(folder / "store"):
    before, started = memory("VmRSS"), time.perf_counter()
    out = getattr(book.numberactive, kind)("phone")
    seconds = time.perf_counter() - started
own = int(book["phone"].memory_usage(index=False, deep=True))
print(json.dumps({"seconds": seconds, "extra": memory("VmHWM") - before, "column": own}))
"""


def _case(rows: int, stored: int, kind: str = "enrich") -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", MAKE, str(rows), str(stored), folder], check=True)
        run = [sys.executable, "-c", RUN, kind, folder]
        cases = [
            json.loads(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
            for _ in range(3)
        ]
    return {name: float(np.median([case[name] for case in cases])) for name in cases[0]}


def growth(quick: bool) -> list[Row]:
    """Warm enrich of more and more rows over a million answers; then one million rows over more and more answers."""
    sizes = (20_000, 100_000) if quick else (100_000, 1_000_000, 10_000_000)
    seen = {n: _case(n, min(n, 1_000_000)) for n in sizes}
    rows: list[Row] = []
    for few, many in itertools.pairwise(sizes):
        linear = seen[many]["seconds"] / seen[few]["seconds"] / (many / few)
        what, note = (
            f"{few:,} to {many:,} rows: time / linear",
            "ours: the larger; baseline: the smaller",
        )
        rows.append(
            Row(
                "e. growth",
                what,
                linear,
                note,
                seen[many]["seconds"],
                seen[few]["seconds"],
                at_most=1.2,
            )
        )
    most = seen[sizes[-1]]
    note = f"{sizes[-1]:,} rows: {most['extra'] / 1e6:,.0f} MB beside a column of {most['column'] / 1e6:,.0f} MB"
    rows.append(
        Row(
            "e. growth",
            "extra peak memory / the column",
            most["extra"] / most["column"],
            note,
            at_most=2.0,
        )
    )
    rows_, stored = (100_000, 100_000) if quick else (1_000_000, 1_000_000)
    first = _case(rows_, 10_000, "plan")
    one = _case(rows_, stored, "plan")
    what = f"plan of {rows_:,} rows: {stored:,} stored answers / 10,000"
    note = f"extra memory {one['extra'] / 1e6:,.0f} MB against {first['extra'] / 1e6:,.0f} MB"
    ratio = one["seconds"] / first["seconds"]
    return [*rows, Row("e. growth", what, ratio, note, one["seconds"], first["seconds"])]


def purchases(quick: bool) -> Iterator[Row]:
    """(e) CPU a look-up with very many in one run, and in a store of a million, beside a bare loop."""
    many, few, stored = (2_000, 1_000, 10_000) if quick else (200_000, 20_000, 1_000_000)
    with lean_vendor() as url:
        seen = in_turn(
            {"ours": Side("ours"), "base": Side("bare_aiohttp")},
            url,
            count=many,
            rounds=1,
            in_flight=64,
            counts={"base": few},  # the bare loop keeps nothing that could grow
        )
    what = f"{many:,} purchases in one run: CPU a look-up / bare aiohttp"
    yield _cpu(what, f"one round; the bare loop made {few:,}", seen)
    with tempfile.TemporaryDirectory() as folder, lean_vendor() as url:
        path = Path(folder) / "s.sqlite3"
        data.filled_store(path, data.numbers(stored, 8))
        seen = in_turn(
            {"ours": Side("ours", str(path)), "base": Side("bare_aiohttp")},
            url,
            count=few // 4,
            rounds=3,
            in_flight=64,
            first=100,  # millions above those that are stored
        )
    what = f"{stored:,} stored: CPU a look-up / bare aiohttp"
    yield _cpu(what, f"{few // 4:,} look-ups, 3 rounds in turn", seen)


def _cpu(what: str, note: str, seen: Mapping[str, list[Seen]]) -> Row:
    each = {name: np.array([one.cpu_each for one in some]) for name, some in seen.items()}
    mine, base = (float(np.median(each[name])) for name in each)
    return spread(Row("e. growth", what, 0, f"{mine:.0f} us against {base:.0f} us; {note}"), each)
